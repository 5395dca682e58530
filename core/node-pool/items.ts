/** Maps node pools to and from the table. */

import type { Table } from "../table/client.ts";
import type { RawItem } from "../table/entity.ts";
import { NODE_POOL_PREFIX, nodePoolKey, pointerKey } from "../table/keys.ts";
import type { Transaction } from "../table/transaction.ts";
import { type NodePool, nodePoolEntity } from "./entity.ts";
import type { ClusterNodePoolResponse, UndocumentedNodePool } from "./schema.ts";

/** Builds the item to write. */
export const nodePoolItem = (pool: NodePool): RawItem =>
  nodePoolEntity.write(nodePoolKey(pool.clusterIdentity, pool.id), pool);

/**
 * Reads all pools of a cluster, including deleting ones, oldest first.
 *
 * @param clusterIdentity identity of a cluster whose tenant was checked: the key of a pool contains no other tenant data
 */
export async function nodePoolsOf(table: Table, clusterIdentity: string): Promise<NodePool[]> {
  return readNodePools(await table.query({ pk: pointerKey(clusterIdentity).pk, prefix: NODE_POOL_PREFIX }));
}

/** Reads pools from their items, oldest first. */
export function readNodePools(items: readonly RawItem[]): NodePool[] {
  return items
    .map((item): NodePool => nodePoolEntity.read(item))
    .sort((one, other) =>
      one.createdAt < other.createdAt ? -1 : one.createdAt > other.createdAt ? 1 : one.id - other.id,
    );
}

/**
 * Adds changed pools to a transaction.
 *
 * @param pools each with the stored revision plus one
 */
export function putNodePools(transaction: Transaction, pools: readonly NodePool[]): void {
  for (const pool of pools) {
    transaction.put("pool", nodePoolItem(pool), {
      condition: "#revision = :revision",
      values: { ":revision": pool.revision - 1 },
    });
  }
}

/** Returns the entity tag of a pool, without quotes: its revision. */
export const nodePoolEtag = ({ revision }: Pick<NodePool, "revision">): string => `${revision}`;

/** Builds the response for a pool, with what the API documentation does not have. */
export function toNodePoolResponse(pool: NodePool): ClusterNodePoolResponse & { undocumented: UndocumentedNodePool } {
  return {
    annotations: pool.annotations,
    autoScaling: pool.autoScaling,
    availabilityZone: pool.availabilityZone,
    createdAt: pool.createdAt,
    enableNodeAutoReplacement: pool.enableNodeAutoReplacement,
    enableNodeReboots: pool.enableNodeReboots,
    id: pool.id,
    identity: pool.identity,
    labels: pool.labels,
    maxSize: pool.maxSize,
    minSize: pool.minSize,
    modifiedAt: pool.modifiedAt,
    name: pool.name,
    nodeSize: pool.nodeSize,
    provisionStatus: pool.provisionStatus,
    taints: pool.taints,
    securityUpdatesOnJoin: pool.securityUpdatesOnJoin,
    undocumented: { clusterIdentity: pool.clusterIdentity },
    upgradeStrategy: pool.upgradeStrategy,
  };
}
