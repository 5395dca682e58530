/** Making, changing and removing node pools. Every write raises the cluster's revision, which keeps its writers in order. */

import { type Entered, enter } from "../access/enter.ts";
import { type CloudProvider, providerBySlug, regionOf } from "../cloud/catalogue/index.ts";
import { wrongState } from "../cluster/amendment.ts";
import { untilDone, write } from "../cluster/change.ts";
import { type Consequence, nodePoolConsequences } from "../cluster/consequences.ts";
import type { EventType } from "../cluster/event-types.ts";
import { noSuchCluster } from "../cluster/get.ts";
import { type Change, type Cluster, clusterEntity } from "../cluster/stored.ts";
import { isDeleting } from "../cluster/transitions.ts";
import { ifMatches, type Precondition } from "../conditional.ts";
import { type Context, noteUnknown } from "../context.ts";
import { readWriteQuery } from "../dry-run.ts";
import { conflict, invalid, type Problem } from "../errors.ts";
import { type Kept, keepAnswer, orKept } from "../idempotency.ts";
import type { RawQuery } from "../query.ts";
import { clusterKey } from "../table/keys.ts";
import { type Deadline, deadlineIn } from "../table/pause.ts";
import { check } from "../validation.ts";
import { findNodePool } from "./read.ts";
import { nodePoolItem, nodePoolsOf, putNodePools, toNodePoolResponse } from "./repository.ts";
import {
  computeOf,
  isLive,
  merged,
  type NodePoolSettings,
  nodePoolLabel,
  nodePoolPath,
  nodePoolProblems,
  normaliseNodePool,
  settingsOf,
} from "./rules.ts";
import { type ClusterNodePoolResponse, CreateNodePool, MAX_NODE_POOLS, type NodePool } from "./schema.ts";

/** Live pools of a cluster and those that are being removed, together at most: what one transaction can still take. */
const MAX_HELD_NODE_POOLS = 80;

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
export interface ShownNodePool {
  body: ClusterNodePoolResponse;
  /** The entity tag, with its quotes. */
  tag: string;
}

interface Scene {
  entered: Entered<undefined>;
  cluster: Cluster;
  pools: NodePool[];
  provider: CloudProvider;
  problems: Problem[];
  dryRun: boolean;
}

/** Reads the cluster of the path, then its pools: two waits. @returns also what was answered before, where it was */
async function scene(
  context: Context,
  input: Omit<CreateNodePoolInput, "body">,
  unknown: readonly string[],
): Promise<Scene | Kept> {
  const { organisation, environment, cluster: slug } = input;
  const key = () => clusterKey(organisation, environment, slug);
  const entered = await enter(context, {
    path: { organisation, environment, cluster: slug },
    right: "developer",
    keys: () => [key()],
  });
  if (entered.kept !== undefined) return entered.kept;
  const item = entered.item(key());
  if (item === undefined) throw noSuchCluster(slug, environment);
  const cluster = clusterEntity.read(item);
  const provider = providerBySlug(cluster.cloudProvider);
  if (provider === undefined) throw new Error(`the catalogue has no provider ${cluster.cloudProvider} any more`);
  const query = readWriteQuery(input.query);
  const problems = [...query.problems, ...noteUnknown(context, query.unknown, unknown)];
  const pools = await nodePoolsOf(context.table, cluster.identity);
  return { entered, cluster, provider, problems, pools, dryRun: query.values.dryRun };
}

const shown = (pool: NodePool): ShownNodePool => ({ body: toNodePoolResponse(pool), tag: `"${pool.revision}"` });

/** What a dry run answers instead of doing anything. */
export interface Rehearsal {
  consequences: Consequence[];
}

/** A dry run's answer: no tag, for nothing is there that it could be of. */
const rehearsed = (body: ClusterNodePoolResponse, consequences: Consequence[]): ShownNodePool => ({
  body: { ...body, ...{ consequences } },
  tag: "",
});

/** A pool without what the server would draw. */
function withoutDrawn(pool: ClusterNodePoolResponse): ClusterNodePoolResponse {
  const { id: _, identity: _identity, createdAt: _created, modifiedAt: _modified, ...rest } = pool;
  return rest as ClusterNodePoolResponse;
}

const removal = ({ identity, minSize }: NodePool): Consequence[] => [
  { property: "nodePool", effect: "rollsNodes", nodePools: [{ identity, nodes: minSize }] },
];

function requireUsable(cluster: Cluster): void {
  if (isDeleting(cluster)) {
    throw wrongState(cluster, "the node pools of a cluster that is being deleted can only be deleted");
  }
}

