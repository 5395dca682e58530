/** Creating a cluster. */

import { type Entered, enter, noSuchEnvironment } from "../access/enter.ts";
import { type Context, noteUnknown } from "../context.ts";
import { readWriteQuery } from "../dry-run.ts";
import type { Environment } from "../environment/schema.ts";
import { type AppError, conflict, invalid } from "../errors.ts";
import { IDEMPOTENCY_LABEL, keepAnswer, orKept } from "../idempotency.ts";
import { parseJson } from "../json.ts";
import { nodePoolItem } from "../node-pool/repository.ts";
import { computeOf, nodePoolPath } from "../node-pool/rules.ts";
import { MAX_NODE_POOLS, type NodePool } from "../node-pool/schema.ts";
import { FULL_TEXT, MAX_CLUSTERS, totalEntity } from "../organisation/schema.ts";
import type { RawQuery } from "../query.ts";
import { isSlug, slugOf } from "../slug.ts";
import { clusterKey, keyText, totalKey } from "../table/keys.ts";
import { type Deadline, deadlineIn } from "../table/pause.ts";
import { commit, type Failure, Transaction } from "../table/transact.ts";
import { untilDone } from "./change.ts";
import { newConditions } from "./conditions.ts";
import { count } from "./counters.ts";
import { type Creation, judgeCreation } from "./creation.ts";
import { userEvent } from "./event.ts";
import { occupy, PLACE_LABELS, type Place, readVicinity, requireFree } from "./place.ts";
import { clusterTag, pointerItem, toClusterResponse } from "./repository.ts";
import type { ClusterResponse } from "./schema.ts";
import { type Change, type Cluster, clusterEntity } from "./stored.ts";

/** A request for a cluster. */
export interface CreateInput {
  organisation: string;
  environment: string;
  query: RawQuery;
  /** The body, as JSON gave it. */
  body: unknown;
}

/** A cluster as an operation answers it. */
export interface Shown<Body> {
  body: Body;
  /** The entity tag, with its quotes. */
  tag: string;
}

/** What the server draws for a cluster, once for all attempts: by it an own write is recognised. */
interface Drawn {
  identity: string;
  nodePools: { id: number; identity: string }[];
}

/**
 * Creates a cluster: its item, pools, pointer with due mark, event, totals, reference counters and page index, all in one
 * transaction. Two waits on the database, three where its bucket is full; somebody else's change in between costs both again.
 *
 * A repeat of its own transaction, whose answer was lost, is recognised by the identity it drew. Others who create at the
 * same moment are waited for; whoever comes second to a slug gets the conflict.
 *
 * @throws AppError as `enter`; invalid with every problem; conflict for a slug that is held, and for limits
 */
export async function create(context: Context, input: CreateInput): Promise<Shown<ClusterResponse>> {
  const drawn: Drawn = { identity: context.draw.identity(), nodePools: [] };
  const done = await orKept(context, () =>
    untilDone(deadlineIn(context.patienceMs), (deadline) => attempt(context, input, drawn, deadline)),
  );
  const shown = done as Shown<ClusterResponse>;
  context.outcome.cluster = shown.body.identity;
  return shown;
}

