/** Decides about writes of node pools. Pure functions. */

import { type CloudProvider, regionOf } from "../../catalogue/index.ts";
import type { ProvisionerTraits } from "../../context.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { nodePoolEtag, toNodePoolResponse } from "../../node-pool/items.ts";
import {
  isLive,
  mergeSettings,
  type NodePoolSettings,
  nodePoolLabel,
  nodePoolPath,
  nodePoolProblems,
  type Placement,
  settingsOf,
} from "../../node-pool/rules.ts";
import { type ClusterNodePoolResponse, CreateNodePool, MAX_NODE_POOLS } from "../../node-pool/schema.ts";
import { type Precondition, revisionMismatch } from "../../request/preconditions.ts";
import type { Consequence } from "../../request/write.ts";
import { type AppError, conflict, invalid, type Problem } from "../../shared/errors.ts";
import { canonicalJson } from "../../shared/json.ts";
import { type Draft, type Validated, validate } from "../../shared/validation.ts";
import type { References } from "../../tenancy/references-entity.ts";
import type { Cluster } from "../entity.ts";
import type { EventOf } from "../event-types.ts";
import { nodePoolConsequences, removalConsequences } from "./consequences.ts";
import { isDeleting } from "./transitions.ts";
import { nodePoolChangeProblems, withoutRepeated } from "./unsupported.ts";
import { invalidState } from "./update.ts";

/** Maximum number of live and deleting pools of a cluster together, so that they fit into one transaction. */
const MAX_STORED_NODE_POOLS = 80;

/** Delay before a client retries while pools are removed, in seconds. */
const REMOVAL_SECONDS = 30;

/** State that decides about a write of a node pool. */
export interface NodePoolState {
  cluster: Cluster;
  /** All pools of the cluster, including deleting ones. */
  pools: readonly NodePool[];
  /** Undefined if it left the catalogue. */
  provider: CloudProvider | undefined;
  references: References;
  provisioner: ProvisionerTraits;
  /** Problems of the request in addition to those of the pool. */
  problems: readonly Problem[];
  dryRun: boolean;
  /** Id of this write, the same for all its attempts. */
  mutationId: string;
  /** Time of this attempt, RFC 3339. */
  now: string;
}

/** Decision about a write of a node pool. */
export type NodePoolDecision =
  | { kind: "refuse"; error: AppError }
  | { kind: "unchanged"; pool: NodePool }
  /** `pool` is the pool as it would be stored. */
  | { kind: "dryRun"; body: Partial<ClusterNodePoolResponse>; consequences: Consequence[]; pool: NodePool }
  | { kind: "write"; pool: NodePool; event: EventOf };

/** Returns the location of the nodes. A provider or region that left the catalogue offers nothing that a pool could change to. */
function placementOf({ provider: offered, cluster }: NodePoolState): Placement {
  const provider = offered ?? { name: cluster.cloudProvider, type: "none", nodeTypes: [], regions: [] };
  const region = regionOf(provider, cluster.region) ?? { slug: cluster.region, availabilityZones: [] };
  return { provider, region };
}

const pathsOf = (problems: readonly Problem[]): Set<string> => new Set(problems.map(({ path }) => path));

/** Adds the settings of a pool that the provisioner's clusters cannot have. @param stored pool before the change */
function withUnsupported(
  { cluster, references, provisioner }: NodePoolState,
  found: readonly Problem[],
  pool: Draft<CreateNodePool>,
  stored: NodePool | undefined,
): Problem[] {
  const others = nodePoolChangeProblems(cluster, pool, stored, references, provisioner);
  return [...found, ...withoutRepeated(found, others)];
}

/**
 * Decides about a new node pool.
 *
 * @param id numeric id of the pool; the id of the write is its identity
 */
export function decideCreate(state: NodePoolState, request: Validated<CreateNodePool>, id: number): NodePoolDecision {
  const { cluster, pools, mutationId, now } = state;
  // An earlier attempt succeeded, and its response was lost.
  const own = pools.find(({ identity }) => identity === mutationId);
  if (own !== undefined) return { kind: "unchanged", pool: own };
  const { value: draft = {}, problems } = request;
  const found = nodePoolProblems(draft, pathsOf(problems), "", placementOf(state));
  const all = withUnsupported(state, [...state.problems, ...problems, ...found], draft, undefined);
  if (all.length > 0) return { kind: "refuse", error: invalid(all) };
  const settings = settingsOf(request.complete());
  const error = deletingConflict(cluster) ?? nameConflict(pools, settings) ?? limitConflict(pools);
  if (error !== undefined) return { kind: "refuse", error };
  const pool: NodePool = {
    ...settings,
    id,
    identity: mutationId,
    clusterIdentity: cluster.identity,
    provisionStatus: "ACCEPTED",
    createdAt: now,
    modifiedAt: now,
    revision: 1,
  };
  if (state.dryRun) return { kind: "dryRun", body: withoutGenerated(pool), consequences: [], pool };
  return {
    kind: "write",
    pool,
    event: { type: "node-pool.created", changes: [{ path: nodePoolPath(pool), to: settings }] },
  };
}

