/** Changing a cluster by PATCH, and moving it, which a PATCH can do too. */

import { type Entered, enter, noRight } from "../access/enter.ts";
import { allows, type Right, roleIn } from "../access/role.ts";
import type { References } from "../cloud/schema.ts";
import { ifMatches, type Precondition } from "../conditional.ts";
import { type Context, noteUnknown } from "../context.ts";
import { readWriteQuery } from "../dry-run.ts";
import { type Environment, environmentEntity } from "../environment/schema.ts";
import { invalid, type Problem } from "../errors.ts";
import { keepAlone, keepAnswer } from "../idempotency.ts";
import { type Chunk, readChunkOf } from "../listing/page-index.ts";
import { nodePoolsOf, putNodePools } from "../node-pool/repository.ts";
import { isLive } from "../node-pool/rules.ts";
import type { RawQuery } from "../query.ts";
import { isOrganisationSlug, isSlug } from "../slug.ts";
import { clusterKey, environmentKey, type Key } from "../table/keys.ts";
import { type Deadline, deadlineIn } from "../table/pause.ts";
import { describe } from "../validation.ts";
import { accepted, affectsNodePools, reopened } from "./accepted.ts";
import { amend, amendmentProblems, changesBetween, readAmendment, requireReachable, wrongState } from "./amendment.ts";
import { type Route, untilDone, write } from "./change.ts";
import { consequencesOf } from "./consequences.ts";
import type { Shown } from "./create.ts";
import { noSuchCluster } from "./get.ts";
import { type Place, readVicinity, requireFree, type Vicinity } from "./place.ts";
import { clusterTag, toClusterResponse } from "./repository.ts";
import type { ClusterResponse } from "./schema.ts";
import { type Cluster, clusterEntity } from "./stored.ts";
import { isDeleting } from "./transitions.ts";

/** A request to change a cluster. */
export interface UpdateInput {
  organisation: string;
  environment: string;
  cluster: string;
  query: RawQuery;
  /** The body, as JSON gave it. */
  body: unknown;
  /** What `If-Match` holds the change to. */
  precondition?: Precondition;
}

/** What is read of the place a cluster is to move to. */
interface Target {
  environment: string;
  vicinity: Vicinity | undefined;
  left: Chunk | undefined;
}

/**
 * Changes a cluster: all of what the request holds, or nothing. Two round trips to the database, three where the change makes
 * node pools unfinished; a request that changes nothing writes nothing.
 *
 * @throws AppError as `enter`; forbidden for what only an admin may ask; missing; invalid; preconditionFailed; conflict
 */
export async function update(context: Context, input: UpdateInput): Promise<Shown<ClusterResponse>> {
  const { problems, unknown, wish } = readAmendment(input.body);
  const writtenBy = context.draw.identity();
  const done = await untilDone(deadlineIn(context.patienceMs), (deadline) =>
    change(context, deadline, {
      path: { organisation: input.organisation, environment: input.environment, cluster: input.cluster },
      query: input.query,
      target: textOf(input.body, "environmentSlug"),
      targetPath: "environmentSlug",
      right: rightFor(input),
      writtenBy,
      unknown,
      judge: (cluster, references) => [...problems, ...amendmentProblems(cluster, wish, references)],
      amend: (cluster) => amend(cluster, wish),
      precondition: input.precondition,
    }),
  );
  return done as Shown<ClusterResponse>;
}

