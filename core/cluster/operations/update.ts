/** Changes a cluster, and moves it, which a change can do too. */

import { type Authorized, authorize, roleInsufficient } from "../../access/authorize.ts";
import { type Context, reportUnknown, type WriteOptions } from "../../context.ts";
import { type Chunk, readChunkOf } from "../../listing/page-index.ts";
import { nodePoolsOf, putNodePools } from "../../node-pool/items.ts";
import { isLive } from "../../node-pool/rules.ts";
import { storeResponse, storeResponseOnly } from "../../request/idempotency.ts";
import { type Precondition, requireRevision } from "../../request/preconditions.ts";
import { invalid, type Problem } from "../../shared/errors.ts";
import { type Deadline, deadlineIn } from "../../shared/retry.ts";
import { isOrganisationSlug, isSlug } from "../../shared/slug.ts";
import { formatValue, type Parsed } from "../../shared/validation.ts";
import { clusterKey, environmentKey, type Key } from "../../table/keys.ts";
import { type Environment, environmentEntity } from "../../tenancy/environment.ts";
import type { References } from "../../tenancy/references-entity.ts";
import { type RequiredRole, roleIn, satisfies } from "../../tenancy/role.ts";
import { type Cluster, clusterEntity } from "../entity.ts";
import { acceptChange, affectsNodePools, reopenNodePools } from "../rules/accept-change.ts";
import { consequencesOf } from "../rules/consequences.ts";
import { isDeleting } from "../rules/transitions.ts";
import {
  applyUpdate,
  diffClusters,
  invalidState,
  type ParsedUpdate,
  requireReachable,
  updateProblems,
} from "../rules/update.ts";
import type { ClusterResponse } from "../schema.ts";
import { clusterEtag, toClusterResponse } from "../store/items.ts";
import { commitMutation, type MovePlan, retryOnConflict } from "../store/mutation.ts";
import { readSlugContext, requireAvailable, type SlugContext, type SlugState } from "../store/slug-reservation.ts";
import type { Representation } from "./create.ts";
import { clusterNotFound } from "./get.ts";

/** Request to change a cluster. */
export interface UpdateInput {
  organisation: string;
  environment: string;
  cluster: string;
  options: Parsed<WriteOptions>;
  body: ParsedUpdate;
  /** Revisions of which the write requires one. */
  precondition?: Precondition;
}

/** Data about the destination of a move. */
interface Target {
  environment: string;
  vicinity: SlugContext | undefined;
  left: Chunk | undefined;
}

/**
 * Changes a cluster: the whole request, or nothing. Two database round trips, three if the change makes node pools
 * unfinished. A request that changes nothing writes nothing.
 *
 * @throws AppError as `enter`; forbidden for changes that only an admin may make; not found; invalid; preconditionFailed;
 *   conflict
 */
export async function update(context: Context, input: UpdateInput): Promise<Representation<ClusterResponse>> {
  const { problems, unknown, value: request, target } = input.body;
  const writtenBy = context.ids.identity();
  const done = await retryOnConflict(deadlineIn(context.writeTimeoutMs), (deadline) =>
    attemptUpdate(context, deadline, {
      path: { organisation: input.organisation, environment: input.environment, cluster: input.cluster },
      options: input.options,
      target,
      targetPath: "environmentSlug",
      right: requiredRole(input),
      writtenBy,
      unknown,
      judge: (cluster, references) => [...problems, ...updateProblems(cluster, request, references)],
      amend: (cluster) => applyUpdate(cluster, request),
      precondition: input.precondition,
    }),
  );
  return done as Representation<ClusterResponse>;
}

/** Returns the required role. It depends on the body, even if the body changes nothing. */
function requiredRole({ body: { target, value }, environment }: UpdateInput): RequiredRole {
  const isAdmins = value.input.status === "deleting" || (target !== undefined && target !== environment);
  return isAdmins ? "admin" : "developer";
}

/** Request of one change, with its rules. */
export interface ChangeRequest {
  path: { organisation: string; environment: string; cluster: string };
  options: Parsed<WriteOptions>;
  /** Environment in the request, if it contains one. */
  target: string | undefined;
  /** Path of that property. */
  targetPath: string;
  right: RequiredRole;
  /** Id of this change, the same for all its attempts. */
  writtenBy: string;
  /** Unknown properties of the body. */
  unknown: readonly string[];
  /** Finds the problems of the request. */
  judge: (cluster: Cluster, references: References) => readonly Problem[];
  /** Builds the changed cluster for a request without problems. @throws AppError conflict */
  amend: (cluster: Cluster) => Cluster;
  precondition: Precondition | undefined;
  /** Builds the response, if it is not the cluster. */
  answer?: (result: Cluster, show: (result: Cluster) => Representation<ClusterResponse>) => Representation<object>;
}

