/** Lists and gets the node pools of a cluster. */

import { authorize } from "../../access/authorize.ts";
import { type Context, type NoOptions, reportUnknown } from "../../context.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { nodePoolEtag, nodePoolsOf, toNodePoolResponse } from "../../node-pool/items.ts";
import type { ClusterNodePoolResponse } from "../../node-pool/schema.ts";
import type { Representation } from "../../request/idempotency.ts";
import { type AppError, invalid, notFound, type Problem } from "../../shared/errors.ts";
import { formatValue, type Parsed } from "../../shared/validation.ts";
import { clusterKey } from "../../table/keys.ts";
import { clusterEntity } from "../entity.ts";
import { clusterNotFound } from "./get.ts";

/** Request for the node pools of a cluster. */
interface ListNodePoolsInput {
  organisation: string;
  environment: string;
  cluster: string;
  options: Parsed<NoOptions>;
}

/** Request for one node pool: `nodePool` is its numeric id or its identity. */
interface GetNodePoolInput extends ListNodePoolsInput {
  nodePool: string;
}

/**
 * Reads the pools of the path's cluster. Two round trips: the keys of pools contain the cluster's identity, which is read
 * first.
 */
async function poolsAt(
  context: Context,
  input: ListNodePoolsInput,
): Promise<{ pools: NodePool[]; problems: readonly Problem[] }> {
  const { organisation, environment, cluster: slug } = input;
  const key = () => clusterKey(organisation, environment, slug);
  const authorized = await authorize(context, {
    path: { organisation, environment, cluster: slug },
    role: "viewer",
    keys: () => [key()],
  });
  const item = authorized.prefetched(key());
  if (item === undefined) throw clusterNotFound(slug, environment);
  const { unknown, problems } = input.options;
  reportUnknown(context, unknown);
  return { pools: await nodePoolsOf(context.table, clusterEntity.read(item).identity), problems };
}

/**
 * Lists all node pools of a cluster, oldest first, including deleting ones. Two database round trips.
 *
 * @throws AppError as `authorize`; not found
 */
export async function list(context: Context, input: ListNodePoolsInput): Promise<ClusterNodePoolResponse[]> {
  const { pools, problems } = await poolsAt(context, input);
  if (problems.length > 0) throw invalid(problems);
  return pools.map(toNodePoolResponse);
}

/**
 * Gets one node pool. Two database round trips.
 *
 * @returns the pool and its entity tag
 * @throws AppError as `authorize`; not found
 */
export async function get(context: Context, input: GetNodePoolInput): Promise<Representation<ClusterNodePoolResponse>> {
  const { pools, problems } = await poolsAt(context, input);
  const pool = findNodePool(pools, input);
  if (problems.length > 0) throw invalid(problems);
  return representNodePool(pool);
}

/** Builds the representation of a node pool. */
export const representNodePool = (pool: NodePool): Representation<ClusterNodePoolResponse> => ({
  kind: "representation",
  body: toNodePoolResponse(pool),
  etag: nodePoolEtag(pool),
});

/** Finds a pool by its numeric id or its identity. @throws AppError not found */
export function findNodePool(pools: readonly NodePool[], given: { nodePool: string; cluster: string }): NodePool {
  const idOrIdentity = given.nodePool.toLowerCase();
  const pool = pools.find(({ id, identity }) => `${id}` === idOrIdentity || identity === idOrIdentity);
  if (pool === undefined) throw nodePoolNotFound(given.nodePool, given.cluster);
  return pool;
}

const nodePoolNotFound = (pool: string, cluster: string): AppError =>
  notFound("node_pool.missing", `There is no node pool ${formatValue(pool)} in cluster "${cluster}".`);
