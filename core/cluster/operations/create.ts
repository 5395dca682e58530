/** Creates a cluster. */

import { type Authorized, authorize, environmentNotFound } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { requesterOf } from "../../events/event-log.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { nodePoolItem } from "../../node-pool/items.ts";
import { MAX_NODE_POOLS } from "../../node-pool/schema.ts";
import { IDEMPOTENCY_LABEL, type Representation, storeResponse } from "../../request/idempotency.ts";
import { type DryRun, readWriteOptions, runWrite, type WriteResult } from "../../request/write.ts";
import { type AppError, conflict, invalid } from "../../shared/errors.ts";
import type { Deadline } from "../../shared/retry.ts";
import { isSlug, slugOf } from "../../shared/slug.ts";
import type { Parsed, Validated } from "../../shared/validation.ts";
import { clusterKey, keyText, pointerKey, totalKey } from "../../table/keys.ts";
import { commit, type Failure, Transaction } from "../../table/transaction.ts";
import type { Environment } from "../../tenancy/environment.ts";
import { MAX_CLUSTERS, ORGANISATION_FULL_MESSAGE, totalEntity } from "../../tenancy/organisation.ts";
import { usageEntity } from "../../tenancy/references-entity.ts";
import type { Cluster } from "../entity.ts";
import { type ValidatedCreate, validateCreate } from "../rules/create.ts";
import { clusterNeedsCredentials } from "../rules/credentials.ts";
import { createdEvent, newCluster, newNodePools, type PoolIds } from "../rules/new-cluster.ts";
import { slugConflict } from "../rules/slug.ts";
import type { ClusterResponse } from "../schema.ts";
import { applyCounters } from "../store/counters.ts";
import { appendEvent } from "../store/event-log.ts";
import { pointerItem } from "../store/pointer.ts";
import {
  readSlugContext,
  reserveSlug,
  SLUG_LABELS,
  type SlugContext,
  type SlugState,
  slugStateOf,
} from "../store/slug-reservation.ts";
import type { CreateUndocumentedCluster, UpstreamCluster } from "../undocumented.ts";
import { manifestProblems, UNKNOWN_CLUSTER, unknownNodePool, withManifests, writerRole } from "./manifests.ts";
import { representCluster } from "./represent-cluster.ts";
import { readVisibleCluster } from "./visible-cluster.ts";

/** Request to create a cluster. */
interface CreateInput {
  organisation: string;
  environment: string;
  options: Parsed<WriteOptions>;
  body: Validated<CreateUndocumentedCluster>;
}

/** Ids that the server generates for a cluster, the same for all attempts: an own write is recognised by them. */
interface GeneratedIds {
  identity: string;
  nodePools: PoolIds[];
}

/**
 * Creates a cluster: its item, pools, pointer with due time, event, totals, reference counters and page index, all in one
 * transaction. Two database round trips, three if its bucket is full; both are repeated after a concurrent change.
 *
 * A repeat of its own transaction, whose response was lost, is recognised by the generated identity. Concurrent creates retry;
 * the second one for a slug gets the conflict.
 *
 * @throws AppError as `authorize`; invalid with every problem; conflict for a taken slug, and for limits
 */
export async function create(context: Context, input: CreateInput): Promise<WriteResult<ClusterResponse>> {
  const generated: GeneratedIds = { identity: context.ids.identity(), nodePools: [] };
  const result = await runWrite(context, (deadline) => attempt(context, input, generated, deadline));
  if (result.kind === "representation") context.responseMetadata.cluster = result.body.identity;
  return result;
}

/** Valid request to create a cluster, and the state that decides about it. */
interface LoadedCreate {
  kind: "loaded";
  authorized: Authorized;
  environment: Environment;
  settings: ValidatedCreate;
  slug: string;
  slugState: SlugState;
  dryRun: boolean;
}