/** Writes one pool with its cluster. @returns whether it is done; undefined where somebody else was faster */
async function save(
  context: Context,
  { entered, cluster, provider, pools }: Scene,
  pool: NodePool,
  given: { type: EventType; changes: readonly Change[]; writtenBy: string; isNew?: boolean },
  deadline: Deadline,
): Promise<true | undefined> {
  const live = [...pools.filter(({ id }) => id !== pool.id), pool].filter(isLive);
  const written = await write(
    context,
    entered.actor,
    {
      before: cluster,
      after: { ...cluster, ...computeOf(provider, live) },
      type: given.type,
      changes: given.changes,
      writtenBy: given.writtenBy,
      arePoolsChanged: true,
      also(transaction) {
        if (given.isNew === true) {
          transaction.create("pool", nodePoolItem(pool));
          keepAnswer(context, transaction, entered.actor, shown(pool));
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
  if (pools.length >= MAX_HELD_NODE_POOLS) {
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
export async function create(context: Context, input: CreateNodePoolInput): Promise<ShownNodePool> {
  const { draft = {}, problems, unknown, complete } = check(CreateNodePool, normaliseNodePool(input.body));
  const drawn = { id: context.draw.number(), identity: context.draw.identity() };
  const attempt = async (deadline: Deadline): Promise<ShownNodePool | undefined> => {
    const at = await scene(context, input, unknown);
    if ("body" in at) return at as ShownNodePool;
    const own = at.pools.find(({ identity }) => identity === drawn.identity);
    if (own !== undefined) return shown(own);
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
    if (at.dryRun) return rehearsed(withoutDrawn(shown(pool).body), []);
    const changes = [{ path: nodePoolPath(pool), to: settings }];
    const done = await save(
      context,
      at,
      pool,
      { type: "node-pool.created", changes, writtenBy: drawn.identity, isNew: true },
      deadline,
    );
    return done && shown(pool);
  };
  const done = await orKept(context, () => untilDone(deadlineIn(context.patienceMs), attempt));
  return done as ShownNodePool;
}

/**
 * Changes a node pool. What is left out stays; what equals the stored value is no change. Three waits on the database.
 *
 * @throws AppError as `enter`; missing; invalid; preconditionFailed; conflict for another name or zone, a deleting cluster or pool
 */
export async function update(context: Context, input: UpdateNodePoolInput): Promise<ShownNodePool> {
  const { draft = {}, problems, unknown } = check(CreateNodePool, normaliseNodePool(input.body));
  const writtenBy = context.draw.identity();
  return await untilDone(deadlineIn(context.patienceMs), async (deadline) => {
    const at = await scene(context, input, unknown);
    if ("body" in at) return at as ShownNodePool;
    const pool = findNodePool(at.pools, input);
    if (at.cluster.writtenBy === writtenBy) return shown(pool);
    const placement = { provider: at.provider, region: regionOf(at.provider, at.cluster.region) };
    const faulty = new Set(problems.map(({ path }) => path));
    const wanted = merged(pool, draft);
    const all = [...at.problems, ...problems, ...nodePoolProblems(wanted, faulty, "", placement, draft)];
    if (all.length > 0) throw invalid(all);
    ifMatches(input.precondition, pool.revision, `"${pool.revision}"`);
    const settings = settingsOf(check(CreateNodePool, wanted).complete());
    const changes = settingsChanged(pool, settings);
    if (changes.length === 0) return at.dryRun ? rehearsed(shown(pool).body, []) : shown(pool);
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
      return rehearsed(shown(after).body, nodePoolConsequences(pool, properties));
    }
    const done = await save(context, at, after, { type: "node-pool.updated", changes, writtenBy }, deadline);
    return done && shown(after);
  });
}

function settingsChanged(pool: NodePool, settings: NodePoolSettings): Change[] {
  return Object.entries(settings).flatMap(([name, to]): Change[] => {
    const from = pool[name as keyof NodePoolSettings];
    return same(from, to) ? [] : [{ path: `${nodePoolPath(pool)}.${name}`, from, to }];
  });
}

/** Whether two values are the same; maps whatever the order of their names. */
function same(one: unknown, other: unknown): boolean {
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
export async function remove(context: Context, input: RemoveNodePoolInput): Promise<Rehearsal | undefined> {
  const writtenBy = context.draw.identity();
  const done = await untilDone(
    deadlineIn(context.patienceMs),
    async (deadline): Promise<true | Rehearsal | undefined> => {
      const at = await scene(context, input, []);
      if ("body" in at) throw new Error("no answer to a DELETE is ever kept");
      const pool = findNodePool(at.pools, input);
      if (at.problems.length > 0) throw invalid(at.problems);
      if (at.cluster.writtenBy === writtenBy) return true;
      ifMatches(input.precondition, pool.revision, `"${pool.revision}"`);
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
