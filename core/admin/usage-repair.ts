/**
 * Corrects the numbers of the clusters that use cloud accounts and schedules. While two releases run side by side, the older one can
 * complete a deletion without lowering the number of its account, which then could never be deleted.
 */

import { isDeepStrictEqual } from "node:util";
import { clusterEntity } from "../cluster/entity.ts";
import type { Services } from "../context.ts";
import { deadlineIn } from "../shared/retry.ts";
import { CLUSTER_PREFIX, organisationKey, USAGE_PREFIX, usageKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import { type Usage, usageEntity } from "../tenancy/references-entity.ts";
import { countUsers, NO_USERS } from "./integrity/usage.ts";
import { showOrganisation } from "./organisations.ts";

/** Number of times that a difference must be found before it is corrected: other processes may be writing. */
const ROUNDS = 3;

/** Number that differs from the clusters. */
interface Difference {
  /** Identity of the cloud account or schedule. */
  identity: string;
  is: Usage;
  should: Usage;
}

/** Finds the numbers that differ. They are read before and after the clusters, and those that changed meanwhile are left out. */
async function findDifferences({ table }: Services, pk: string): Promise<Difference[]> {
  const readNumbers = async () =>
    new Map(
      (await table.query({ pk, prefix: USAGE_PREFIX })).map((item): [string, Usage] => {
        const { clusters, deletingClusters } = usageEntity.read(item);
        return [item.sk.slice(USAGE_PREFIX.length), { clusters, deletingClusters }];
      }),
    );
  const before = await readNumbers();
  const clusters = (await table.query({ pk, prefix: CLUSTER_PREFIX })).map((item) => clusterEntity.read(item));
  const [used, after] = [countUsers(clusters), await readNumbers()];
  return [...before].flatMap(([identity, is]) => {
    const should = used.get(identity) ?? NO_USERS;
    const isSame = isDeepStrictEqual(is, should) || !isDeepStrictEqual(is, after.get(identity));
    return isSame ? [] : [{ identity, is, should }];
  });
}

/**
 * Corrects the numbers of an organisation while servers run. A number that changes meanwhile is left as it is.
 *
 * @param organisation its slug
 * @returns the corrected numbers
 * @throws AppError not found; unavailable if the database cannot be reached
 */
export async function repairUsage(services: Services, organisation: string): Promise<Difference[]> {
  await showOrganisation(services, organisation);
  const { pk } = organisationKey(organisation);
  let found = await findDifferences(services, pk);
  for (let round = 2; round <= ROUNDS && found.length > 0; round++) {
    const again = await findDifferences(services, pk);
    found = found.filter((each) => again.some((other) => isDeepStrictEqual(other, each)));
  }
  const corrected: Difference[] = [];
  for (const difference of found) {
    const { identity, is, should } = difference;
    // An older release stored no number of deleting clusters.
    const isAbsent = is.deletingClusters === 0 ? "attribute_not_exists(#deletingClusters) OR " : "";
    const transaction = new Transaction().update(
      "usage",
      usageKey(organisation, identity),
      "SET #clusters = :clusters, #deletingClusters = :deletingClusters",
      {
        condition: `#clusters = :read AND (${isAbsent}#deletingClusters = :deleting)`,
        values: {
          ":read": is.clusters,
          ":deleting": is.deletingClusters,
          ":clusters": should.clusters,
          ":deletingClusters": should.deletingClusters,
        },
      },
    );
    const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
    if (failures.length === 0) corrected.push(difference);
  }
  return corrected;
}
