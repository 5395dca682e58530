/** Creates, changes and removes node pools. Every write raises the cluster's revision, which serializes its writers. */

import { type Authorized, authorize } from "../../access/authorize.ts";
import { providerBySlug } from "../../catalogue/index.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { nodePoolsOf } from "../../node-pool/items.ts";
import { computeOf, isLive } from "../../node-pool/rules.ts";
import type { ClusterNodePoolResponse, CreateNodePool } from "../../node-pool/schema.ts";
import type { Representation } from "../../request/idempotency.ts";
import type { Precondition } from "../../request/preconditions.ts";
import { readWriteOptions, runWrite, type WriteResult } from "../../request/write.ts";
import type { Deadline } from "../../shared/retry.ts";
import type { Parsed, Validated } from "../../shared/validation.ts";
import { clusterKey } from "../../table/keys.ts";
import { clusterEntity } from "../entity.ts";
import {
  decideCreate,
  decideRemove,
  decideUpdate,
  type NodePoolDecision,
  type NodePoolState,
} from "../rules/decide-node-pool.ts";
import { commitMutation } from "../store/mutation.ts";
import { clusterNotFound } from "./get.ts";
import { manifestProblems, unknownNodePool, withManifests, writerRole } from "./manifests.ts";
import { findNodePool, representNodePool } from "./node-pool-read.ts";

/** Request to create a node pool. */
interface CreateNodePoolInput {
  organisation: string;
  environment: string;
  cluster: string;
  options: Parsed<WriteOptions>;
  body: Validated<CreateNodePool>;
}

/** Request to change a node pool: `nodePool` is its numeric id or its identity. */
interface UpdateNodePoolInput extends CreateNodePoolInput {
  nodePool: string;
  precondition?: Precondition;
}

/** Request to remove a node pool. */
type RemoveNodePoolInput = Omit<UpdateNodePoolInput, "body">;

/**
 * Creates a node pool. Three database round trips.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem; conflict for a taken name, limits, a deleting cluster
 */
export function create(context: Context, input: CreateNodePoolInput): Promise<WriteResult<ClusterNodePoolResponse>> {
  const { body } = input;
  const id = context.ids.number();
  return writeNodePool(context, input, body.unknown, (state) => decideCreate(state, body, id));
}

/**
 * Changes a node pool. Omitted properties and values equal to the stored ones are no change. Three database round trips.
 *
 * @throws AppError as `authorize`; not found; invalid; preconditionFailed; conflict for another name or zone, a deleting cluster
 *   or pool
 */
export function update(context: Context, input: UpdateNodePoolInput): Promise<WriteResult<ClusterNodePoolResponse>> {
  const { body } = input;
  return writeNodePool(context, input, body.unknown, (state) =>
    decideUpdate(state, body, findNodePool(state.pools, input), input.precondition),
  );
}

/**
 * Removes a node pool. Its name is free at once, totals do not count it any more, and it is listed as DELETING until it is
 * removed. Works also while its cluster is being deleted. A repeated call changes nothing. Three database round trips.
 *
 * @throws AppError as `authorize`; not found; preconditionFailed
 */
export const remove = (context: Context, input: RemoveNodePoolInput): Promise<WriteResult<ClusterNodePoolResponse>> =>
  writeNodePool(context, input, [], (state) =>
    decideRemove(state, findNodePool(state.pools, input), input.precondition),
  );

/**
 * Runs a write of a node pool: loads the state, lets a pure function decide, and commits.
 *
 * @param unknown unknown properties of the body
 * @throws AppError as `authorize`; not found; the error of the decision
 */
async function writeNodePool(
  context: Context,
  input: Omit<CreateNodePoolInput, "body">,
  unknown: readonly string[],
  decide: (state: NodePoolState) => NodePoolDecision,
): Promise<WriteResult<ClusterNodePoolResponse>> {
  // One id for all attempts, so that an attempt recognises the write of an earlier one.
  const mutationId = context.ids.identity();
  return await runWrite(context, async (deadline) => {
    const loaded = await loadNodePools(context, input, unknown, mutationId);
    if (loaded.kind === "representation") return loaded;
    const decision = decide(loaded.state);
    switch (decision.kind) {
      case "refuse":
        throw decision.error;
      case "unchanged":
        return representNodePool(decision.pool);
      case "dryRun":
        return await dryRun(context, input, loaded, decision);
      case "write":
        return await commitNodePool(context, loaded, decision, deadline);
    }
  });
}

/** State that decides about a write of a node pool, as read. */
interface LoadedNodePools {
  kind: "loaded";
  authorized: Authorized;
  state: NodePoolState;
}

/** Reads the cluster of the path, then its pools, in two round trips. @returns the stored response instead, if there is one */
async function loadNodePools(
  context: Context,
  { organisation, environment, cluster: slug, options }: Omit<CreateNodePoolInput, "body">,
  unknown: readonly string[],
  mutationId: string,
): Promise<LoadedNodePools | Representation<ClusterNodePoolResponse>> {
  const key = () => clusterKey(organisation, environment, slug);
  const authorized = await authorize<undefined, ClusterNodePoolResponse>(context, {
    path: { organisation, environment, cluster: slug },
    role: writerRole(options),
    keys: () => [key()],
  });
  if (authorized.replay !== undefined) return authorized.replay;
  const item = authorized.prefetched(key());
  if (item === undefined) throw clusterNotFound(slug, environment);
  const cluster = clusterEntity.read(item);
  const provider = providerBySlug(cluster.cloudProvider);
  const { dryRun, problems: others } = readWriteOptions(context, options, unknown);
  const problems = [...others, ...manifestProblems(context, options)];
  const pools = await nodePoolsOf(context.table, cluster.identity);
  const now = context.clock().toISOString();
  const { provisioner } = context;
  const { references } = authorized;
  const state = { dryRun, problems, cluster, provider, references, provisioner, pools, mutationId, now };
  return { kind: "loaded", authorized, state };
}

/** Builds the result of a dry run. */
async function dryRun(
  context: Context,
  { options }: Pick<CreateNodePoolInput, "options">,
  { authorized, state }: LoadedNodePools,
  { body, consequences, pool }: NodePoolDecision & { kind: "dryRun" },
): Promise<WriteResult<ClusterNodePoolResponse>> {
  const { cluster, pools } = state;
  const others = pools.filter(({ id }) => id !== pool.id);
  const isNew = others.length === pools.length;
  const expected = isNew ? { ...pool, identity: unknownNodePool(0) } : pool;
  const subject = { cluster, nodePools: [...others, expected], isStored: true };
  return await withManifests(context, options, authorized, { kind: "dryRun", body, consequences }, () => subject);
}

/** Writes one pool with its cluster. @returns undefined after a concurrent change */
async function commitNodePool(
  context: Context,
  { authorized, state }: LoadedNodePools,
  { pool, event }: NodePoolDecision & { kind: "write" },
  deadline: Deadline,
): Promise<Representation<ClusterNodePoolResponse> | undefined> {
  const { cluster: before, pools, provider, mutationId } = state;
  const others = pools.filter(({ id }) => id !== pool.id);
  const after = { ...before, ...computeOf(provider, [...others, pool].filter(isLive)) };
  const isNew = others.length === pools.length;
  const written = isNew ? { newPools: [pool] } : { changedPools: [pool] };
  const represent = () => representNodePool(pool);
  const mutation = { before, after, event, mutationId, ...written, represent };
  return await commitMutation(context, authorized.actor, mutation, deadline);
}
