/** Bringing a deleted cluster back. */

import { type Entered, enter } from "../access/enter.ts";
import { type Context, noteUnknown } from "../context.ts";
import { readWriteQuery } from "../dry-run.ts";
import { AppError, conflict, invalid, missing } from "../errors.ts";
import { keepAnswer, orKept } from "../idempotency.ts";
import { nodePoolItem } from "../node-pool/repository.ts";
import type { RawQuery } from "../query.ts";
import type { RawItem } from "../table/item.ts";
import { clusterKey, type Key, pointerKey, tombstoneKey, tombstonePrefix, totalKey } from "../table/keys.ts";
import { type Deadline, deadlineIn } from "../table/pause.ts";
import { commit, Transaction } from "../table/transact.ts";
import { check } from "../validation.ts";
import { changesBetween } from "./amendment.ts";
import { untilDone } from "./change.ts";
import { newConditions } from "./conditions.ts";
import { count } from "./counters.ts";
import type { Shown } from "./create.ts";
import { userEvent } from "./event.ts";
import { DELETION_SECONDS, occupy, type Place, readVicinity, requireFree, type Vicinity } from "./place.ts";
import { reconcileRequest } from "./reconcile-request.ts";
import { poolsOf } from "./removal.ts";
import { clusterTag, toClusterResponse } from "./repository.ts";
import { obstaclesOf } from "./return.ts";
import { type ClusterResponse, UndeleteCluster } from "./schema.ts";
import { type Cluster, clusterEntity, type Tombstone, tombstoneEntity } from "./stored.ts";
import { isDeleting } from "./transitions.ts";

/** At most this many tombstones of one slug are looked at; where there are more, the caller has to say which. */
const MAX_CANDIDATES = 100;

/** A request to bring a cluster back. */
export interface UndeleteInput {
  organisation: string;
  environment: string;
  cluster: string;
  query: RawQuery;
  /** The body, as JSON gave it; undefined where there was none. */
  body: unknown;
}

/** What is read beside the caller's own. */
interface Surroundings {
  vicinity: Vicinity;
  tombstones: RawItem[];
}

/** The request once its body was read, and what it drew, the same for all attempts. */
interface Wish {
  input: UndeleteInput;
  identity: string | undefined;
  checked: ReturnType<typeof check<typeof UndeleteCluster>>;
  writtenBy: string;
}

/**
 * Brings a cluster back that was deleted within 30 days: the same identity and settings, its pools as last asked for, built
 * anew. Two waits on the database, three where the bucket of the page index is full.
 *
 * @throws AppError as `enter`; missing where no such cluster was deleted and none is being deleted; invalid; conflict that
 *   names everything that is missing or taken, or the candidates where there are several
 */
export async function undelete(context: Context, input: UndeleteInput): Promise<Shown<ClusterResponse>> {
  // `null` equals leaving it out, as everywhere.
  const checked = check(UndeleteCluster, input.body ?? {});
  const wish: Wish = { input, checked, identity: checked.draft?.identity, writtenBy: context.draw.identity() };
  const done = await orKept(context, () =>
    untilDone(deadlineIn(context.patienceMs), (deadline) => attempt(context, wish, deadline)),
  );
  return done as Shown<ClusterResponse>;
}