/** A property of a body that is a text: what rights and places depend on is looked at before the body is judged. */
export function textOf(body: unknown, name: string): string | undefined {
  const value =
    typeof body === "object" && body !== null && Object.hasOwn(body, name)
      ? (body as Record<string, unknown>)[name]
      : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Rights follow what the body asks, also where it changes nothing. */
function rightFor({ body, environment }: UpdateInput): Right {
  const target = textOf(body, "environmentSlug");
  const isAdmins = textOf(body, "status") === "deleting" || (target !== undefined && target !== environment);
  return isAdmins ? "admin" : "developer";
}

/** Everything a change depends on. */
export interface ChangeRequest {
  path: { organisation: string; environment: string; cluster: string };
  query: RawQuery;
  /** The environment the cluster is to be in, where the request says so. */
  target: string | undefined;
  /** The property that says so. */
  targetPath: string;
  right: Right;
  /** What this change drew, once for all its attempts. */
  writtenBy: string;
  /** Properties of the body that nobody knows. */
  unknown: readonly string[];
  /** Finds what is wrong with the request. */
  judge: (cluster: Cluster, references: References) => readonly Problem[];
  /** Makes the cluster as it would be, once nothing is wrong with the request. @throws AppError conflict */
  amend: (cluster: Cluster) => Cluster;
  precondition: Precondition | undefined;
  /** What to answer, where it is not the cluster. */
  answer?: (result: Cluster, show: (result: Cluster) => Shown<ClusterResponse>) => Shown<object>;
}

/** Tries a change once. @returns undefined where somebody else was faster */
export async function change(
  context: Context,
  deadline: Deadline,
  request: ChangeRequest,
): Promise<Shown<object> | undefined> {
  const { path } = request;
  const target = request.target === path.environment ? undefined : request.target;
  const at = () => clusterKey(path.organisation, path.environment, path.cluster);
  const entered = await enter(context, {
    path,
    right: request.right,
    keys: () => [at(), ...targetKeys(path, target)],
    beside: async () => readTarget(context, path, target),
  });
  const targetEnvironment = target === undefined ? undefined : enterTarget(entered, path.organisation, target);
  if (entered.kept !== undefined) return entered.kept as Shown<ClusterResponse>;
  const item = entered.item(at());
  const moved = targetEnvironment && entered.item(clusterKey(path.organisation, targetEnvironment.slug, path.cluster));
  const show = (result: Cluster): Shown<ClusterResponse> => ({
    body: toClusterResponse(result, { ...entered, showCompute: false }),
    tag: clusterTag(result, entered.references),
  });
  const answer = request.answer ?? show;
  for (const each of [item, moved]) {
    // An attempt before this one did it, and its answer was lost.
    if (each?.writtenBy === request.writtenBy) return answer(clusterEntity.read(each), show);
  }
  if (item === undefined) throw noSuchCluster(path.cluster, path.environment);
  const cluster = clusterEntity.read(item);

  const query = readWriteQuery(request.query);
  const strict = noteUnknown(context, query.unknown, request.unknown);
  const problems = [...query.problems, ...strict, ...request.judge(cluster, entered.references)];
  if (target !== undefined && targetEnvironment === undefined) {
    problems.push({
      path: request.targetPath,
      text: `${describe(target)} is not allowed: must be an environment of the organisation`,
    });
  }
  if (problems.length > 0) throw invalid(problems);
  ifMatches(request.precondition, cluster.revision, clusterTag(cluster, entered.references));

  const amended = request.amend(cluster);
  const after =
    targetEnvironment === undefined
      ? amended
      : { ...amended, environment: targetEnvironment.slug, environmentIdentity: targetEnvironment.identity };
  const changes = changesBetween(cluster, after);
  if (changes.length === 0 && !query.values.dryRun) {
    const unchanged = answer(cluster, show);
    return (await keepAlone(context, entered.actor, unchanged, deadline)) ? unchanged : undefined;
  }

  const route = targetEnvironment === undefined ? undefined : routeOf(entered, after, targetEnvironment, request);
  requireReachable(cluster, after);
  const isDeletion = after.status === "deleting";
  const type = route !== undefined ? "cluster.moved" : isDeletion ? "cluster.deletion-requested" : "cluster.updated";
  const pools =
    query.values.dryRun || affectsNodePools(cluster, after) ? await nodePoolsOf(context.table, cluster.identity) : [];
  if (query.values.dryRun) {
    const consequences = consequencesOf(cluster, after, changes, pools.filter(isLive));
    const now = context.clock().toISOString();
    const wouldBe = changes.length === 0 ? after : accepted(cluster, after, false, now);
    return { body: { ...answer(wouldBe, show).body, consequences }, tag: "" };
  }
  const written = await write(
    context,
    entered.actor,
    {
      before: cluster,
      after,
      type,
      writtenBy: request.writtenBy,
      ...(route === undefined ? {} : { route }),
      also(transaction, result) {
        if (affectsNodePools(cluster, after)) putNodePools(transaction, reopened(pools));
        keepAnswer(context, transaction, entered.actor, answer(result, show));
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
    readVicinity(context, { organisation, environment: target, slug }),
    readChunkOf(context.table, organisation, environment, slug),
  ]);
  return { environment: target, vicinity, left };
}

/** Finds the environment to move to. @throws AppError forbidden where the caller is not an admin there too */
function enterTarget(entered: Entered<unknown>, organisation: string, target: string): Environment | undefined {
  const item = isSlug(target) ? entered.item(environmentKey(organisation, target)) : undefined;
  const environment = item && environmentEntity.read(item);
  if (environment === undefined || environment.deletedAt !== undefined) return undefined;
  if (!allows(roleIn(entered.member, environment.identity), "admin")) throw noRight("admin", environment.slug);
  return environment;
}

/** The way of a moving cluster. @throws AppError conflict where it is deleting, or its slug is not free there */
function routeOf(
  entered: Entered<Target | undefined>,
  after: Cluster,
  to: Environment,
  request: ChangeRequest,
): Route | undefined {
  if (isDeleting(after)) {
    throw wrongState(after, `${request.targetPath}: a cluster that is being deleted cannot move`);
  }
  const holder = entered.item(clusterKey(after.organisation, to.slug, after.slug));
  const { vicinity, left } = entered.beside ?? {};
  const place: Place = {
    holder: holder === undefined ? undefined : clusterEntity.read(holder),
    displaced: vicinity?.displaced ?? [],
    chunk: vicinity?.chunk,
  };
  requireFree(place, request.targetPath);
  if (left === undefined) throw new Error(`${request.path.environment} has no page index`);
  return { from: left, to: place };
}
