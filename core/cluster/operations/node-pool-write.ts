/** Creates, changes and removes node pools. Every write raises the cluster's revision, which serializes its writers. */

import { type Authorized, authorize } from "../../access/authorize.ts";
import { type CloudProvider, providerBySlug, regionOf } from "../../catalogue/index.ts";
import { type Context, reportUnknown, type WriteOptions } from "../../context.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { nodePoolItem, nodePoolsOf, putNodePools, toNodePoolResponse } from "../../node-pool/items.ts";
import {
  computeOf,
  isLive,
  mergeSettings,
  type NodePoolSettings,
  nodePoolLabel,
  nodePoolPath,
  nodePoolProblems,
  settingsOf,
} from "../../node-pool/rules.ts";
import { type ClusterNodePoolResponse, CreateNodePool, MAX_NODE_POOLS } from "../../node-pool/schema.ts";
import { type StoredResponse, storeResponse, withReplay } from "../../request/idempotency.ts";
import { type Precondition, requireRevision } from "../../request/preconditions.ts";
import { conflict, invalid, type Problem } from "../../shared/errors.ts";
import { type Deadline, deadlineIn } from "../../shared/retry.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { clusterKey } from "../../table/keys.ts";
import { type Change, type Cluster, clusterEntity } from "../entity.ts";
import type { EventType } from "../event-types.ts";
import { type Consequence, nodePoolConsequences } from "../rules/consequences.ts";
import { isDeleting } from "../rules/transitions.ts";
import { invalidState } from "../rules/update.ts";
import { commitMutation, retryOnConflict } from "../store/mutation.ts";
import { clusterNotFound } from "./get.ts";
import { findNodePool } from "./node-pool-read.ts";

/** Maximum number of live and deleting pools of a cluster together, so that they fit into one transaction. */
const MAX_STORED_NODE_POOLS = 80;

/** Delay before a client retries while pools are removed, in seconds. */
const REMOVAL_SECONDS = 30;

/** Request to create a node pool. */
export interface CreateNodePoolInput {
  organisation: string;
  environment: string;
  cluster: string;
  options: Parsed<WriteOptions>;
  body: Validated<CreateNodePool>;
}

/** Request to change a node pool: `nodePool` is its numeric id or its identity. */
export interface UpdateNodePoolInput extends CreateNodePoolInput {
  nodePool: string;
  precondition?: Precondition;
}

/** Request to remove a node pool. */
export type RemoveNodePoolInput = Omit<UpdateNodePoolInput, "body">;

/** Response of an operation on a pool. */
export interface NodePoolRepresentation {
  body: ClusterNodePoolResponse;
  /** The entity tag; empty for a dry run. */
  etag: string;
}

interface PoolContext {
  authorized: Authorized<undefined>;
  cluster: Cluster;
  pools: NodePool[];
  provider: CloudProvider;
  problems: Problem[];
  dryRun: boolean;
}

/** Reads the cluster of the path, then its pools, in two round trips. @returns the stored response instead, if there is one */
async function readPoolContext(
  context: Context,
  input: Omit<CreateNodePoolInput, "body">,
  unknown: readonly string[],
): Promise<PoolContext | StoredResponse> {
  const { organisation, environment, cluster: slug } = input;
  const key = () => clusterKey(organisation, environment, slug);
  const authorized = await authorize(context, {
    path: { organisation, environment, cluster: slug },
    role: "developer",
    keys: () => [key()],
  });
  if (authorized.replay !== undefined) return authorized.replay;
  const item = authorized.prefetched(key());
  if (item === undefined) throw clusterNotFound(slug, environment);
  const cluster = clusterEntity.read(item);
  const provider = providerBySlug(cluster.cloudProvider);
  if (provider === undefined) throw new Error(`the catalogue has no provider ${cluster.cloudProvider} any more`);
  const { options } = input;
  const problems = [...options.problems, ...reportUnknown(context, options.unknown, unknown)];
  const pools = await nodePoolsOf(context.table, cluster.identity);
  return { authorized, cluster, provider, problems, pools, dryRun: options.value.dryRun };
}

const represent = (pool: NodePool): NodePoolRepresentation => ({
  body: toNodePoolResponse(pool),
  etag: `${pool.revision}`,
});

/** Result of a dry run. */
export interface DryRunResult {
  consequences: Consequence[];
}

/** Builds the response of a dry run, without an entity tag, because no such pool is stored. */
const dryRunResult = (body: ClusterNodePoolResponse, consequences: Consequence[]): NodePoolRepresentation => ({
  body: { ...body, ...{ consequences } },
  etag: "",
});

