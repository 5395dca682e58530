/** Creates a cluster. */

import { type Authorized, authorize, environmentNotFound } from "../../access/authorize.ts";
import { type Context, reportUnknown } from "../../context.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { nodePoolItem } from "../../node-pool/items.ts";
import { computeOf, nodePoolPath } from "../../node-pool/rules.ts";
import { MAX_NODE_POOLS } from "../../node-pool/schema.ts";
import { parseWriteQuery } from "../../request/dry-run.ts";
import { IDEMPOTENCY_LABEL, storeResponse, withReplay } from "../../request/idempotency.ts";
import type { RawQuery } from "../../request/query.ts";
import { type AppError, conflict, invalid } from "../../shared/errors.ts";
import { parseJson } from "../../shared/json.ts";
import { type Deadline, deadlineIn } from "../../shared/retry.ts";
import { isSlug, slugOf } from "../../shared/slug.ts";
import { clusterKey, keyText, totalKey } from "../../table/keys.ts";
import { commit, type Failure, Transaction } from "../../table/transaction.ts";
import type { Environment } from "../../tenancy/environment.ts";
import { MAX_CLUSTERS, ORGANISATION_FULL_MESSAGE, totalEntity } from "../../tenancy/organisation.ts";
import { type Change, type Cluster, clusterEntity } from "../entity.ts";
import { initialConditions } from "../rules/conditions.ts";
import { type ValidatedCreate, validateCreate } from "../rules/create.ts";
import type { ClusterResponse } from "../schema.ts";
import { applyCounters } from "../store/counters.ts";
import { buildUserEvent } from "../store/event-log.ts";
import { clusterEtag, toClusterResponse } from "../store/items.ts";
import { retryOnConflict } from "../store/mutation.ts";
import { pointerItem } from "../store/pointer.ts";
import {
  readSlugContext,
  requireAvailable,
  reserveSlug,
  SLUG_LABELS,
  type SlugState,
} from "../store/slug-reservation.ts";

/** Request to create a cluster. */
export interface CreateInput {
  organisation: string;
  environment: string;
  query: RawQuery;
  /** Parsed JSON body. */
  body: unknown;
}

/** Response of an operation on a cluster. */
export interface Representation<Body> {
  body: Body;
  /** The entity tag, with its quotes. */
  etag: string;
}

/** Ids that the server generates for a cluster, the same for all attempts: an own write is recognised by them. */
interface GeneratedIds {
  identity: string;
  nodePools: { id: number; identity: string }[];
}

/**
 * Creates a cluster: its item, pools, pointer with due time, event, totals, reference counters and page index, all in one
 * transaction. Two database round trips, three if its bucket is full; both are repeated after a concurrent change.
 *
 * A repeat of its own transaction, whose response was lost, is recognised by the generated identity. Concurrent creates retry;
 * the second one for a slug gets the conflict.
 *
 * @throws AppError as `enter`; invalid with every problem; conflict for a taken slug, and for limits
 */
