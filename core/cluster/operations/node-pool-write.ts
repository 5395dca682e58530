/** Making, changing and removing node pools. Every write raises the cluster's revision, which keeps its writers in order. */

import { type Authorized, authorize } from "../../access/authorize.ts";
import { type CloudProvider, providerBySlug, regionOf } from "../../catalogue/index.ts";
import { type Context, reportUnknown } from "../../context.ts";
import { nodePoolItem, nodePoolsOf, putNodePools, toNodePoolResponse } from "../../node-pool/items.ts";
import {
  computeOf,
  isLive,
  mergeSettings,
  type NodePoolSettings,
  nodePoolLabel,
  nodePoolPath,
  nodePoolProblems,
  normaliseNodePool,
  settingsOf,
} from "../../node-pool/rules.ts";
import { type ClusterNodePoolResponse, CreateNodePool, MAX_NODE_POOLS, type NodePool } from "../../node-pool/schema.ts";
import { parseWriteQuery } from "../../request/dry-run.ts";
import { type StoredResponse, storeResponse, withReplay } from "../../request/idempotency.ts";
import { type Precondition, requireRevision } from "../../request/preconditions.ts";
import type { RawQuery } from "../../request/query.ts";
import { conflict, invalid, type Problem } from "../../shared/errors.ts";
import { type Deadline, deadlineIn } from "../../shared/retry.ts";
import { validate } from "../../shared/validation.ts";
import { clusterKey } from "../../table/keys.ts";
import { type Change, type Cluster, clusterEntity } from "../entity.ts";
import type { EventType } from "../event-types.ts";
import { type Consequence, nodePoolConsequences } from "../rules/consequences.ts";
import { isDeleting } from "../rules/transitions.ts";
import { invalidState } from "../rules/update.ts";
import { commitMutation, retryOnConflict } from "../store/mutation.ts";
import { clusterNotFound } from "./get.ts";
import { findNodePool } from "./node-pool-read.ts";

/** Live pools of a cluster and those that are being removed, together at most: what one transaction can still take. */
const MAX_STORED_NODE_POOLS = 80;

/** How long a client may wait for pools to be gone, in seconds. */
const REMOVAL_SECONDS = 30;

/** Which cluster's pools. */
export interface CreateNodePoolInput {
  organisation: string;
  environment: string;
  cluster: string;
  query: RawQuery;
  body: unknown;
}

/** Which pool: `nodePool` is its numeric id or its identity. */
export interface UpdateNodePoolInput extends CreateNodePoolInput {
  nodePool: string;
  precondition?: Precondition;
}

/** Which pool to remove. */
export type RemoveNodePoolInput = Omit<UpdateNodePoolInput, "body">;

/** A pool as an operation answers it. */
export interface NodePoolRepresentation {
  body: ClusterNodePoolResponse;
  /** The entity tag, with its quotes. */
  etag: string;
}

interface PoolContext {
  entered: Authorized<undefined>;
  cluster: Cluster;
  pools: NodePool[];
  provider: CloudProvider;
  problems: Problem[];
  dryRun: boolean;
}

/** Reads the cluster of the path, then its pools: two waits. @returns also what was answered before, where it was */
async function readPoolContext(
  context: Context,
  input: Omit<CreateNodePoolInput, "body">,
  unknown: readonly string[],
): Promise<PoolContext | StoredResponse> {
  const { organisation, environment, cluster: slug } = input;
  const key = () => clusterKey(organisation, environment, slug);
  const entered = await authorize(context, {
    path: { organisation, environment, cluster: slug },
    role: "developer",
    keys: () => [key()],
  });
  if (entered.replay !== undefined) return entered.replay;
  const item = entered.prefetched(key());
  if (item === undefined) throw clusterNotFound(slug, environment);
  const cluster = clusterEntity.read(item);
  const provider = providerBySlug(cluster.cloudProvider);
  if (provider === undefined) throw new Error(`the catalogue has no provider ${cluster.cloudProvider} any more`);
  const query = parseWriteQuery(input.query);
  const problems = [...query.problems, ...reportUnknown(context, query.unknown, unknown)];
  const pools = await nodePoolsOf(context.table, cluster.identity);
  return { entered, cluster, provider, problems, pools, dryRun: query.values.dryRun };
}

const represent = (pool: NodePool): NodePoolRepresentation => ({
  body: toNodePoolResponse(pool),
  etag: `"${pool.revision}"`,
});

/** What a dry run answers instead of doing anything. */
export interface DryRunResult {
  consequences: Consequence[];
}

/** A dry run's answer: no tag, for nothing is there that it could be of. */
const dryRunResult = (body: ClusterNodePoolResponse, consequences: Consequence[]): NodePoolRepresentation => ({
  body: { ...body, ...{ consequences } },
  etag: "",
});

/** A pool without what the server would draw. */
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