/** Removes the properties that the server would generate. */
function withoutGenerated(pool: ClusterNodePoolResponse): ClusterNodePoolResponse {
  const { id: _, identity: _identity, createdAt: _created, modifiedAt: _modified, ...rest } = pool;
  return rest as ClusterNodePoolResponse;
}

const removal = ({ identity, minSize }: NodePool): Consequence[] => [
  { property: "nodePool", effect: "rollsNodes", nodePools: [{ identity, nodes: minSize }] },
];

function requireUsable(cluster: Cluster): void {
  if (isDeleting(cluster)) {
    throw invalidState(cluster, "the node pools of a cluster that is being deleted can only be deleted");
  }
}

/** Writes one pool with its cluster. @returns undefined after a concurrent change */
async function save(
  context: Context,
  { authorized, cluster, provider, pools }: PoolContext,
  pool: NodePool,
  given: { type: EventType; changes: readonly Change[]; writtenBy: string; isNew?: boolean },
  deadline: Deadline,
): Promise<true | undefined> {
  const live = [...pools.filter(({ id }) => id !== pool.id), pool].filter(isLive);
  const written = await commitMutation(
    context,
    authorized.actor,
    {
      before: cluster,
      after: { ...cluster, ...computeOf(provider, live) },
      type: given.type,
      changes: given.changes,
      mutationId: given.writtenBy,
      arePoolsChanged: true,
      extraWrites(transaction) {
        if (given.isNew === true) {
          transaction.create("pool", nodePoolItem(pool));
          storeResponse(context, transaction, authorized.actor, represent(pool));
        } else {
          putNodePools(transaction, [pool]);
        }
      },
    },
    deadline,
  );
  return written === undefined ? undefined : true;
}

/** @throws AppError conflict if a live pool has the same name and zone */
function requireFreeName(pools: readonly NodePool[], settings: NodePoolSettings): void {
  const label = nodePoolLabel(settings);
  if (pools.some((pool) => isLive(pool) && nodePoolLabel(pool) === label)) {
    throw conflict("node_pool.name_held", `name: the cluster already has a node pool ${label}`);
  }
}

/** @throws AppError conflict if the cluster has the maximum number of pools */
function requireRoom(pools: readonly NodePool[]): void {
  if (pools.filter(isLive).length >= MAX_NODE_POOLS) {
    throw conflict(
      "cluster.node_pool_limit",
      `Limit reached: a cluster can have at most ${MAX_NODE_POOLS} node pools.`,
    );
  }
  if (pools.length >= MAX_STORED_NODE_POOLS) {
    throw conflict(
      "cluster.node_pools_deleting",
      `Too many node pools of the cluster are still being deleted; wait until some are deleted.`,
      REMOVAL_SECONDS,
    );
  }
}

/**
 * Creates a node pool. Three database round trips.
 *
 * @throws AppError as `enter`; not found; invalid with every problem; conflict for a taken name, limits, a deleting cluster
 */
export async function create(context: Context, input: CreateNodePoolInput): Promise<NodePoolRepresentation> {
  const { value: draft = {}, problems, unknown, complete } = input.body;
  const generated = { id: context.ids.number(), identity: context.ids.identity() };
  const attempt = async (deadline: Deadline): Promise<NodePoolRepresentation | undefined> => {
    const at = await readPoolContext(context, input, unknown);
    if ("body" in at) return at as NodePoolRepresentation;
    const own = at.pools.find(({ identity }) => identity === generated.identity);
    if (own !== undefined) return represent(own);
    const placement = { provider: at.provider, region: regionOf(at.provider, at.cluster.region) };
    const faulty = new Set(problems.map(({ path }) => path));
    const all = [...at.problems, ...problems, ...nodePoolProblems(draft, faulty, "", placement)];
    if (all.length > 0) throw invalid(all);
    const settings = settingsOf(complete());
    requireUsable(at.cluster);
    requireFreeName(at.pools, settings);
    requireRoom(at.pools);
    const now = context.clock().toISOString();
    const pool: NodePool = {
      ...settings,
      ...generated,
      clusterIdentity: at.cluster.identity,
      provisionStatus: "ACCEPTED",
      createdAt: now,
      modifiedAt: now,
      revision: 1,
    };
    if (at.dryRun) return dryRunResult(withoutGenerated(represent(pool).body), []);
    const changes = [{ path: nodePoolPath(pool), to: settings }];
    const done = await save(
      context,
      at,
      pool,
      { type: "node-pool.created", changes, writtenBy: generated.identity, isNew: true },
      deadline,
    );
    return done && represent(pool);
  };
  const done = await withReplay(context, () => retryOnConflict(deadlineIn(context.writeTimeoutMs), attempt));
  return done as NodePoolRepresentation;
}

