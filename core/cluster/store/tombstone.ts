/** The end of a deletion: what was a cluster becomes a tombstone, from which it can be brought back for a while. */

import type { Services } from "../../context.ts";
import { bucketOf, type Chunk, decrementBucket } from "../../listing/page-index.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { isLive } from "../../node-pool/rules.ts";
import {
  clusterIdentityOf,
  type Key,
  NODE_POOL_PREFIX,
  nodePoolKey,
  rangesExceptEvents,
  tombstoneKey,
} from "../../table/keys.ts";
import { Transaction } from "../../table/transaction.ts";
import { type Cluster, type Tombstone, tombstoneEntity } from "../entity.ts";
import type { EventType } from "../event-types.ts";
import { applyCounters } from "./counters.ts";
import { buildEvent } from "./event-log.ts";

/** The pools of a deleted cluster as they were last asked for. */
export const poolsOf = ({ nodePools }: Tombstone): NodePool[] => JSON.parse(nodePools);

/** Tombstones are kept this long. */
export const TOMBSTONE_DAYS = 30;

const DAY_SECONDS = 24 * 60 * 60;

/** Finds what is stored of a cluster beside its item, pointer, pools and events, such as its secrets. */
export async function leftoverKeys({ table }: Pick<Services, "table">, identity: string): Promise<Key[]> {
  const found = await Promise.all(
    rangesExceptEvents(identity).map((range) => table.query({ ...range, keysOnly: true })),
  );
  return found.flat().filter((key) => clusterIdentityOf(key) === undefined && !key.sk.startsWith(NODE_POOL_PREFIX));
}

/**
 * Makes the one transaction in which a deleting cluster that the provisioner no longer has becomes a tombstone: its item
 * and pools go, it is counted nowhere any more, and an event tells of it. What it leads to is not touched: the caller adds
 * the pointer's update, which is where its fence is.
 *
 * Conditions: `cluster` (it is as it was read), `left-index` (its bucket is where it was read), `tombstone`.
 *
 * @param cluster with the key it was read at, the slug's present holder or a displaced one
 * @param pools all of the cluster's, those that were being deleted too
 * @param chunk of the page index, which the cluster's slug belongs to
 * @param now RFC 3339
 * @param eventType what is told of it
 */
export function tombstoneTransaction(
  services: Pick<Services, "ids">,
  cluster: Cluster & Key,
  pools: readonly NodePool[],
  chunk: Chunk,
  now: string,
  eventType: EventType = "cluster.deleted",
): Transaction {
  const { organisation, environment, slug, identity } = cluster;
  const tombstone: Tombstone = {
    ...cluster,
    status: "deleted",
    revision: cluster.revision + 1,
    nodePools: JSON.stringify(pools.filter(isLive)),
    deletedAt: now,
    ttl: Math.floor(Date.parse(now) / 1_000) + TOMBSTONE_DAYS * DAY_SECONDS,
  };
  const transaction = new Transaction()
    .delete("cluster", cluster, {
      condition: "#identity = :identity AND #revision = :revision",
      values: { ":identity": identity, ":revision": cluster.revision },
    })
    .create("tombstone", tombstoneEntity.write(tombstoneKey(organisation, environment, slug, identity), tombstone))
    .create(
      "event",
      buildEvent(services, identity, eventType, now, [{ path: "status", from: cluster.status, to: "deleted" }]),
    );
  for (const { id } of pools) transaction.delete("pool", nodePoolKey(identity, id));
  decrementBucket(transaction, "left-index", chunk, bucketOf(chunk, slug));
  applyCounters(transaction, cluster, undefined);
  return transaction;
}
