/** Restores a deleted cluster. */

import { type Authorized, authorize } from "../../access/authorize.ts";
import { type Context, reportUnknown } from "../../context.ts";
import { nodePoolItem } from "../../node-pool/items.ts";
import { parseWriteQuery } from "../../request/dry-run.ts";
import { storeResponse, withReplay } from "../../request/idempotency.ts";
import type { RawQuery } from "../../request/query.ts";
import { AppError, conflict, invalid, notFound } from "../../shared/errors.ts";
import { type Deadline, deadlineIn } from "../../shared/retry.ts";
import { validate } from "../../shared/validation.ts";
import type { RawItem } from "../../table/entity.ts";
import { clusterKey, type Key, tombstoneKey, tombstonePrefix, totalKey } from "../../table/keys.ts";
import { commit, Transaction } from "../../table/transaction.ts";
import { type Cluster, clusterEntity, type Tombstone, tombstoneEntity } from "../entity.ts";
import { initialConditions } from "../rules/conditions.ts";
import { restoreBlockers } from "../rules/restore.ts";
import { isDeleting } from "../rules/transitions.ts";
import { diffClusters } from "../rules/update.ts";
import { type ClusterResponse, UndeleteCluster } from "../schema.ts";
import { applyCounters } from "../store/counters.ts";
import { buildUserEvent } from "../store/event-log.ts";
import { clusterEtag, toClusterResponse } from "../store/items.ts";
import { retryOnConflict } from "../store/mutation.ts";
import { markRestored } from "../store/pointer.ts";
import {
  DELETION_SECONDS,
  readSlugContext,
  requireAvailable,
  reserveSlug,
  type SlugContext,
  type SlugState,
} from "../store/slug-reservation.ts";
import { poolsOf } from "../store/tombstone.ts";
import type { Representation } from "./create.ts";

/** Maximum number of tombstones read for one slug; if there are more, the caller must send an identity. */
const MAX_CANDIDATES = 100;

/** Request to restore a cluster. */
export interface UndeleteInput {
  organisation: string;
  environment: string;
  cluster: string;
  query: RawQuery;
  /** Parsed JSON body; undefined if there was none. */
  body: unknown;
}

/** Data that is read in parallel with the authorization. */
interface UndeleteReads {
  vicinity: SlugContext;
  tombstones: RawItem[];
}

/** Parsed request, with its generated id, the same for all attempts. */
interface UndeleteRequest {
  input: UndeleteInput;
  identity: string | undefined;
  checked: ReturnType<typeof validate<typeof UndeleteCluster>>;
  writtenBy: string;
}

/**
 * Restores a cluster that was deleted within 30 days: it keeps its identity, its settings and its pools as last requested, and is
 * provisioned again. Two database round trips, three if the bucket of the page index is full.
 *
 * @throws AppError as `enter`; not found if no such cluster was deleted and none is being deleted; invalid; conflict that lists
 *   everything that is missing or taken, or the candidates if there are several
 */
export async function undelete(context: Context, input: UndeleteInput): Promise<Representation<ClusterResponse>> {
  // `null` counts as absent, as in every body.
  const checked = validate(UndeleteCluster, input.body ?? {});
  const wish: UndeleteRequest = {
    input,
    checked,
    identity: checked.draft?.identity,
    writtenBy: context.ids.identity(),
  };
  const done = await withReplay(context, () =>
    retryOnConflict(deadlineIn(context.writeTimeoutMs), (deadline) => attempt(context, wish, deadline)),
  );
  return done as Representation<ClusterResponse>;
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  wish: UndeleteRequest,
  deadline: Deadline,
): Promise<Representation<ClusterResponse> | undefined> {
  const { organisation, environment, cluster: slug } = wish.input;
  const at = () => clusterKey(organisation, environment, slug);
  const authorized = await authorize(context, {
    path: { organisation, environment, cluster: slug },
    role: "admin",
    keys: () => [at(), totalKey(organisation), ...namedKeys(wish)],
    alongside: () => readUndelete(context, wish),
  });
  if (authorized.replay !== undefined) return authorized.replay as Representation<ClusterResponse>;
  const item = authorized.prefetched(at());
  const owner = item === undefined ? undefined : clusterEntity.read(item);
  const show = (result: Cluster): Representation<ClusterResponse> => ({
    body: toClusterResponse(result, { ...authorized, showCompute: false }),
    etag: clusterEtag(result, authorized.references),
  });
  // An earlier attempt succeeded, and its response was lost.
  if (owner?.writtenBy === wish.writtenBy) return show(owner);

  const place: SlugState = {
    owner,
    superseded: authorized.alongside?.vicinity.superseded ?? [],
    chunk: authorized.alongside?.vicinity.chunk,
  };
  const candidates = candidatesOf(context, wish, authorized);
  if (candidates.length === 0 && !isStillDeleting(place, wish.identity)) throw nothingDeleted(wish);
  const query = parseWriteQuery(wish.input.query);
  const strict = reportUnknown(context, query.unknown, wish.checked.unknown);
  const problems = [...query.problems, ...strict, ...wish.checked.problems];
  if (problems.length > 0) throw invalid(problems);
  const tombstone = selectTombstone(candidates, wish, authorized);
  // A concurrent request restored it between the two reads.
  if (owner?.identity === tombstone.identity) return undefined;
  const obstacles = restoreBlockers(tombstone, owner, {
    ...authorized,
    total: authorized.prefetched(totalKey(organisation)),
  });
  const [first, ...rest] = obstacles;
  if (first !== undefined) throw new AppError("conflict", "cluster.cannot_return", [first, ...rest]);
  requireAvailable(place, "slug");

  const cluster = restoredCluster(context, tombstone, owner, wish.writtenBy);
  const answer = show(cluster);
  if (query.values.dryRun) return { body: { ...answer.body, ...{ consequences: [] } }, etag: "" };
  return (await write(context, authorized, { tombstone, cluster, place, answer, deadline })) ? answer : undefined;
}

