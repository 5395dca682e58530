/** Changes a cluster, and runs the changes of other operations too. */

import { type Authorized, authorize, roleInsufficient } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { type Chunk, readChunkOf, requireChunk } from "../../listing/page-index.ts";
import { nodePoolsOf } from "../../node-pool/items.ts";
import { isLive } from "../../node-pool/rules.ts";
import { type Representation, storeResponseOnly } from "../../request/idempotency.ts";
import type { Precondition } from "../../request/preconditions.ts";
import { type DryRun, readWriteOptions, runWrite, type WriteResult } from "../../request/write.ts";
import type { Deadline } from "../../shared/retry.ts";
import { isOrganisationSlug, isSlug } from "../../shared/slug.ts";
import type { Parsed } from "../../shared/validation.ts";
import { clusterKey, environmentKey, type Key } from "../../table/keys.ts";
import { type Environment, environmentEntity } from "../../tenancy/environment.ts";
import { type RequiredRole, roleIn, satisfies } from "../../tenancy/role.ts";
import { type Cluster, clusterEntity } from "../entity.ts";
import { acceptChange, affectsNodePools, reopenNodePools } from "../rules/accept-change.ts";
import { consequencesOf } from "../rules/consequences.ts";
import { type Destination, decideUpdate, type UpdateDecision, type UpdateState } from "../rules/decide-update.ts";
import type { ParsedUpdate } from "../rules/update.ts";
import type { ClusterResponse } from "../schema.ts";
import { clusterEtag } from "../store/items.ts";
import { commitMutation, type MovePlan } from "../store/mutation.ts";
import { readSlugContext, type SlugContext, slugStateOf } from "../store/slug-reservation.ts";
import { type ClusterPath, clusterNotFound } from "./get.ts";
import { manifestProblems, withManifests, writerRole } from "./manifests.ts";
import { representCluster } from "./represent-cluster.ts";

/** Request to change a cluster. */
interface UpdateInput {
  organisation: string;
  environment: string;
  cluster: string;
  options: Parsed<WriteOptions>;
  body: ParsedUpdate;
  /** Revisions of which the write requires one. */
  precondition?: Precondition;
}

/** Change of one cluster as data, the same for updates, moves and the Prometheus rules. */
interface UpdateCommand {
  path: ClusterPath;
  options: Parsed<WriteOptions>;
  /** Role that the caller needs in the environment of the path. */
  role: RequiredRole;
  update: ParsedUpdate;
  /** Path of the property that names the environment to move to. */
  targetProperty: string;
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
  const { organisation, environment, cluster, options, body, precondition } = input;
  return await runUpdate(context, {
    path: { organisation, environment, cluster },
    options,
    role: requiredRole(input),
    update: body,
    targetProperty: "environmentSlug",
    precondition,
  });
}

/** Returns the required role. It depends on the body, even if the body changes nothing. */
function requiredRole({ body: { target, value }, environment, options }: UpdateInput): RequiredRole {
  const isAdmins = value.input.status === "deleting" || (target !== undefined && target !== environment);
  return isAdmins ? "admin" : writerRole(options);
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
        return await dryRun(context, command, loaded, decision);
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
  const target = update.target === environment ? undefined : update.target;
  const key = () => clusterKey(organisation, environment, slug);
  const authorized = await authorize<DestinationReads | undefined, ClusterResponse>(context, {
    path,
    role: command.role,
    keys: () => [key(), ...destinationKeys(path, target)],
    alongside: () => readDestination(context, path, target),
  });
  const to = target === undefined ? undefined : authorizeDestination(authorized, organisation, target);
  if (authorized.replay !== undefined) return authorized.replay;
  const item = authorized.prefetched(key());
  const itemThere = to && authorized.prefetched(clusterKey(organisation, to.slug, slug));
  const cluster = item && clusterEntity.read(item);
  for (const each of [cluster, itemThere && clusterEntity.read(itemThere)]) {
    // An earlier attempt succeeded, and its response was lost.
    if (each?.writtenBy === mutationId) return representCluster(each, authorized);
  }
  if (cluster === undefined) throw clusterNotFound(slug, environment);
  const slugState = slugStateOf(itemThere, authorized.alongside?.slug);
  const destination: Destination | undefined =
    target === undefined
      ? undefined
      : { property: command.targetProperty, slug: target, environment: to, owners: slugState };
  const { references } = authorized;
  const { dryRun, problems } = readWriteOptions(context, command.options, update.unknown);
  const etag = clusterEtag(cluster, references);
  return {
    kind: "loaded",
    authorized,
    state: {
      dryRun,
      problems: [...problems, ...manifestProblems(context, command.options)],
      cluster,
      etag,
      references,
      provisioner: context.provisioner,
      update,
      precondition,
      destination,
    },
    move: to && { from: requireChunk(authorized.alongside?.left, environment), to: slugState },
  };
}

/** Builds the result of a dry run. */
async function dryRun(
  context: Context,
  { options }: UpdateCommand,
  { authorized, state }: LoadedUpdate,
  { after, changes }: UpdateDecision & { kind: "dryRun" },
): Promise<DryRun<ClusterResponse>> {
  const { cluster } = state;
  const pools = await nodePoolsOf(context.table, cluster.identity);
  const now = context.clock().toISOString();
  const accepted = changes.length === 0 ? after : acceptChange(cluster, after, false, now);
  const { body } = representCluster(accepted, authorized);
  const consequences = consequencesOf(cluster, after, changes, pools.filter(isLive), context.provisioner);
  const expected = { cluster: accepted, nodePools: pools, isStored: true };
  return await withManifests(context, options, authorized, { kind: "dryRun", body, consequences }, () => expected);
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