/** Makes one attempt of a change. @returns undefined after a concurrent change */
export async function attemptUpdate(
  context: Context,
  deadline: Deadline,
  request: ChangeRequest,
): Promise<Representation<object> | undefined> {
  const { path } = request;
  const target = request.target === path.environment ? undefined : request.target;
  const at = () => clusterKey(path.organisation, path.environment, path.cluster);
  const authorized = await authorize(context, {
    path,
    role: request.right,
    keys: () => [at(), ...targetKeys(path, target)],
    alongside: async () => readTarget(context, path, target),
  });
  const targetEnvironment = target === undefined ? undefined : authorizeTarget(authorized, path.organisation, target);
  if (authorized.replay !== undefined) return authorized.replay as Representation<ClusterResponse>;
  const item = authorized.prefetched(at());
  const moved =
    targetEnvironment && authorized.prefetched(clusterKey(path.organisation, targetEnvironment.slug, path.cluster));
  const show = (result: Cluster): Representation<ClusterResponse> => ({
    body: toClusterResponse(result, { ...authorized, showCompute: false }),
    etag: clusterEtag(result, authorized.references),
  });
  const answer = request.answer ?? show;
  for (const each of [item, moved]) {
    // An earlier attempt succeeded, and its response was lost.
    if (each?.writtenBy === request.writtenBy) return answer(clusterEntity.read(each), show);
  }
  if (item === undefined) throw clusterNotFound(path.cluster, path.environment);
  const cluster = clusterEntity.read(item);

  const { options } = request;
  const strict = reportUnknown(context, options.unknown, request.unknown);
  const problems = [...options.problems, ...strict, ...request.judge(cluster, authorized.references)];
  if (target !== undefined && targetEnvironment === undefined) {
    problems.push({
      path: request.targetPath,
      message: `${formatValue(target)} is not allowed: must be an environment of the organisation`,
    });
  }
  if (problems.length > 0) throw invalid(problems);
  requireRevision(request.precondition, cluster.revision, clusterEtag(cluster, authorized.references));

  const amended = request.amend(cluster);
  const after =
    targetEnvironment === undefined
      ? amended
      : { ...amended, environment: targetEnvironment.slug, environmentIdentity: targetEnvironment.identity };
  const changes = diffClusters(cluster, after);
  if (changes.length === 0 && !options.value.dryRun) {
    const unchanged = answer(cluster, show);
    return (await storeResponseOnly(context, authorized.actor, unchanged, deadline)) ? unchanged : undefined;
  }

  const route = targetEnvironment === undefined ? undefined : planMove(authorized, after, targetEnvironment, request);
  requireReachable(cluster, after);
  const isDeletion = after.status === "deleting";
  const type = route !== undefined ? "cluster.moved" : isDeletion ? "cluster.deletion-requested" : "cluster.updated";
  const pools =
    options.value.dryRun || affectsNodePools(cluster, after) ? await nodePoolsOf(context.table, cluster.identity) : [];
  if (options.value.dryRun) {
    const consequences = consequencesOf(cluster, after, changes, pools.filter(isLive));
    const now = context.clock().toISOString();
    const wouldBe = changes.length === 0 ? after : acceptChange(cluster, after, false, now);
    return { body: { ...answer(wouldBe, show).body, consequences }, etag: "" };
  }
  const written = await commitMutation(
    context,
    authorized.actor,
    {
      before: cluster,
      after,
      type,
      mutationId: request.writtenBy,
      ...(route === undefined ? {} : { route }),
      extraWrites(transaction, result) {
        if (affectsNodePools(cluster, after)) putNodePools(transaction, reopenNodePools(pools));
        storeResponse(context, transaction, authorized.actor, answer(result, show));
      },
    },
    deadline,
  );
  return written === undefined ? undefined : answer(written, show);
}

function targetKeys(path: ChangeRequest["path"], target: string | undefined): Key[] {
  if (target === undefined || !isSlug(target)) return [];
  return [environmentKey(path.organisation, target), clusterKey(path.organisation, target, path.cluster)];
}

async function readTarget(
  context: Context,
  { organisation, environment, cluster: slug }: ChangeRequest["path"],
  target: string | undefined,
): Promise<Target | undefined> {
  if (target === undefined || !isSlug(target) || !isOrganisationSlug(organisation)) return undefined;
  const [vicinity, left] = await Promise.all([
    readSlugContext(context, { organisation, environment: target, slug }),
    readChunkOf(context.table, organisation, environment, slug),
  ]);
  return { environment: target, vicinity, left };
}

/** Finds the destination environment. @throws AppError forbidden if the caller is not an admin there too */
function authorizeTarget(
  authorized: Authorized<unknown>,
  organisation: string,
  target: string,
): Environment | undefined {
  const item = isSlug(target) ? authorized.prefetched(environmentKey(organisation, target)) : undefined;
  const environment = item && environmentEntity.read(item);
  if (environment === undefined || environment.deletedAt !== undefined) return undefined;
  if (!satisfies(roleIn(authorized.member, environment.identity), "admin"))
    throw roleInsufficient("admin", environment.slug);
  return environment;
}

/** Builds the route of a move. @throws AppError conflict if the cluster is deleting, or its slug is taken there */
function planMove(
  authorized: Authorized<Target | undefined>,
  after: Cluster,
  to: Environment,
  request: ChangeRequest,
): MovePlan | undefined {
  if (isDeleting(after)) {
    throw invalidState(after, `${request.targetPath}: a cluster that is being deleted cannot move`);
  }
  const holder = authorized.prefetched(clusterKey(after.organisation, to.slug, after.slug));
  const { vicinity, left } = authorized.alongside ?? {};
  const place: SlugState = {
    owner: holder === undefined ? undefined : clusterEntity.read(holder),
    superseded: vicinity?.superseded ?? [],
    chunk: vicinity?.chunk,
  };
  requireAvailable(place, request.targetPath);
  if (left === undefined) throw new Error(`${request.path.environment} has no page index`);
  return { from: left, to: place };
}