/** Tries once. @returns undefined where somebody else was faster, and everything has to be read again */
async function attempt(context: Context, wish: Wish, deadline: Deadline): Promise<Shown<ClusterResponse> | undefined> {
  const { organisation, environment, cluster: slug } = wish.input;
  const at = () => clusterKey(organisation, environment, slug);
  const entered = await enter(context, {
    path: { organisation, environment, cluster: slug },
    right: "admin",
    keys: () => [at(), totalKey(organisation), ...namedKeys(wish)],
    beside: () => readSurroundings(context, wish),
  });
  if (entered.kept !== undefined) return entered.kept as Shown<ClusterResponse>;
  const item = entered.item(at());
  const holder = item === undefined ? undefined : clusterEntity.read(item);
  const show = (result: Cluster): Shown<ClusterResponse> => ({
    body: toClusterResponse(result, { ...entered, showCompute: false }),
    tag: clusterTag(result, entered.references),
  });
  // An attempt before this one did it, and its answer was lost.
  if (holder?.writtenBy === wish.writtenBy) return show(holder);

  const place: Place = {
    holder,
    displaced: entered.beside?.vicinity.displaced ?? [],
    chunk: entered.beside?.vicinity.chunk,
  };
  const candidates = candidatesOf(context, wish, entered);
  if (candidates.length === 0 && !isStillDeleting(place, wish.identity)) throw nothingDeleted(wish);
  const query = readWriteQuery(wish.input.query);
  const strict = noteUnknown(context, query.unknown, wish.checked.unknown);
  const problems = [...query.problems, ...strict, ...wish.checked.problems];
  if (problems.length > 0) throw invalid(problems);
  const tombstone = chosen(candidates, wish, entered);
  // Somebody brought it back between the two readings, of which one saw it gone and the other there.
  if (holder?.identity === tombstone.identity) return undefined;
  const obstacles = obstaclesOf(tombstone, holder, { ...entered, total: entered.item(totalKey(organisation)) });
  const [first, ...rest] = obstacles;
  if (first !== undefined) throw new AppError("conflict", "cluster.cannot_return", [first, ...rest]);
  requireFree(place, "slug");

  const cluster = broughtBack(context, tombstone, holder, wish.writtenBy);
  const answer = show(cluster);
  if (query.values.dryRun) return { body: { ...answer.body, ...{ consequences: [] } }, tag: "" };
  return (await write(context, entered, { tombstone, cluster, place, answer, deadline })) ? answer : undefined;
}

/** The tombstone itself, where the caller says which. */
const namedKeys = ({ identity, input: { organisation, environment, cluster } }: Wish): Key[] =>
  identity === undefined ? [] : [tombstoneKey(organisation, environment, cluster, identity)];

async function readSurroundings(context: Context, { identity, input }: Wish): Promise<Surroundings> {
  const { organisation, environment, cluster: slug } = input;
  const { pk } = clusterKey(organisation, environment, slug);
  const prefix = tombstonePrefix(environment, slug);
  const [vicinity, tombstones] = await Promise.all([
    readVicinity(context, { organisation, environment, slug }),
    identity === undefined ? context.table.query({ pk, prefix, limit: MAX_CANDIDATES }) : [],
  ]);
  return { vicinity, tombstones };
}

/** The tombstones that are meant and have not expired: DynamoDB removes what has expired late. */
function candidatesOf(context: Context, wish: Wish, entered: Entered<Surroundings>): (Tombstone & Key)[] {
  const items = [...(entered.beside?.tombstones ?? []), ...namedKeys(wish).map((key) => entered.item(key))];
  const now = context.clock().getTime() / 1_000;
  return items
    .flatMap((item) => (item === undefined ? [] : [tombstoneEntity.read(item)]))
    .filter(({ ttl }) => ttl > now);
}

function isStillDeleting({ holder, displaced }: Place, identity: string | undefined): boolean {
  const deleting = [...(holder !== undefined && isDeleting(holder) ? [holder.identity] : []), ...displaced];
  return identity === undefined ? deleting.length > 0 : deleting.includes(identity);
}

