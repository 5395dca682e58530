/** Completes deletions, like the reconciler. */

import { clusterEntity } from "#core/cluster/entity.ts";
import { isDeleting } from "#core/cluster/rules/transitions.ts";
import { retire } from "#core/cluster/store/pointer.ts";
import { tombstoneTransaction } from "#core/cluster/store/tombstone.ts";
import type { Services } from "#core/context.ts";
import { readChunkOf } from "#core/listing/page-index.ts";
import { nodePoolsOf } from "#core/node-pool/items.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { clusterKey } from "#core/table/keys.ts";
import { commit } from "#core/table/transaction.ts";

/**
 * Makes a tombstone of a deleting cluster.
 *
 * @param given selects one of the clusters of the slug; by default the first in key order, the current owner before superseded
 * ones
 * @returns the identity of the deleted cluster
 * @throws Error if there is none, or it changed meanwhile
 */
export async function finishDeletion(
  services: Services,
  organisation: string,
  environment: string,
  slug: string,
  given?: string,
): Promise<string> {
  const { pk, sk } = clusterKey(organisation, environment, slug);
  const holders = (await services.table.query({ pk, prefix: sk })).map((item) => clusterEntity.read(item));
  const cluster = holders.find(
    (each) => each.slug === slug && isDeleting(each) && (given === undefined || each.identity === given),
  );
  const chunk = await readChunkOf(services.table, organisation, environment, slug);
  if (cluster === undefined || chunk === undefined) throw new Error(`no deleting cluster ${slug} in ${environment}`);
  const { identity } = cluster;
  const now = services.clock();
  const pools = await nodePoolsOf(services.table, identity);
  const transaction = tombstoneTransaction(services, cluster, pools, chunk, now.toISOString());
  retire(transaction, cluster, now);
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  if (failures.length > 0) throw new Error(`the deletion of ${slug} did not complete: ${JSON.stringify(failures)}`);
  return identity;
}