/** Authorizes and validates a request in one round trip. @returns the stored response instead, if there is one */
async function loadCreate(
  context: Context,
  { organisation, environment, options, body }: CreateInput,
): Promise<LoadedCreate | Representation<ClusterResponse>> {
  const slug = slugIn(body.value?.name);
  const upstreamIdentity = body.value?.upstreamClusterIdentity;
  const authorized = await authorize<SlugContext | undefined, ClusterResponse>(context, {
    path: { organisation, environment },
    role: writerRole(options),
    keys: () => [
      ...(slug === undefined ? [] : [clusterKey(organisation, environment, slug)]),
      ...(upstreamIdentity === undefined ? [] : [pointerKey(upstreamIdentity)]),
    ],
    alongside: async () =>
      slug === undefined ? undefined : readSlugContext(context, { organisation, environment, slug }),
  });
  if (authorized.replay !== undefined) return authorized.replay;
  const upstream =
    upstreamIdentity === undefined ? undefined : await readUpstream(context, authorized, upstreamIdentity);
  const validation = validateCreate(body, authorized.references, context.provisioner, upstream);
  const { dryRun, problems: others } = readWriteOptions(context, options, body.unknown);
  const { validated: settings } = validation;
  const problems = [...others, ...manifestProblems(context, options), ...validation.problems];
  if (settings === undefined || problems.length > 0) throw invalid(problems);
  if (slug === undefined || authorized.environment === undefined) throw new Error("a name without problems has a slug");
  const owner = authorized.prefetched(clusterKey(organisation, environment, slug));
  const slugState = slugStateOf(owner, authorized.alongside);
  return { kind: "loaded", authorized, environment: authorized.environment, settings, slug, slugState, dryRun };
}

/** Reads the upstream cluster of a new cluster, if the caller can see it. One round trip. */
async function readUpstream(
  context: Context,
  authorized: Authorized,
  identity: string,
): Promise<UpstreamCluster | undefined> {
  const cluster = await readVisibleCluster(context, authorized, authorized.prefetched(pointerKey(identity)));
  return cluster && { environmentSlug: cluster.environment, identity, slug: cluster.slug, version: cluster.version };
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  input: CreateInput,
  generated: GeneratedIds,
  deadline: Deadline,
): Promise<WriteResult<ClusterResponse> | undefined> {
  const loaded = await loadCreate(context, input);
  if (loaded.kind === "representation") return loaded;
  const { authorized, settings, slugState } = loaded;
  const { owner } = slugState;
  // An earlier attempt succeeded, and its response was lost.
  if (owner?.identity === generated.identity) return representCluster(owner, authorized);
  const refusal = slugConflict(slugState, "name") ?? nodePoolLimit(settings);
  if (refusal !== undefined) throw refusal;
  const cluster = newCluster(settings, {
    identity: generated.identity,
    organisation: authorized.organisation.slug,
    environment: loaded.environment,
    slug: loaded.slug,
    owner,
    hostingPool: context.hostingPool,
    now: context.clock().toISOString(),
  });
  const response = representCluster(cluster, authorized);
  if (loaded.dryRun) {
    await requireRoom(context, cluster.organisation);
    const result: DryRun<ClusterResponse> = {
      kind: "dryRun",
      body: withoutGenerated(response.body),
      consequences: [],
    };
    return await withManifests(context, input.options, authorized, result, () => expectedState(cluster, settings));
  }
  generatePoolIds(context, generated, settings.nodePools.length);
  const pools = newNodePools(cluster, settings, generated.nodePools);
  const isWritten = await write(context, authorized, { cluster, pools, settings, slugState, response, deadline });
  return isWritten ? response : undefined;
}

/** Returns the cluster and its pools as they would be stored, with fixed identities in place of generated ones. */
function expectedState(created: Cluster, settings: ValidatedCreate) {
  const cluster = { ...created, identity: UNKNOWN_CLUSTER };
  const ids = settings.nodePools.map((_, position) => ({ id: position + 1, identity: unknownNodePool(position) }));
  return { cluster, nodePools: newNodePools(cluster, settings, ids), isStored: false };
}

/** Removes the properties that the server would generate, for a dry run. */
function withoutGenerated(cluster: ClusterResponse): Partial<ClusterResponse> {
  const { identity: _, createdAt: _created, modifiedAt: _modified, ...rest } = cluster;
  return rest;
}

/** Checks the organisation's limit for a dry run, which sends no transaction. */
async function requireRoom(context: Context, organisation: string): Promise<void> {
  const key = totalKey(organisation);
  const item = (await context.table.get([key])).get(keyText(key));
  if (item !== undefined && totalEntity.read(item).clusters >= MAX_CLUSTERS) throw organisationFull();
}

