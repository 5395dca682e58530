/** Completes a deletion: removes the remaining items of a cluster, and the environment that waited for the deletion. */

import type { Cluster } from "../cluster/entity.ts";
import { leftoverKeys } from "../cluster/store/tombstone.ts";
import type { Services } from "../context.ts";
import { DATA_KEY } from "../secrets/vault.ts";
import { deadlineIn } from "../shared/retry.ts";
import { pointerKey, secretKey } from "../table/keys.ts";
import { commit, TRANSACTION_OPERATIONS, Transaction } from "../table/transaction.ts";
import { finishEnvironmentDeletion } from "../tenancy/environment-deletion.ts";

/**
 * Deletes the items that `leftoverKeys` finds, in as many transactions as needed. A repeated call deletes the rest.
 *
 * @param guard adds to each transaction the condition on the pointer under which the caller may delete
 * @returns false if that condition failed
 * @throws AppError unavailable as `commit`
 */
export async function deleteLeftovers(
  services: Pick<Services, "table" | "writeTimeoutMs">,
  identity: string,
  guard: (transaction: Transaction) => void,
): Promise<boolean> {
  const { sk: key } = secretKey(identity, DATA_KEY);
  // The key is deleted last: after a crash, the next worker may have to decrypt the remaining secrets.
  const leftovers = (await leftoverKeys(services, identity)).toSorted((one, other) =>
    one.sk === key ? 1 : other.sk === key ? -1 : 0,
  );
  const atOnce = TRANSACTION_OPERATIONS - 1;
  for (let start = 0; start < leftovers.length; start += atOnce) {
    const transaction = new Transaction();
    for (const each of leftovers.slice(start, start + atOnce)) transaction.delete("leftover", each);
    guard(transaction);
    if ((await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs))).length > 0) return false;
  }
  return true;
}

/**
 * Deletes items that were added to the partition of a deleted cluster at the last moment, unless the cluster was restored. Then
 * removes its environment, if that is being deleted and has no clusters left. Idempotent.
 *
 * @throws AppError unavailable if the time was too short; the next attempt has less to do
 */
export async function completeDeletion(
  services: Services,
  { organisation, environment, identity }: Pick<Cluster, "organisation" | "environment" | "identity">,
): Promise<void> {
  await deleteLeftovers(services, identity, (transaction) =>
    transaction.check("pointer", pointerKey(identity), { condition: "attribute_exists(#ttl)" }),
  );
  await finishEnvironmentDeletion(services, organisation, environment);
}