export async function create(context: Context, input: CreateInput): Promise<Representation<ClusterResponse>> {
  const generated: GeneratedIds = { identity: context.ids.identity(), nodePools: [] };
  const done = await withReplay(context, () =>
    retryOnConflict(deadlineIn(context.writeTimeoutMs), (deadline) => attempt(context, input, generated, deadline)),
  );
  const shown = done as Representation<ClusterResponse>;
  context.responseMetadata.cluster = shown.body.identity;
  return shown;
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  input: CreateInput,
  generated: GeneratedIds,
  deadline: Deadline,
): Promise<Representation<ClusterResponse> | undefined> {
  const { organisation, environment } = input;
  const slug = slugIn(input.body);
  const authorized = await authorize(context, {
    path: { organisation, environment },
    role: "developer",
    keys: () => (slug === undefined ? [] : [clusterKey(organisation, environment, slug)]),
    alongside: async () =>
      slug === undefined ? undefined : readSlugContext(context, { organisation, environment, slug }),
  });
  if (authorized.replay !== undefined) return authorized.replay as Representation<ClusterResponse>;
  const judgement = validateCreate(input.body, authorized.references, context.provisioner);
  const query = parseWriteQuery(input.query);
  const strict = reportUnknown(context, query.unknown, judgement.unknown);
  const { creation } = judgement;
  const problems = [...query.problems, ...strict, ...judgement.problems];
  if (creation === undefined || problems.length > 0) throw invalid(problems);
  if (slug === undefined || authorized.environment === undefined) throw new Error("a name without problems has a slug");
  const holderItem = authorized.prefetched(clusterKey(organisation, environment, slug));
  const place: SlugState = {
    owner: holderItem === undefined ? undefined : clusterEntity.read(holderItem),
    superseded: authorized.alongside?.superseded ?? [],
    chunk: authorized.alongside?.chunk,
  };
  const cluster = {
    ...newCluster(context, authorized, authorized.environment, creation, slug, generated),
    // Above the displaced holder's revision, so that the two never have the same entity tag.
    revision: (place.owner?.revision ?? 0) + 1,
  };
  const { references } = authorized;
  const show = (made: Cluster): Representation<ClusterResponse> => ({
    body: toClusterResponse(made, { organisation: authorized.organisation, references, showCompute: false }),
    etag: clusterEtag(made, references),
  });
  if (place.owner?.identity === cluster.identity) return show(place.owner);
  requireAvailable(place, "name");
  requireFewPools(creation);
  if (query.values.dryRun) {
    await requireRoom(context, cluster.organisation);
    return { body: withoutGenerated(show(cluster).body), etag: "" };
  }
  const answer = show(cluster);
  const pools = newNodePools(context, cluster, creation, generated);
  return (await write(context, authorized, { cluster, pools, creation, place, answer, deadline })) ? answer : undefined;
}

/** Removes the properties that the server would generate, for a dry run. */
function withoutGenerated(cluster: ClusterResponse): ClusterResponse {
  const { identity: _, createdAt: _created, modifiedAt: _modified, ...rest } = cluster;
  return { ...rest, consequences: [] } as unknown as ClusterResponse;
}

/** Checks the organisation's limit for a dry run, which sends no transaction. */
async function requireRoom(context: Context, organisation: string): Promise<void> {
  const key = totalKey(organisation);
  const item = (await context.table.get([key])).get(keyText(key));
  if (item !== undefined && totalEntity.read(item).clusters >= MAX_CLUSTERS) throw organisationFull();
}

const organisationFull = (): AppError => conflict("organisation.cluster_limit", ORGANISATION_FULL_MESSAGE);

function requireFewPools({ nodePools }: ValidatedCreate): void {
  if (nodePools.length <= MAX_NODE_POOLS) return;
  throw conflict(
    "cluster.node_pool_limit",
    `nodePools: ${nodePools.length} node pools are not allowed: a cluster can have at most ${MAX_NODE_POOLS}`,
  );
}

/** Returns the slug for the name in a body, if there is one: the first read needs it before the body is validated. */
function slugIn(body: unknown): string | undefined {
  const name = typeof body === "object" && body !== null && "name" in body ? body.name : undefined;
  const slug = typeof name === "string" && name.length <= 63 ? slugOf(name) : "";
  return isSlug(slug) ? slug : undefined;
}

function newCluster(
  context: Context,
  authorized: Authorized<unknown>,
  environment: Environment,
  creation: ValidatedCreate,
  slug: string,
  generated: GeneratedIds,
): Cluster {
  const now = context.clock().toISOString();
  return {
    ...creation.settings,
    ...computeOf(creation.provider, creation.nodePools),
    identity: generated.identity,
    organisation: authorized.organisation.slug,
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
    conditions: initialConditions(now),
  };
}