const organisationFull = (): AppError => conflict("organisation.cluster_limit", ORGANISATION_FULL_MESSAGE);

const nodePoolLimit = ({ nodePools }: ValidatedCreate): AppError | undefined =>
  nodePools.length <= MAX_NODE_POOLS
    ? undefined
    : conflict(
        "cluster.node_pool_limit",
        `nodePools: ${nodePools.length} node pools are not allowed: a cluster can have at most ${MAX_NODE_POOLS}`,
      );

/** Returns the slug for a name, if there is one: the first read needs it before all of the request is validated. */
function slugIn(name: string | undefined): string | undefined {
  const slug = name !== undefined && name.length <= 63 ? slugOf(name) : "";
  return isSlug(slug) ? slug : undefined;
}

/** Generates the ids of node pools that the attempts before have not generated: each id once. */
function generatePoolIds(context: Context, generated: GeneratedIds, count: number): void {
  const ids = new Set(generated.nodePools.map(({ id }) => id));
  while (ids.size < count) ids.add(context.ids.number());
  // All pools get the same age, and then ascending ids preserve the order in the request.
  const ascending = [...ids].sort((one, other) => one - other);
  generated.nodePools = ascending.map((id, position) => ({
    id,
    identity: generated.nodePools[position]?.identity ?? context.ids.identity(),
  }));
}

interface CreateWrite {
  cluster: Cluster;
  pools: readonly NodePool[];
  settings: ValidatedCreate;
  slugState: SlugState;
  response: Representation<ClusterResponse>;
  deadline: Deadline;
}

/** Writes everything. @returns false if the data that was read is out of date */
async function write(context: Context, authorized: Authorized, given: CreateWrite): Promise<boolean> {
  const { cluster, pools, settings, slugState, response, deadline } = given;
  const { owner, chunk } = slugState;
  if (chunk === undefined) throw environmentNotFound(cluster.environment, cluster.organisation);
  const transaction = new Transaction();
  if (!(await reserveSlug(context, transaction, cluster, owner, chunk, deadline))) return false;
  for (const pool of pools) transaction.create("pool", nodePoolItem(pool));
  const { createdAt } = cluster;
  transaction.create("pointer", pointerItem(cluster, createdAt));
  const source = {
    clusterIdentity: cluster.identity,
    at: createdAt,
    requester: requesterOf(context, authorized.actor),
  };
  appendEvent(context, transaction, createdEvent(settings), source);
  applyCounters(transaction, undefined, cluster, {
    needsCredentials: clusterNeedsCredentials(context.provisioner, cluster),
  });
  storeResponse(context, transaction, authorized.actor, response);
  return handleFailures(await commit(context.table, transaction, deadline), cluster);
}

/** Maps failed conditions to errors. @returns true if everything is written, false to read again */
function handleFailures(failures: readonly Failure[], cluster: Cluster): boolean {
  if (failures.length === 0) return true;
  const failed = new Map(failures.map((failure) => [failure.label, failure]));
  if (failed.get("cluster")?.present?.identity === cluster.identity || failed.has(IDEMPOTENCY_LABEL)) return false;
  if (failed.has("environment")) throw environmentNotFound(cluster.environment, cluster.organisation);
  const account = failed.get("account");
  // It lost its last credentials after it was read: the next read refuses the request, or finds new ones.
  if (account?.present?.entity === usageEntity.name) return false;
  if (account !== undefined) throw referenceRemoved("cloudAccountIdentity", cluster.cloudAccountIdentity);
  if (failed.has("schedule")) {
    throw referenceRemoved("maintenanceScheduleIdentity", cluster.maintenanceScheduleIdentity ?? "");
  }
  if (failed.has("total")) throw organisationFull();
  if (SLUG_LABELS.some((label) => failed.has(label))) return false;
  throw new Error(`unexpected conditions failed: ${[...failed.keys()].join(", ")}`);
}

const referenceRemoved = (path: string, identity: string): AppError =>
  invalid([{ path, message: `"${identity}" is not allowed: it was removed while the cluster was being created` }]);
