/** Finishing deletions, which only the reconciler does. */

import { expect } from "vitest";
import { removalOf } from "#core/cluster/removal.ts";
import { isDeleting } from "#core/cluster/transitions.ts";
import type { Services } from "#core/context.ts";
import { readChunkOf } from "#core/listing/page-index.ts";
import { nodePoolsOf } from "#core/node-pool/repository.ts";
import { pointerKey, tombstoneKey } from "#core/table/keys.ts";
import { deadlineIn } from "#core/table/pause.ts";
import { commit } from "#core/table/transact.ts";
import { clustersOf } from "./invariants.ts";

/**
 * Makes a tombstone of a deleting cluster.
 *
 * @param identity which of those of the slug; absent for the first in key order, the present holder before displaced ones
 * @returns the identity of the cluster that is gone
 */
export async function finishDeletion(
  services: Services,
  organisation: string,
  environment: string,
  slug: string,
  identity?: string,
): Promise<string> {
  const cluster = (await clustersOf(services, organisation)).find(
    (each) =>
      each.environment === environment &&
      each.slug === slug &&
      isDeleting(each) &&
      (identity === undefined || each.identity === identity),
  );
  const chunk = await readChunkOf(services.table, organisation, environment, slug);
  if (cluster === undefined || chunk === undefined) throw new Error(`no deleting cluster ${slug} in ${environment}`);
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
  expect(await commit(services.table, transaction, deadlineIn(services.patienceMs))).toEqual([]);
  return cluster.identity;
}
