/** Replaces a deleted cluster by a tombstone, from which it can be restored during the retention. */

import * as v from "valibot";
import type { Services } from "../../context.ts";
import { bucketOf, type Chunk, decrementBucket } from "../../listing/page-index.ts";
import { type NodePool, StoredNodePool } from "../../node-pool/entity.ts";
import { isLive } from "../../node-pool/rules.ts";
import { DAY_MS, ttlAfter } from "../../shared/time.ts";
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
import { applyCounters } from "./counters.ts";
import { appendEvent } from "./event-log.ts";
import { supersedeUpgrade } from "./upgrade-reference.ts";

/** Retention of tombstones, in days. */
export const TOMBSTONE_DAYS = 30;

/** Finds all items of a cluster except its own item, pointer, pools and events: for example its secrets. */
export async function leftoverKeys({ table }: Pick<Services, "table">, identity: string): Promise<Key[]> {
  const found = await Promise.all(
    rangesExceptEvents(identity).map((range) => table.query({ ...range, keysOnly: true })),
  );
  return found.flat().filter((key) => clusterIdentityOf(key) === undefined && !key.sk.startsWith(NODE_POOL_PREFIX));
}

/**
 * Builds the transaction that replaces a deleting cluster by a tombstone once the provisioner has removed it. It deletes the item
 * and the pools, updates the counters, ends its scheduled upgrade and adds an event. The caller adds the update of the pointer, which contains the fence.
 *
 * Conditions: `cluster` (unchanged since the read), `left-index` (the bucket is still in its chunk), `tombstone`.
 *
 * @param cluster cluster with the key it was read from, as owner of its slug or displaced
 * @param pools all pools of the cluster, including deleting ones
 * @param chunk chunk of the page index that contains the cluster's slug
 * @param now RFC 3339
 * @param eventType type of the event
 */
export function tombstoneTransaction(
  services: Pick<Services, "ids">,
  cluster: Cluster & Key,
  pools: readonly NodePool[],
  chunk: Chunk,
  now: string,
  eventType: "cluster.deleted" | "cluster.forgotten" = "cluster.deleted",
): Transaction {
  const { organisation, environment, slug, identity } = cluster;
  const tombstone: Tombstone = {
    ...cluster,
    status: "deleted",
    holdsAccount: undefined,
    scheduledUpgrade: cluster.scheduledUpgrade && { ...cluster.scheduledUpgrade, state: "finished" },
    revision: cluster.revision + 1,
    // Without the keys of their items, which follow from the identities.
    nodePools: pools.filter(isLive).map((pool) => v.parse(StoredNodePool, pool)),
    deletedAt: now,
    ttl: ttlAfter(new Date(now), TOMBSTONE_DAYS * DAY_MS),
  };
  const transaction = new Transaction()
    .delete("cluster", cluster, {
      condition: "#identity = :identity AND #revision = :revision",
      values: { ":identity": identity, ":revision": cluster.revision },
    })
    .create("tombstone", tombstoneEntity.write(tombstoneKey(organisation, environment, slug, identity), tombstone));
  const changes = [{ path: "status", from: cluster.status, to: "deleted" }] as const;
  appendEvent(services, transaction, { type: eventType, changes }, { clusterIdentity: identity, at: now });
  for (const { id } of pools) transaction.delete("pool", nodePoolKey(identity, id));
  decrementBucket(transaction, "left-index", chunk, bucketOf(chunk, slug));
  applyCounters(transaction, cluster, undefined);
  supersedeUpgrade(transaction, cluster, "The cluster was deleted.", new Date(now));
  return transaction;
}