/** Returns the key of the tombstone if the request contains an identity. */
const namedKeys = ({ identity, input: { organisation, environment, cluster } }: UndeleteRequest): Key[] =>
  identity === undefined ? [] : [tombstoneKey(organisation, environment, cluster, identity)];

async function readUndelete(context: Context, { identity, input }: UndeleteRequest): Promise<UndeleteReads> {
  const { organisation, environment, cluster: slug } = input;
  const { pk } = clusterKey(organisation, environment, slug);
  const prefix = tombstonePrefix(environment, slug);
  const [vicinity, tombstones] = await Promise.all([
    readSlugContext(context, { organisation, environment, slug }),
    identity === undefined ? context.table.query({ pk, prefix, limit: MAX_CANDIDATES }) : [],
  ]);
  return { vicinity, tombstones };
}

/** Returns the matching tombstones that have not expired: DynamoDB removes expired items late. */
function candidatesOf(
  context: Context,
  wish: UndeleteRequest,
  authorized: Authorized<UndeleteReads>,
): (Tombstone & Key)[] {
  const items = [
    ...(authorized.alongside?.tombstones ?? []),
    ...namedKeys(wish).map((key) => authorized.prefetched(key)),
  ];
  const now = context.clock().getTime() / 1_000;
  return items
    .flatMap((item) => (item === undefined ? [] : [tombstoneEntity.read(item)]))
    .filter(({ ttl }) => ttl > now);
}

function isStillDeleting({ owner, superseded }: SlugState, identity: string | undefined): boolean {
  const deleting = [...(owner !== undefined && isDeleting(owner) ? [owner.identity] : []), ...superseded];
  return identity === undefined ? deleting.length > 0 : deleting.includes(identity);
}

/** Returns the requested tombstone. @throws AppError conflict if it does not exist yet, or there are several */
function selectTombstone(
  candidates: readonly (Tombstone & Key)[],
  wish: UndeleteRequest,
  authorized: Authorized<UndeleteReads>,
): Tombstone & Key {
  const { cluster: slug, environment } = wish.input;
  const [tombstone, ...others] = candidates;
  if (tombstone === undefined) {
    throw conflict(
      "cluster.still_deleting",
      `The cluster "${slug}" in environment "${environment}" is still being deleted; try again when it is deleted.`,
      DELETION_SECONDS,
    );
  }
  if (others.length === 0 && (authorized.alongside?.tombstones.length ?? 0) < MAX_CANDIDATES) return tombstone;
  const newestFirst = candidates.toSorted((one, other) => (one.deletedAt < other.deletedAt ? 1 : -1));
  throw new AppError("conflict", "cluster.several_deleted", [
    `identity: is required, because several clusters "${slug}" were deleted in environment "${environment}"`,
    ...newestFirst.map(({ identity, deletedAt }) => `identity: ${identity} was deleted at ${deletedAt}`),
  ]);
}

const nothingDeleted = ({ identity, input: { cluster, environment } }: UndeleteRequest): AppError =>
  notFound(
    "cluster.not_deleted",
    `No cluster "${cluster}"${identity === undefined ? "" : ` with identity ${identity}`} was deleted in environment "${environment}" within the last 30 days.`,
  );

/** Builds the cluster as last requested, to be provisioned from the beginning. */
function restoredCluster(
  context: Context,
  tombstone: Tombstone & Key,
  holder: Cluster | undefined,
  writtenBy: string,
): Cluster {
  // No control plane runs: it will be provisioned with the last requested version.
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
    conditions: initialConditions(now, generation),
    generation,
    // Above the revisions of both clusters that had the slug, so that no two have the same entity tag.
    revision: Math.max(tombstone.revision, holder?.revision ?? 0) + 1,
    modifiedAt: now,
    writtenBy,
  };
}

interface UndeleteWrite {
  tombstone: Tombstone & Key;
  cluster: Cluster;
  place: SlugState;
  answer: Representation<ClusterResponse>;
  deadline: Deadline;
}

/** Writes everything. @returns false if the data that was read is out of date: the next read determines the response */
async function write(context: Context, authorized: Authorized<unknown>, given: UndeleteWrite): Promise<boolean> {
  const { tombstone, cluster, place, answer, deadline } = given;
  const { identity, modifiedAt: now } = cluster;
  if (place.chunk === undefined) return false;
  const transaction = new Transaction();
  if (!(await reserveSlug(context, transaction, cluster, place.owner, place.chunk, deadline))) return false;
  for (const pool of poolsOf(tombstone)) {
    const revision = pool.revision + 1;
    const again = { provisionStatus: "ACCEPTED", runningVersion: undefined, modifiedAt: now, revision } as const;
    transaction.create("pool", nodePoolItem({ ...pool, ...again }));
  }
  markRestored(transaction, cluster, now);
  transaction
    .delete("tombstone", tombstone, {
      condition: "#deletedAt = :deletedAt AND #revision = :revision",
      values: { ":deletedAt": tombstone.deletedAt, ":revision": tombstone.revision },
    })
    .create(
      "event",
      buildUserEvent(context, authorized.actor, identity, "cluster.undeleted", now, diffClusters(tombstone, cluster)),
    );
  applyCounters(transaction, undefined, cluster);
  storeResponse(context, transaction, authorized.actor, answer);
  return (await commit(context.table, transaction, deadline)).length === 0;
}