/** Tries once. @returns undefined where somebody else was faster, and everything has to be read again */
async function attempt(
  context: Context,
  input: CreateInput,
  drawn: Drawn,
  deadline: Deadline,
): Promise<Shown<ClusterResponse> | undefined> {
  const { organisation, environment } = input;
  const slug = slugIn(input.body);
  const entered = await enter(context, {
    path: { organisation, environment },
    right: "developer",
    keys: () => (slug === undefined ? [] : [clusterKey(organisation, environment, slug)]),
    beside: async () => (slug === undefined ? undefined : readVicinity(context, { organisation, environment, slug })),
  });
  if (entered.kept !== undefined) return entered.kept as Shown<ClusterResponse>;
  const judgement = judgeCreation(input.body, entered.references, context.provisioner);
  const query = readWriteQuery(input.query);
  const strict = noteUnknown(context, query.unknown, judgement.unknown);
  const { creation } = judgement;
  const problems = [...query.problems, ...strict, ...judgement.problems];
  if (creation === undefined || problems.length > 0) throw invalid(problems);
  if (slug === undefined || entered.environment === undefined) throw new Error("a name without problems has a slug");
  const holderItem = entered.item(clusterKey(organisation, environment, slug));
  const place: Place = {
    holder: holderItem === undefined ? undefined : clusterEntity.read(holderItem),
    displaced: entered.beside?.displaced ?? [],
    chunk: entered.beside?.chunk,
  };
  const cluster = {
    ...newCluster(context, entered, entered.environment, creation, slug, drawn),
    // Above the displaced holder's, so that no entity tag of that one is ever this one's.
    revision: (place.holder?.revision ?? 0) + 1,
  };
  const { references } = entered;
  const show = (made: Cluster): Shown<ClusterResponse> => ({
    body: toClusterResponse(made, { organisation: entered.organisation, references, showCompute: false }),
    tag: clusterTag(made, references),
  });
  if (place.holder?.identity === cluster.identity) return show(place.holder);
  requireFree(place, "name");
  requireFewPools(creation);
  if (query.values.dryRun) {
    await requireRoom(context, cluster.organisation);
    return { body: withoutDrawn(show(cluster).body), tag: "" };
  }
  const answer = show(cluster);
  const pools = newNodePools(context, cluster, creation, drawn);
  return (await write(context, entered, { cluster, pools, creation, place, answer, deadline })) ? answer : undefined;
}

/** A dry run shows what would be, without what the server would draw. */
function withoutDrawn(cluster: ClusterResponse): ClusterResponse {
  const { identity: _, createdAt: _created, modifiedAt: _modified, ...rest } = cluster;
  return { ...rest, consequences: [] } as unknown as ClusterResponse;
}

/** What the transaction's condition would refuse, for a dry run that sends none. */
async function requireRoom(context: Context, organisation: string): Promise<void> {
  const key = totalKey(organisation);
  const item = (await context.table.get([key])).get(keyText(key));
  if (item !== undefined && totalEntity.read(item).clusters >= MAX_CLUSTERS) throw organisationFull();
}

const organisationFull = (): AppError => conflict("organisation.cluster_limit", FULL_TEXT);

function requireFewPools({ nodePools }: Creation): void {
  if (nodePools.length <= MAX_NODE_POOLS) return;
  throw conflict(
    "cluster.node_pool_limit",
    `nodePools: a cluster has at most ${MAX_NODE_POOLS} node pools, and these are ${nodePools.length}`,
  );
}

/** The slug a body's name leads to, if it leads to one: the first read needs it before the body is judged. */
function slugIn(body: unknown): string | undefined {
  const name = typeof body === "object" && body !== null && "name" in body ? body.name : undefined;
  const slug = typeof name === "string" && name.length <= 63 ? slugOf(name) : "";
  return isSlug(slug) ? slug : undefined;
}

function newCluster(
  context: Context,
  entered: Entered<unknown>,
  environment: Environment,
  creation: Creation,
  slug: string,
  drawn: Drawn,
): Cluster {
  const now = context.clock().toISOString();
  return {
    ...creation.settings,
    ...computeOf(creation.provider, creation.nodePools),
    identity: drawn.identity,
    organisation: entered.organisation.slug,
    environment: environment.slug,
    environmentIdentity: environment.identity,
    slug,
    cloudProvider: creation.provider.slug,
    environmentPrometheusRules: true,
    deleteProtection: false,
    status: "new",
    desiredStatus: "starting",
    provisionStatus: "ACCEPTED",
    furthestPhase: "ACCEPTED",
    poolID: context.hostingPool.id,
    poolName: context.hostingPool.name,
    createdAt: now,
    modifiedAt: now,
    revision: 1,
    generation: 1,
    conditions: newConditions(now),
  };
}

