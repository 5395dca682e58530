/** Changes a cluster by PATCH; runs the changes of other operations too. */

import { type Authorized, authorize, roleInsufficient } from "../../access/authorize.ts";
import type { Context } from "../../context.ts";
import { type Chunk, readChunkOf } from "../../listing/page-index.ts";
import { nodePoolsOf } from "../../node-pool/items.ts";
import { isLive } from "../../node-pool/rules.ts";
import { type Representation, storeResponseOnly } from "../../request/idempotency.ts";
import type { Precondition } from "../../request/preconditions.ts";
import type { RawQuery } from "../../request/query.ts";
import type { Deadline } from "../../shared/retry.ts";
import { isOrganisationSlug, isSlug } from "../../shared/slug.ts";
import { clusterKey, environmentKey, type Key } from "../../table/keys.ts";
import { type Environment, environmentEntity } from "../../tenancy/environment.ts";
import { type RequiredRole, roleIn, satisfies } from "../../tenancy/role.ts";
import { type Cluster, clusterEntity } from "../entity.ts";
import { acceptChange, affectsNodePools, reopenNodePools } from "../rules/accept-change.ts";
import { consequencesOf } from "../rules/consequences.ts";
import { type Destination, decideUpdate, type UpdateDecision, type UpdateState } from "../rules/decide-update.ts";
import { type ParsedUpdate, parseUpdate } from "../rules/update.ts";
import type { ClusterResponse } from "../schema.ts";
import { clusterEtag } from "../store/items.ts";
import { commitMutation, type MovePlan } from "../store/mutation.ts";
import { readSlugContext, type SlugContext, slugStateOf } from "../store/slug-reservation.ts";
import { type ClusterPath, clusterNotFound } from "./get.ts";
import { type DryRun, readWriteOptions, representCluster, runWrite, type WriteResult } from "./write-result.ts";

/** Request to change a cluster. */
export interface UpdateInput {
  organisation: string;
  environment: string;
  cluster: string;
  query: RawQuery;
  /** Parsed JSON body. */
  body: unknown;
  /** Precondition of `If-Match`. */
  precondition?: Precondition;
}

/** Change of one cluster as data, the same for PATCH, move and the Prometheus rules. */
export interface UpdateCommand {
  path: ClusterPath;
  query: RawQuery;
  /** Role that the caller needs in the environment of the path. */
  role: RequiredRole;
  update: ParsedUpdate;
  /** Environment in the request, and the path of that property; undefined if the request names none. */
  target: { environment: string; property: string } | undefined;
  precondition: Precondition | undefined;
}

/**
 * Changes a cluster: the whole request, or nothing. Two database round trips, three if the change makes node pools
 * unfinished. A request that changes nothing writes nothing.
 *
 * @throws AppError as `authorize`; forbidden for changes that only an admin may make; not found; invalid; preconditionFailed;
 *   conflict
 */
export async function update(context: Context, input: UpdateInput): Promise<WriteResult<ClusterResponse>> {
  const { organisation, environment, cluster, query, body, precondition } = input;
  const target = stringProperty(body, "environmentSlug");
  return await runUpdate(context, {
    path: { organisation, environment, cluster },
    query,
    role: requiredRole(input),
    update: parseUpdate(body),
    target: target === undefined ? undefined : { environment: target, property: "environmentSlug" },
    precondition,
  });
}

