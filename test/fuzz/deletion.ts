/** Ends deletions, as the reconciler does. Beside `test/support/deletion.ts`, which cannot be loaded outside of vitest. */

import { removalOf } from "#core/cluster/removal.ts";
import { clusterEntity } from "#core/cluster/stored.ts";
import type { Services } from "#core/context.ts";
import { readChunkOf } from "#core/listing/page-index.ts";
import { nodePoolsOf } from "#core/node-pool/repository.ts";
import { clusterKey, pointerKey, tombstoneKey } from "#core/table/keys.ts";
import { deadlineIn } from "#core/table/pause.ts";
import { commit } from "#core/table/transact.ts";

/**
 * Makes a tombstone of a cluster that is being deleted and still has its slug.
 *
 * @throws Error where there is none, or it changed meanwhile
 */
export async function endDeletion(
  services: Services,
  organisation: string,
  environment: string,
  slug: string,
): Promise<void> {
  const [item] = (await services.table.get([clusterKey(organisation, environment, slug)])).values();
  const chunk = await readChunkOf(services.table, organisation, environment, slug);
  if (item === undefined || chunk === undefined) throw new Error(`there is no cluster ${slug} in ${environment}`);
  const cluster = clusterEntity.read(item);
  const pools = await nodePoolsOf(services.table, cluster.identity);
  const now = services.clock().toISOString();
  const transaction = removalOf(services, cluster, pools, chunk, now);
  transaction.update(
    "pointer",
    pointerKey(cluster.identity),
    "SET #path = :path, #ttl = :ttl ADD #fence :one REMOVE #duePk, #dueAt, #leaseUntil",
    {
      condition: "attribute_exists(#pk)",
      values: {
        ":path": tombstoneKey(organisation, environment, slug, cluster.identity).sk,
        ":ttl": Math.floor(Date.parse(now) / 1_000) + 30 * 24 * 60 * 60,
        ":one": 1,
      },
    },
  );
  const failures = await commit(services.table, transaction, deadlineIn(services.patienceMs));
  if (failures.length > 0) throw new Error(`the deletion of ${slug} did not end: ${JSON.stringify(failures)}`);
}