function newNodePools(context: Context, cluster: Cluster, creation: Creation, drawn: Drawn): NodePool[] {
  const ids = new Set(drawn.nodePools.map(({ id }) => id));
  while (ids.size < creation.nodePools.length) ids.add(context.draw.number());
  // Pools of one creation are equally old; ascending ids keep them in the order they were sent.
  const ascending = [...ids].sort((one, other) => one - other);
  drawn.nodePools = ascending.map((id, at) => ({
    id,
    identity: drawn.nodePools[at]?.identity ?? context.draw.identity(),
  }));
  return creation.nodePools.map((settings, position) => ({
    ...settings,
    ...(drawn.nodePools[position] ?? { id: context.draw.number(), identity: context.draw.identity() }),
    clusterIdentity: cluster.identity,
    provisionStatus: "ACCEPTED",
    createdAt: cluster.createdAt,
    modifiedAt: cluster.createdAt,
    revision: 1,
  }));
}

interface Writing {
  cluster: Cluster;
  pools: readonly NodePool[];
  creation: Creation;
  place: Place;
  answer: Shown<ClusterResponse>;
  deadline: Deadline;
}

/** Writes it all. @returns false where what was read is out of date */
async function write(context: Context, entered: Entered<unknown>, given: Writing): Promise<boolean> {
  const { cluster, pools, creation, place, answer, deadline } = given;
  const { holder, chunk } = place;
  if (chunk === undefined) throw noSuchEnvironment(cluster.environment, cluster.organisation);
  const transaction = new Transaction();
  if (!(await occupy(context, transaction, cluster, holder, chunk, deadline))) return false;
  for (const pool of pools) transaction.create("pool", nodePoolItem(pool));
  const { createdAt } = cluster;
  const pointer = {
    identity: cluster.identity,
    organisation: cluster.organisation,
    path: clusterKey(cluster.organisation, cluster.environment, cluster.slug).sk,
    fence: 0,
    wakes: 0,
    attempts: 0,
  };
  transaction
    .create("pointer", pointerItem(pointer, createdAt))
    .create(
      "event",
      userEvent(context, entered.actor, cluster.identity, "cluster.created", createdAt, changesOf(creation)),
    );
  count(transaction, undefined, cluster);
  keepAnswer(context, transaction, entered.actor, answer);
  return judge(await commit(context.table, transaction, deadline), cluster);
}

/** What an event says of a creation: every setting, and of each pool what tells it apart and how large it is. */
function changesOf({ settings, nodePools }: Creation): Change[] {
  const own = Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([path, value]) => ({ path, to: path === "addons" ? parseJson(settings.addons) : value }));
  const pools = nodePools.map(({ name, availabilityZone, nodeSize, minSize, maxSize }) => ({
    path: nodePoolPath({ name, availabilityZone }),
    to: { name, availabilityZone, nodeSize, minSize, maxSize },
  }));
  return [...own, ...pools];
}

/** Turns failed conditions into the domain's answers. @returns true when all is written, false to read again */
function judge(failures: readonly Failure[], cluster: Cluster): boolean {
  if (failures.length === 0) return true;
  const failed = new Map(failures.map((failure) => [failure.label, failure]));
  if (failed.get("cluster")?.present?.identity === cluster.identity || failed.has(IDEMPOTENCY_LABEL)) return false;
  if (failed.has("environment")) throw noSuchEnvironment(cluster.environment, cluster.organisation);
  if (failed.has("account")) throw referentGone("cloudAccountIdentity", cluster.cloudAccountIdentity);
  if (failed.has("schedule")) {
    throw referentGone("maintenanceScheduleIdentity", cluster.maintenanceScheduleIdentity ?? "");
  }
  if (failed.has("total")) throw organisationFull();
  if (PLACE_LABELS.some((label) => failed.has(label))) return false;
  throw new Error(`unexpected conditions failed: ${[...failed.keys()].join(", ")}`);
}

const referentGone = (path: string, identity: string): AppError =>
  invalid([{ path, text: `"${identity}" is not allowed: it was removed while the cluster was being created` }]);