/** Decides about a change of a node pool. Omitted properties and values equal to the stored ones are no change. */
export function decideUpdate(
  state: NodePoolState,
  request: Validated<CreateNodePool>,
  pool: NodePool,
  precondition: Precondition | undefined,
): NodePoolDecision {
  const { cluster } = state;
  // An earlier attempt succeeded, and its response was lost.
  if (cluster.writtenBy === state.mutationId) return { kind: "unchanged", pool };
  const { value: draft = {}, problems } = request;
  const requested = mergeSettings(pool, draft);
  const found = nodePoolProblems(requested, pathsOf(problems), "", placementOf(state), draft, pool);
  const all = withUnsupported(state, [...state.problems, ...problems, ...found], requested, pool);
  if (all.length > 0) return { kind: "refuse", error: invalid(all) };
  const mismatch = revisionMismatch(precondition, nodePoolEtag(pool));
  if (mismatch !== undefined) return { kind: "refuse", error: mismatch };
  const settings = settingsOf(validate(CreateNodePool, requested).complete());
  const names = changedNames(pool, settings);
  if (names.length === 0) {
    return state.dryRun
      ? { kind: "dryRun", body: toNodePoolResponse(pool), consequences: [], pool }
      : { kind: "unchanged", pool };
  }
  const error = deletingConflict(cluster) ?? fixedConflict(pool, settings) ?? poolDeletingConflict(pool);
  if (error !== undefined) return { kind: "refuse", error };
  const after: NodePool = { ...nextRevision(state, pool), ...settings, provisionStatus: "ACCEPTED" };
  if (state.dryRun) {
    return {
      kind: "dryRun",
      body: toNodePoolResponse(after),
      consequences: nodePoolConsequences(pool, names),
      pool: after,
    };
  }
  const changes = names.map((name) => ({
    path: `${nodePoolPath(pool)}.${name}` as const,
    from: pool[name],
    to: settings[name],
  }));
  return { kind: "write", pool: after, event: { type: "node-pool.updated", changes } };
}

/** Decides about the removal of a node pool. A repeated removal changes nothing. */
export function decideRemove(
  state: NodePoolState,
  pool: NodePool,
  precondition: Precondition | undefined,
): NodePoolDecision {
  if (state.problems.length > 0) return { kind: "refuse", error: invalid(state.problems) };
  // An earlier attempt succeeded, and its response was lost.
  if (state.cluster.writtenBy === state.mutationId) return { kind: "unchanged", pool };
  const mismatch = revisionMismatch(precondition, nodePoolEtag(pool));
  if (mismatch !== undefined) return { kind: "refuse", error: mismatch };
  const after: NodePool = isLive(pool) ? { ...nextRevision(state, pool), provisionStatus: "DELETING" } : pool;
  if (state.dryRun) {
    return { kind: "dryRun", body: {}, consequences: isLive(pool) ? removalConsequences(pool) : [], pool: after };
  }
  if (!isLive(pool)) return { kind: "unchanged", pool };
  const path = `${nodePoolPath(pool)}.provisionStatus` as const;
  const changes = [{ path, from: pool.provisionStatus, to: after.provisionStatus }];
  return { kind: "write", pool: after, event: { type: "node-pool.deletion-requested", changes } };
}

const nextRevision = ({ now }: NodePoolState, pool: NodePool): NodePool => ({
  ...pool,
  modifiedAt: now,
  revision: pool.revision + 1,
});

/** Removes the properties that the server would generate, for a dry run. */
function withoutGenerated(pool: NodePool): Partial<ClusterNodePoolResponse> {
  const { id: _, identity: _identity, createdAt: _created, modifiedAt: _modified, ...rest } = toNodePoolResponse(pool);
  return rest;
}

const deletingConflict = (cluster: Cluster): AppError | undefined =>
  isDeleting(cluster)
    ? invalidState(cluster, "the node pools of a cluster that is being deleted can only be deleted")
    : undefined;

/** Returns the conflict with a live pool of the same name and zone. */
function nameConflict(pools: readonly NodePool[], settings: NodePoolSettings): AppError | undefined {
  const label = nodePoolLabel(settings);
  if (!pools.some((pool) => isLive(pool) && nodePoolLabel(pool) === label)) return undefined;
  return conflict("node_pool.name_taken", `name: the cluster already has a node pool ${label}`);
}

/** Returns the conflict of a cluster that has the maximum number of pools. */
function limitConflict(pools: readonly NodePool[]): AppError | undefined {
  if (pools.filter(isLive).length >= MAX_NODE_POOLS) {
    return conflict(
      "cluster.node_pool_limit",
      `Limit reached: a cluster can have at most ${MAX_NODE_POOLS} node pools.`,
    );
  }
  if (pools.length < MAX_STORED_NODE_POOLS) return undefined;
  return conflict(
    "cluster.node_pools_deleting",
    "Too many node pools of the cluster are still being deleted; wait until some are deleted.",
    REMOVAL_SECONDS,
  );
}

/** Returns the conflict of a change of name or zone, which never change. */
function fixedConflict(pool: NodePool, settings: NodePoolSettings): AppError | undefined {
  const fixed = (["name", "availabilityZone"] as const).find((name) => settings[name] !== pool[name]);
  if (fixed === undefined) return undefined;
  const present = JSON.stringify(pool[fixed] ?? "not set");
  return conflict("node_pool.fixed", `${fixed}: cannot change; the current value is ${present}`);
}

const poolDeletingConflict = (pool: NodePool): AppError | undefined =>
  isLive(pool)
    ? undefined
    : conflict("node_pool.deleting", `The node pool ${nodePoolLabel(pool)} is being deleted and cannot change.`);

/** Lists the names of the settings that change; the order of names in maps does not matter. */
function changedNames(pool: NodePool, settings: NodePoolSettings): (keyof NodePoolSettings)[] {
  const names = Object.keys(settings) as (keyof NodePoolSettings)[];
  return names.filter((name) => canonicalJson(pool[name]) !== canonicalJson(settings[name]));
}