function newNodePools(
  context: Context,
  cluster: Cluster,
  creation: ValidatedCreate,
  generated: GeneratedIds,
): NodePool[] {
  const ids = new Set(generated.nodePools.map(({ id }) => id));
  while (ids.size < creation.nodePools.length) ids.add(context.ids.number());
  // Pools of one creation have the same age; ascending ids preserve the order in the request.
  const ascending = [...ids].sort((one, other) => one - other);
  generated.nodePools = ascending.map((id, at) => ({
    id,
    identity: generated.nodePools[at]?.identity ?? context.ids.identity(),
  }));
  return creation.nodePools.map((settings, position) => ({
    ...settings,
    ...(generated.nodePools[position] ?? { id: context.ids.number(), identity: context.ids.identity() }),
    clusterIdentity: cluster.identity,
    provisionStatus: "ACCEPTED",
    createdAt: cluster.createdAt,
    modifiedAt: cluster.createdAt,
    revision: 1,
  }));
}

interface CreateWrite {
  cluster: Cluster;
  pools: readonly NodePool[];
  creation: ValidatedCreate;
  place: SlugState;
  answer: Representation<ClusterResponse>;
  deadline: Deadline;
}

/** Writes everything. @returns false if the data that was read is out of date */
async function write(context: Context, authorized: Authorized<unknown>, given: CreateWrite): Promise<boolean> {
  const { cluster, pools, creation, place, answer, deadline } = given;
  const { owner, chunk } = place;
  if (chunk === undefined) throw environmentNotFound(cluster.environment, cluster.organisation);
  const transaction = new Transaction();
  if (!(await reserveSlug(context, transaction, cluster, owner, chunk, deadline))) return false;
  for (const pool of pools) transaction.create("pool", nodePoolItem(pool));
  const { createdAt } = cluster;
  transaction
    .create("pointer", pointerItem(cluster, createdAt))
    .create(
      "event",
      buildUserEvent(context, authorized.actor, cluster.identity, "cluster.created", createdAt, changesOf(creation)),
    );
  applyCounters(transaction, undefined, cluster);
  storeResponse(context, transaction, authorized.actor, answer);
  return handleFailures(await commit(context.table, transaction, deadline), cluster);
}

/** Lists the changes for the event of a creation: every setting, and the label and size of each pool. */
function changesOf({ settings, nodePools }: ValidatedCreate): Change[] {
  const own = Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([path, value]) => ({ path, to: path === "addons" ? parseJson(settings.addons) : value }));
  const pools = nodePools.map(({ name, availabilityZone, nodeSize, minSize, maxSize }) => ({
    path: nodePoolPath({ name, availabilityZone }),
    to: { name, availabilityZone, nodeSize, minSize, maxSize },
  }));
  return [...own, ...pools];
}

/** Maps failed conditions to errors. @returns true if everything is written, false to read again */
function handleFailures(failures: readonly Failure[], cluster: Cluster): boolean {
  if (failures.length === 0) return true;
  const failed = new Map(failures.map((failure) => [failure.label, failure]));
  if (failed.get("cluster")?.present?.identity === cluster.identity || failed.has(IDEMPOTENCY_LABEL)) return false;
  if (failed.has("environment")) throw environmentNotFound(cluster.environment, cluster.organisation);
  if (failed.has("account")) throw referenceRemoved("cloudAccountIdentity", cluster.cloudAccountIdentity);
  if (failed.has("schedule")) {
    throw referenceRemoved("maintenanceScheduleIdentity", cluster.maintenanceScheduleIdentity ?? "");
  }
  if (failed.has("total")) throw organisationFull();
  if (SLUG_LABELS.some((label) => failed.has(label))) return false;
  throw new Error(`unexpected conditions failed: ${[...failed.keys()].join(", ")}`);
}

const referenceRemoved = (path: string, identity: string): AppError =>
  invalid([{ path, message: `"${identity}" is not allowed: it was removed while the cluster was being created` }]);