/** The one that is meant. @throws AppError conflict where it is not there yet, or there are several */
function chosen(candidates: readonly (Tombstone & Key)[], wish: Wish, entered: Entered<Surroundings>): Tombstone & Key {
  const { cluster: slug, environment } = wish.input;
  const [tombstone, ...others] = candidates;
  if (tombstone === undefined) {
    throw conflict(
      "cluster.still_deleting",
      `The cluster "${slug}" in environment "${environment}" is still being deleted; it can be brought back once it is gone.`,
      DELETION_SECONDS,
    );
  }
  if (others.length === 0 && (entered.beside?.tombstones.length ?? 0) < MAX_CANDIDATES) return tombstone;
  const newestFirst = candidates.toSorted((one, other) => (one.deletedAt < other.deletedAt ? 1 : -1));
  throw new AppError("conflict", "cluster.several_deleted", [
    `identity: is required, because several clusters "${slug}" in environment "${environment}" were deleted`,
    ...newestFirst.map(({ identity, deletedAt }) => `identity: ${identity} was deleted at ${deletedAt}`),
  ]);
}

const nothingDeleted = ({ identity, input: { cluster, environment } }: Wish): AppError =>
  missing(
    "cluster.not_deleted",
    `No cluster "${cluster}"${identity === undefined ? "" : ` of the identity ${identity}`} was deleted in environment "${environment}" within the last 30 days.`,
  );

/** The cluster as it was asked for, to be built from the beginning. */
function broughtBack(
  context: Context,
  tombstone: Tombstone & Key,
  holder: Cluster | undefined,
  writtenBy: string,
): Cluster {
  // No control plane runs: it will be built with the version that was asked for last.
  const {
    nodePools: _,
    deletedAt: _deletedAt,
    ttl: _ttl,
    pk: _pk,
    sk: _sk,
    rollbackVersion: _back,
    runningVersion: _running,
    plannedVersion: _planned,
    ...kept
  } = tombstone;
  const now = context.clock().toISOString();
  const generation = tombstone.generation + 1;
  return {
    ...kept,
    status: "new",
    desiredStatus: "starting",
    provisionStatus: "ACCEPTED",
    furthestPhase: "ACCEPTED",
    conditions: newConditions(now, generation),
    generation,
    // Above those of both that had the slug, so that no entity tag of one is ever another's.
    revision: Math.max(tombstone.revision, holder?.revision ?? 0) + 1,
    modifiedAt: now,
    writtenBy,
  };
}

interface Writing {
  tombstone: Tombstone & Key;
  cluster: Cluster;
  place: Place;
  answer: Shown<ClusterResponse>;
  deadline: Deadline;
}

/** Writes it all. @returns false where what was read is out of date: reading again tells what to answer */
async function write(context: Context, entered: Entered<unknown>, given: Writing): Promise<boolean> {
  const { tombstone, cluster, place, answer, deadline } = given;
  const { identity, modifiedAt: now } = cluster;
  if (place.chunk === undefined) return false;
  const transaction = new Transaction();
  if (!(await occupy(context, transaction, cluster, place.holder, place.chunk, deadline))) return false;
  for (const pool of poolsOf(tombstone)) {
    const revision = pool.revision + 1;
    const again = { provisionStatus: "ACCEPTED", runningVersion: undefined, modifiedAt: now, revision } as const;
    transaction.create("pool", nodePoolItem({ ...pool, ...again }));
  }
  const request = reconcileRequest(identity, now);
  transaction
    .delete("tombstone", tombstone, {
      condition: "#deletedAt = :deletedAt AND #revision = :revision",
      values: { ":deletedAt": tombstone.deletedAt, ":revision": tombstone.revision },
    })
    .update(
      "pointer",
      pointerKey(identity),
      `SET #path = :path, #attempts = :none, ${request.set} REMOVE #ttl, #lastError, #observation ADD ${request.add}`,
      {
        condition: "attribute_exists(#pk)",
        values: {
          ...request.values,
          ":path": clusterKey(cluster.organisation, cluster.environment, cluster.slug).sk,
          ":none": 0,
        },
      },
    )
    .create(
      "event",
      userEvent(context, entered.actor, identity, "cluster.undeleted", now, changesBetween(tombstone, cluster)),
    );
  count(transaction, undefined, cluster);
  keepAnswer(context, transaction, entered.actor, answer);
  return (await commit(context.table, transaction, deadline)).length === 0;
}