/** Returns a string property of a body. The role and the keys to read depend on it before the body is validated. */
export function stringProperty(body: unknown, name: string): string | undefined {
  const value =
    typeof body === "object" && body !== null && Object.hasOwn(body, name)
      ? (body as Record<string, unknown>)[name]
      : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Returns the required role. It depends on the body, even if the body changes nothing. */
function requiredRole({ body, environment }: UpdateInput): RequiredRole {
  const target = stringProperty(body, "environmentSlug");
  const isAdmins = stringProperty(body, "status") === "deleting" || (target !== undefined && target !== environment);
  return isAdmins ? "admin" : "developer";
}

/** Runs a change. @throws AppError as `update` */
export async function runUpdate(context: Context, command: UpdateCommand): Promise<WriteResult<ClusterResponse>> {
  // One id for all attempts, so that an attempt recognises the write of an earlier one.
  const mutationId = context.ids.identity();
  return await runWrite(context, async (deadline) => {
    const loaded = await loadUpdate(context, command, mutationId);
    if (loaded.kind === "representation") return loaded;
    const { authorized, state } = loaded;
    const decision = decideUpdate(state);
    switch (decision.kind) {
      case "refuse":
        throw decision.error;
      case "unchanged": {
        const unchanged = representCluster(state.cluster, authorized);
        const isStored = await storeResponseOnly(context, authorized.actor, unchanged, deadline);
        return isStored ? unchanged : undefined;
      }
      case "dryRun":
        return await dryRun(context, loaded, decision);
      case "write":
        return await writeUpdate(context, loaded, decision, mutationId, deadline);
    }
  });
}

/** Data that is read about the destination of a move. */
interface DestinationReads {
  slug: SlugContext;
  /** Part of the page index that the cluster leaves. */
  left: Chunk | undefined;
}

/** State that decides about a change, as read. */
interface LoadedUpdate {
  kind: "loaded";
  authorized: Authorized;
  state: UpdateState;
  move: MovePlan | undefined;
}

/**
 * Authorizes a change and reads the state that decides about it, in one round trip.
 *
 * @returns the response instead, if it is stored or an earlier attempt made the change
 */
async function loadUpdate(
  context: Context,
  command: UpdateCommand,
  mutationId: string,
): Promise<LoadedUpdate | Representation<ClusterResponse>> {
  const { path, precondition, update } = command;
  const { organisation, environment, cluster: slug } = path;
  const target = command.target?.environment === environment ? undefined : command.target;
  const key = () => clusterKey(organisation, environment, slug);
  const authorized = await authorize<DestinationReads | undefined, ClusterResponse>(context, {
    path,
    role: command.role,
    keys: () => [key(), ...destinationKeys(path, target?.environment)],
    alongside: () => readDestination(context, path, target?.environment),
  });
  const to = target && authorizeDestination(authorized, organisation, target.environment);
  if (authorized.replay !== undefined) return authorized.replay;
  const item = authorized.prefetched(key());
  const itemThere = to && authorized.prefetched(clusterKey(organisation, to.slug, slug));
  for (const each of [item, itemThere]) {
    // An earlier attempt succeeded, and its response was lost.
    if (each?.writtenBy === mutationId) return representCluster(clusterEntity.read(each), authorized);
  }
  if (item === undefined) throw clusterNotFound(slug, environment);
  const cluster = clusterEntity.read(item);
  const slugState = slugStateOf(itemThere, authorized.alongside?.slug);
  const destination: Destination | undefined = target && {
    property: target.property,
    slug: target.environment,
    environment: to,
    owners: slugState,
  };
  const { references } = authorized;
  const options = readWriteOptions(context, command.query, update.unknown);
  const etag = clusterEtag(cluster, references);
  return {
    kind: "loaded",
    authorized,
    state: { ...options, cluster, etag, references, update, precondition, destination },
    move: to && { from: chunkOf(authorized.alongside?.left, environment), to: slugState },
  };
}

function chunkOf(chunk: Chunk | undefined, environment: string): Chunk {
  if (chunk === undefined) throw new Error(`${environment} has no page index`);
  return chunk;
}

/** Builds the result of a dry run. */
async function dryRun(
  context: Context,
  { authorized, state }: LoadedUpdate,
  { after, changes }: UpdateDecision & { kind: "dryRun" },
): Promise<DryRun<ClusterResponse>> {
  const { cluster } = state;
  const pools = await nodePoolsOf(context.table, cluster.identity);
  const now = context.clock().toISOString();
  const accepted = changes.length === 0 ? after : acceptChange(cluster, after, false, now);
  const { body } = representCluster(accepted, authorized);
  return { kind: "dryRun", body, consequences: consequencesOf(cluster, after, changes, pools.filter(isLive)) };
}

/** Writes a change. @returns undefined after a concurrent change */
async function writeUpdate(
  context: Context,
  { authorized, state, move }: LoadedUpdate,
  { after, event }: UpdateDecision & { kind: "write" },
  mutationId: string,
  deadline: Deadline,
): Promise<Representation<ClusterResponse> | undefined> {
  const { cluster: before } = state;
  const pools = affectsNodePools(before, after) ? await nodePoolsOf(context.table, before.identity) : [];
  const represent = (written: Cluster) => representCluster(written, authorized);
  const mutation = { before, after, event, mutationId, move, changedPools: reopenNodePools(pools), represent };
  return await commitMutation(context, authorized.actor, mutation, deadline);
}

function destinationKeys({ organisation, cluster }: ClusterPath, target: string | undefined): Key[] {
  if (target === undefined || !isSlug(target)) return [];
  return [environmentKey(organisation, target), clusterKey(organisation, target, cluster)];
}

async function readDestination(
  context: Context,
  { organisation, environment, cluster: slug }: ClusterPath,
  target: string | undefined,
): Promise<DestinationReads | undefined> {
  if (target === undefined || !isSlug(target) || !isOrganisationSlug(organisation)) return undefined;
  const [slugContext, left] = await Promise.all([
    readSlugContext(context, { organisation, environment: target, slug }),
    readChunkOf(context.table, organisation, environment, slug),
  ]);
  return { slug: slugContext, left };
}

/** Finds the destination environment. @throws AppError forbidden if the caller is not an admin there too */
function authorizeDestination(authorized: Authorized, organisation: string, target: string): Environment | undefined {
  const item = isSlug(target) ? authorized.prefetched(environmentKey(organisation, target)) : undefined;
  const environment = item && environmentEntity.read(item);
  if (environment === undefined || environment.deletedAt !== undefined) return undefined;
  if (!satisfies(roleIn(authorized.member, environment.identity), "admin"))
    throw roleInsufficient("admin", environment.slug);
  return environment;
}
