/** Listing and getting a cluster's node pools. */

import { enter } from "../access/enter.ts";
import { noSuchCluster } from "../cluster/get.ts";
import { clusterEntity } from "../cluster/stored.ts";
import { type Context, noteUnknown } from "../context.ts";
import { type AppError, invalid, missing, type Problem } from "../errors.ts";
import { type RawQuery, readQuery } from "../query.ts";
import { clusterKey } from "../table/keys.ts";
import { nodePoolsOf, toNodePoolResponse } from "./repository.ts";
import type { ClusterNodePoolResponse, NodePool } from "./schema.ts";

/** Which cluster's pools. */
export interface ListNodePoolsInput {
  organisation: string;
  environment: string;
  cluster: string;
  query: RawQuery;
}

/** Which pool: `nodePool` is its numeric id or its identity. */
export interface GetNodePoolInput extends ListNodePoolsInput {
  nodePool: string;
}

/** Reads the pools of the path's cluster. Two waits: a pool hangs on the cluster's identity, which is read first. */
async function poolsAt(
  context: Context,
  input: ListNodePoolsInput,
): Promise<{ pools: NodePool[]; problems: Problem[] }> {
  const { organisation, environment, cluster: slug } = input;
  const key = () => clusterKey(organisation, environment, slug);
  const entered = await enter(context, {
    path: { organisation, environment, cluster: slug },
    right: "viewer",
    keys: () => [key()],
  });
  const item = entered.item(key());
  if (item === undefined) throw noSuchCluster(slug, environment);
  const query = readQuery(input.query, {});
  noteUnknown(context, query.unknown);
  return { pools: await nodePoolsOf(context.table, clusterEntity.read(item).identity), problems: query.problems };
}

/**
 * Lists all node pools of a cluster, oldest first, deleting ones too. Two waits on the database.
 *
 * @throws AppError as `enter`; missing
 */
export async function list(context: Context, input: ListNodePoolsInput): Promise<ClusterNodePoolResponse[]> {
  const { pools, problems } = await poolsAt(context, input);
  if (problems.length > 0) throw invalid(problems);
  return pools.map(toNodePoolResponse);
}

/**
 * Gets one node pool. Two waits on the database.
 *
 * @returns the pool and its entity tag
 * @throws AppError as `enter`; missing
 */
export async function get(
  context: Context,
  input: GetNodePoolInput,
): Promise<{ body: ClusterNodePoolResponse; tag: string }> {
  const { pools, problems } = await poolsAt(context, input);
  const pool = findNodePool(pools, input);
  if (problems.length > 0) throw invalid(problems);
  return { body: toNodePoolResponse(pool), tag: `"${pool.revision}"` };
}

/** Finds a pool by its numeric id or its identity. @throws AppError missing */
export function findNodePool(pools: readonly NodePool[], given: { nodePool: string; cluster: string }): NodePool {
  const wanted = given.nodePool.toLowerCase();
  const pool = pools.find(({ id, identity }) => `${id}` === wanted || identity === wanted);
  if (pool === undefined) throw noSuchNodePool(given.nodePool, given.cluster);
  return pool;
}

const noSuchNodePool = (pool: string, cluster: string): AppError =>
  missing("node_pool.missing", `There is no node pool ${JSON.stringify(pool.slice(0, 64))} in cluster "${cluster}".`);
