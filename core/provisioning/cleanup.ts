/** The end of a cluster beside its tombstone: what else is stored of it, and what waited for it to be gone. */

import type { Cluster } from "../cluster/entity.ts";
import { leftoverKeys } from "../cluster/store/tombstone.ts";
import type { Services } from "../context.ts";
import { DATA_KEY } from "../secrets/vault.ts";
import { deadlineIn } from "../shared/retry.ts";
import { pointerKey, secretKey } from "../table/keys.ts";
import { commit, TRANSACTION_OPERATIONS, Transaction } from "../table/transaction.ts";
import { finishEnvironmentDeletion } from "../tenancy/environment-deletion.ts";

/**
 * Takes away what `leftoverKeys` finds, in as many transactions as it takes. Called again it goes on where it was.
 *
 * @param hold adds the condition on the pointer, under which the cluster is the caller's to take away
 * @returns whether nothing of it is left; false where that condition did not hold
 * @throws AppError unavailable as `commit`
 */
export async function deleteLeftovers(
  services: Pick<Services, "table" | "writeTimeoutMs">,
  identity: string,
  hold: (transaction: Transaction) => void,
): Promise<boolean> {
  const { sk: key } = secretKey(identity, DATA_KEY);
  // What is encrypted goes before its key: whoever goes on after a crash may have to read it once more.
  const remains = (await leftoverKeys(services, identity)).toSorted((one, other) =>
    one.sk === key ? 1 : other.sk === key ? -1 : 0,
  );
  const atOnce = TRANSACTION_OPERATIONS - 1;
  for (let start = 0; start < remains.length; start += atOnce) {
    const transaction = new Transaction();
    for (const each of remains.slice(start, start + atOnce)) transaction.delete("remains", each);
    hold(transaction);
    if ((await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs))).length > 0) return false;
  }
  return true;
}

/**
 * Takes away what came to a cluster's partition in the last moment, unless it was brought back, and its environment, where that
 * waited for it. Called again it does no harm.
 *
 * @throws AppError unavailable where time did not suffice; the next try has less to do
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