/** Writes one pool with its cluster. @returns whether it is done; undefined where somebody else was faster */
async function save(
  context: Context,
  { entered, cluster, provider, pools }: PoolContext,
  pool: NodePool,
  given: { type: EventType; changes: readonly Change[]; writtenBy: string; isNew?: boolean },
  deadline: Deadline,
): Promise<true | undefined> {
  const live = [...pools.filter(({ id }) => id !== pool.id), pool].filter(isLive);
  const written = await commitMutation(
    context,
    entered.actor,
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
          storeResponse(context, transaction, entered.actor, represent(pool));
        } else {
          putNodePools(transaction, [pool]);
        }
      },
    },
    deadline,
  );
  return written === undefined ? undefined : true;
}

/** @throws AppError conflict where a live pool has the name in the zone */
function requireFreeName(pools: readonly NodePool[], settings: NodePoolSettings): void {
  const label = nodePoolLabel(settings);
  if (pools.some((pool) => isLive(pool) && nodePoolLabel(pool) === label)) {
    throw conflict("node_pool.name_held", `name: there is a node pool ${label} in this cluster already`);
  }
}

/** @throws AppError conflict where the cluster has as many pools as it may */
function requireRoom(pools: readonly NodePool[]): void {
  if (pools.filter(isLive).length >= MAX_NODE_POOLS) {
    throw conflict(
      "cluster.node_pool_limit",
      `A cluster has at most ${MAX_NODE_POOLS} node pools, and this one has them.`,
    );
  }
  if (pools.length >= MAX_STORED_NODE_POOLS) {
    throw conflict(
      "cluster.node_pools_deleting",
      `Too many node pools of this cluster are still being deleted; wait for some to be gone.`,
      REMOVAL_SECONDS,
    );
  }
}

/**
 * Makes a node pool. Three waits on the database.
 *
 * @throws AppError as `enter`; missing; invalid with every problem; conflict for a held name, limits, a deleting cluster
 */
export async function create(context: Context, input: CreateNodePoolInput): Promise<NodePoolRepresentation> {
  const { draft = {}, problems, unknown, complete } = validate(CreateNodePool, normaliseNodePool(input.body));
  const drawn = { id: context.ids.number(), identity: context.ids.identity() };
  const attempt = async (deadline: Deadline): Promise<NodePoolRepresentation | undefined> => {
    const at = await readPoolContext(context, input, unknown);
    if ("body" in at) return at as NodePoolRepresentation;
    const own = at.pools.find(({ identity }) => identity === drawn.identity);
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
      ...drawn,
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
      { type: "node-pool.created", changes, writtenBy: drawn.identity, isNew: true },
      deadline,
    );
    return done && represent(pool);
  };
  const done = await withReplay(context, () => retryOnConflict(deadlineIn(context.writeTimeoutMs), attempt));
  return done as NodePoolRepresentation;
}

/**
 * Changes a node pool. What is left out stays; what equals the stored value is no change. Three waits on the database.
 *
 * @throws AppError as `enter`; missing; invalid; preconditionFailed; conflict for another name or zone, a deleting cluster or pool
 */
export async function update(context: Context, input: UpdateNodePoolInput): Promise<NodePoolRepresentation> {
  const { draft = {}, problems, unknown } = validate(CreateNodePool, normaliseNodePool(input.body));
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
    requireRevision(input.precondition, pool.revision, `"${pool.revision}"`);
    const settings = settingsOf(validate(CreateNodePool, wanted).complete());
    const changes = settingsChanged(pool, settings);
    if (changes.length === 0) return at.dryRun ? dryRunResult(represent(pool).body, []) : represent(pool);
    requireUsable(at.cluster);
    for (const fixed of ["name", "availabilityZone"] as const) {
      if (settings[fixed] === pool[fixed]) continue;
      throw conflict("node_pool.fixed", `${fixed}: cannot change; it is ${JSON.stringify(pool[fixed] ?? "not set")}`);
    }
    if (!isLive(pool)) throw conflict("node_pool.deleting", `The node pool ${nodePoolLabel(pool)} is being deleted.`);
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

/** Whether two values are the same; maps whatever the order of their names. */
function isEqual(one: unknown, other: unknown): boolean {
  const ordered = (_: string, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
      : value;
  return JSON.stringify(one, ordered) === JSON.stringify(other, ordered);
}

/**
 * Removes a node pool: its name is free at once, it counts no more, and is listed as DELETING until it is gone. Also while its
 * cluster is being deleted; again changes nothing. Three waits on the database.
 *
 * @returns what a dry run found; undefined where it was done
 * @throws AppError as `enter`; missing; preconditionFailed
 */
export async function remove(context: Context, input: RemoveNodePoolInput): Promise<DryRunResult | undefined> {
  const writtenBy = context.ids.identity();
  const done = await retryOnConflict(
    deadlineIn(context.writeTimeoutMs),
    async (deadline): Promise<true | DryRunResult | undefined> => {
      const at = await readPoolContext(context, input, []);
      if ("body" in at) throw new Error("no answer to a DELETE is ever kept");
      const pool = findNodePool(at.pools, input);
      if (at.problems.length > 0) throw invalid(at.problems);
      if (at.cluster.writtenBy === writtenBy) return true;
      requireRevision(input.precondition, pool.revision, `"${pool.revision}"`);
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