/**
 * Changes a node pool. Omitted properties and values equal to the stored ones are no change. Three database round trips.
 *
 * @throws AppError as `enter`; not found; invalid; preconditionFailed; conflict for another name or zone, a deleting cluster or
 *   pool
 */
export async function update(context: Context, input: UpdateNodePoolInput): Promise<NodePoolRepresentation> {
  const { value: draft = {}, problems, unknown } = input.body;
  const writtenBy = context.ids.identity();
  return await retryOnConflict(deadlineIn(context.writeTimeoutMs), async (deadline) => {
    const at = await readPoolContext(context, input, unknown);
    if ("body" in at) return at as NodePoolRepresentation;
    const pool = findNodePool(at.pools, input);
    if (at.cluster.writtenBy === writtenBy) return represent(pool);
    const placement = { provider: at.provider, region: regionOf(at.provider, at.cluster.region) };
    const faulty = new Set(problems.map(({ path }) => path));
    const wanted = mergeSettings(pool, draft);
    const all = [...at.problems, ...problems, ...nodePoolProblems(wanted, faulty, "", placement, draft, pool)];
    if (all.length > 0) throw invalid(all);
    requireRevision(input.precondition, pool.revision, `${pool.revision}`);
    const settings = settingsOf(validate(CreateNodePool, wanted).complete());
    const changes = settingsChanged(pool, settings);
    if (changes.length === 0) return at.dryRun ? dryRunResult(represent(pool).body, []) : represent(pool);
    requireUsable(at.cluster);
    for (const fixed of ["name", "availabilityZone"] as const) {
      if (settings[fixed] === pool[fixed]) continue;
      throw conflict(
        "node_pool.fixed",
        `${fixed}: cannot change; the current value is ${JSON.stringify(pool[fixed] ?? "not set")}`,
      );
    }
    if (!isLive(pool))
      throw conflict("node_pool.deleting", `The node pool ${nodePoolLabel(pool)} is being deleted and cannot change.`);
    const after: NodePool = {
      ...pool,
      ...settings,
      provisionStatus: "ACCEPTED",
      modifiedAt: context.clock().toISOString(),
      revision: pool.revision + 1,
    };
    if (at.dryRun) {
      const properties = changes.map(({ path }) => path.slice(path.lastIndexOf(".") + 1));
      return dryRunResult(represent(after).body, nodePoolConsequences(pool, properties));
    }
    const done = await save(context, at, after, { type: "node-pool.updated", changes, writtenBy }, deadline);
    return done && represent(after);
  });
}

function settingsChanged(pool: NodePool, settings: NodePoolSettings): Change[] {
  return Object.entries(settings).flatMap(([name, to]): Change[] => {
    const from = pool[name as keyof NodePoolSettings];
    return isEqual(from, to) ? [] : [{ path: `${nodePoolPath(pool)}.${name}`, from, to }];
  });
}

/** Returns whether two values are equal; the order of names in maps does not matter. */
function isEqual(one: unknown, other: unknown): boolean {
  const ordered = (_: string, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
      : value;
  return JSON.stringify(one, ordered) === JSON.stringify(other, ordered);
}

/**
 * Removes a node pool. Its name is free at once, totals do not count it any more, and it is listed as DELETING until it is
 * removed. Works also while its cluster is being deleted. A repeated call changes nothing. Three database round trips.
 *
 * @returns the result of a dry run; undefined otherwise
 * @throws AppError as `enter`; not found; preconditionFailed
 */
export async function remove(context: Context, input: RemoveNodePoolInput): Promise<DryRunResult | undefined> {
  const writtenBy = context.ids.identity();
  const done = await retryOnConflict(
    deadlineIn(context.writeTimeoutMs),
    async (deadline): Promise<true | DryRunResult | undefined> => {
      const at = await readPoolContext(context, input, []);
      if ("body" in at) throw new Error("the response to a removal is never stored");
      const pool = findNodePool(at.pools, input);
      if (at.problems.length > 0) throw invalid(at.problems);
      if (at.cluster.writtenBy === writtenBy) return true;
      requireRevision(input.precondition, pool.revision, `${pool.revision}`);
      if (at.dryRun) return { consequences: isLive(pool) ? removal(pool) : [] };
      if (!isLive(pool)) return true;
      const after: NodePool = {
        ...pool,
        provisionStatus: "DELETING",
        modifiedAt: context.clock().toISOString(),
        revision: pool.revision + 1,
      };
      const changes = [{ path: `${nodePoolPath(pool)}.provisionStatus`, from: pool.provisionStatus, to: "DELETING" }];
      return await save(context, at, after, { type: "node-pool.deletion-requested", changes, writtenBy }, deadline);
    },
  );
  return done === true ? undefined : done;
}
