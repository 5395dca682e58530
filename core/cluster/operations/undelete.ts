/** Restores a deleted cluster. */

import { type Authorized, authorize } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { requesterOf } from "../../events/event-log.ts";
import { nodePoolItem } from "../../node-pool/items.ts";
import { type Representation, storeResponse } from "../../request/idempotency.ts";
import { readWriteOptions, runWrite, type WriteResult } from "../../request/write.ts";
import { AppError, conflict, invalid, notFound } from "../../shared/errors.ts";
import type { Deadline } from "../../shared/retry.ts";
import { hasTtlExpired } from "../../shared/time.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import type { RawItem } from "../../table/entity.ts";
import { clusterKey, type Key, tombstoneKey, tombstonePrefix, totalKey } from "../../table/keys.ts";
import { commit, Transaction } from "../../table/transaction.ts";
import { type Cluster, type Tombstone, tombstoneEntity } from "../entity.ts";
import { clusterNeedsCredentials } from "../rules/credentials.ts";
import { restoreBlockers, restoredCluster } from "../rules/restore.ts";
import { DELETION_SECONDS, slugConflict } from "../rules/slug.ts";
import { isDeleting } from "../rules/transitions.ts";
import { diffClusters } from "../rules/update.ts";
import { type ClusterResponse, UndeleteCluster } from "../schema.ts";
import { applyCounters } from "../store/counters.ts";
import { appendEvent } from "../store/event-log.ts";
import { markRestored } from "../store/pointer.ts";
import {
  readSlugContext,
  reserveSlug,
  type SlugContext,
  type SlugState,
  slugStateOf,
} from "../store/slug-reservation.ts";
import { representCluster } from "./represent-cluster.ts";

/** Maximum number of tombstones read for one slug; if there are more, the caller must send an identity. */
const MAX_CANDIDATES = 100;

/** Request to restore a cluster. */
interface UndeleteInput {
  organisation: string;
  environment: string;
  cluster: string;
  options: Parsed<WriteOptions>;
  body: Validated<UndeleteCluster>;
}

/** Parses the body of a restoration. `null` counts as absent, as in every body. @param body as sent; undefined if there was none */
export const parseUndelete = (body: unknown): Validated<UndeleteCluster> => validate(UndeleteCluster, body ?? {});

/** Data that is read in parallel with the authorization. */
interface UndeleteReads {
  slug: SlugContext;
  tombstones: RawItem[];
}

/** Parsed request, with its generated id, the same for all attempts. */
interface UndeleteRequest {
  input: UndeleteInput;
  /** Identity of the deleted cluster; undefined for the only one with the slug. */
  identity: string | undefined;
  mutationId: string;
}

/**
 * Restores a cluster that was deleted within 30 days: it keeps its identity, its settings and its pools as last requested, and is
 * provisioned again. Two database round trips, three if the bucket of the page index is full.
 *
 * @throws AppError as `authorize`; not found if no such cluster was deleted and none is being deleted; invalid; conflict that lists
 *   everything that is missing or taken, or the candidates if there are several
 */
export async function undelete(context: Context, input: UndeleteInput): Promise<WriteResult<ClusterResponse>> {
  const request: UndeleteRequest = {
    input,
    identity: input.body.value?.identity,
    mutationId: context.ids.identity(),
  };
  return await runWrite(context, (deadline) => attempt(context, request, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  request: UndeleteRequest,
  deadline: Deadline,
): Promise<WriteResult<ClusterResponse> | undefined> {
  const authorized = await authorizeUndelete(context, request);
  if (authorized.replay !== undefined) return authorized.replay;
  const { organisation, environment, cluster: slug, options, body } = request.input;
  const slugState = slugStateOf(
    authorized.prefetched(clusterKey(organisation, environment, slug)),
    authorized.alongside?.slug,
  );
  const { owner } = slugState;
  // An earlier attempt succeeded, and its response was lost.
  if (owner?.writtenBy === request.mutationId) return representCluster(owner, authorized);
  const candidates = candidatesOf(context, request, authorized);
  if (candidates.length === 0 && !isStillDeleting(slugState, request.identity)) throw nothingDeleted(request);
  const { dryRun, problems: others } = readWriteOptions(context, options, body.unknown);
  const problems = [...others, ...body.problems];
  if (problems.length > 0) throw invalid(problems);
  const tombstone = selectTombstone(candidates, request, authorized);
  // A concurrent request restored it between the two reads.
  if (owner?.identity === tombstone.identity) return undefined;
  const total = authorized.prefetched(totalKey(organisation));
  const [first, ...rest] = restoreBlockers(tombstone, owner, {
    ...authorized,
    provisioner: context.provisioner,
    total,
  });
  if (first !== undefined) throw new AppError("conflict", "cluster.undelete_blocked", [first, ...rest]);
  const refusal = slugConflict(slugState, "slug");
  if (refusal !== undefined) throw refusal;

  const cluster = restoredCluster(tombstone, owner, request.mutationId, context.clock().toISOString());
  const response = representCluster(cluster, authorized);
  if (dryRun) return { kind: "dryRun", body: response.body, consequences: [] };
  const isWritten = await write(context, authorized, { tombstone, cluster, slugState, response, deadline });
  return isWritten ? response : undefined;
}

/** Authorizes a request and reads what it needs, in one round trip. */
async function authorizeUndelete(
  context: Context,
  request: UndeleteRequest,
): Promise<Authorized<UndeleteReads, ClusterResponse>> {
  const { organisation, environment, cluster } = request.input;
  return await authorize<UndeleteReads, ClusterResponse>(context, {
    path: { organisation, environment, cluster },
    role: "admin",
    keys: () => [clusterKey(organisation, environment, cluster), totalKey(organisation), ...tombstoneKeys(request)],
    alongside: () => readUndelete(context, request),
  });
}

/** Returns the key of the tombstone if the request contains an identity. */
const tombstoneKeys = ({ identity, input: { organisation, environment, cluster } }: UndeleteRequest): Key[] =>
  identity === undefined ? [] : [tombstoneKey(organisation, environment, cluster, identity)];

async function readUndelete(context: Context, { identity, input }: UndeleteRequest): Promise<UndeleteReads> {
  const { organisation, environment, cluster: slug } = input;
  const { pk } = clusterKey(organisation, environment, slug);
  const prefix = tombstonePrefix(environment, slug);
  const [slugContext, tombstones] = await Promise.all([
    readSlugContext(context, { organisation, environment, slug }),
    identity === undefined ? context.table.query({ pk, prefix, limit: MAX_CANDIDATES }) : [],
  ]);
  return { slug: slugContext, tombstones };
}

/** Returns the matching tombstones that have not expired: DynamoDB removes expired items late. */
function candidatesOf(
  context: Context,
  request: UndeleteRequest,
  authorized: Authorized<UndeleteReads>,
): (Tombstone & Key)[] {
  const items = [
    ...(authorized.alongside?.tombstones ?? []),
    ...tombstoneKeys(request).map((key) => authorized.prefetched(key)),
  ];
  return items
    .flatMap((item) => (item === undefined ? [] : [tombstoneEntity.read(item)]))
    .filter((tombstone) => !hasTtlExpired(tombstone, context.clock()));
}

function isStillDeleting({ owner, superseded }: SlugState, identity: string | undefined): boolean {
  const deleting = [...(owner !== undefined && isDeleting(owner) ? [owner.identity] : []), ...superseded];
  return identity === undefined ? deleting.length > 0 : deleting.includes(identity);
}

/** Returns the requested tombstone. @throws AppError conflict if it does not exist yet, or there are several */
function selectTombstone(
  candidates: readonly (Tombstone & Key)[],
  request: UndeleteRequest,
  authorized: Authorized<UndeleteReads>,
): Tombstone & Key {
  const { cluster: slug, environment } = request.input;
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
  throw new AppError("conflict", "cluster.multiple_deleted", [
    `identity: is required, because several clusters "${slug}" were deleted in environment "${environment}"`,
    ...newestFirst.map(({ identity, deletedAt }) => `identity: ${identity} was deleted at ${deletedAt}`),
  ]);
}

const nothingDeleted = ({ identity, input: { cluster, environment } }: UndeleteRequest): AppError =>
  notFound(
    "cluster.not_deleted",
    `No cluster "${cluster}"${identity === undefined ? "" : ` with identity ${identity}`} was deleted in environment "${environment}" within the last 30 days.`,
  );

interface UndeleteWrite {
  tombstone: Tombstone & Key;
  cluster: Cluster;
  slugState: SlugState;
  response: Representation<ClusterResponse>;
  deadline: Deadline;
}

/** Writes everything. @returns false if the data that was read is out of date: the next read determines the response */
async function write(context: Context, authorized: Authorized, given: UndeleteWrite): Promise<boolean> {
  const { tombstone, cluster, slugState, response, deadline } = given;
  const { identity, modifiedAt: now } = cluster;
  const { owner, chunk } = slugState;
  if (chunk === undefined) return false;
  const transaction = new Transaction();
  if (!(await reserveSlug(context, transaction, cluster, owner, chunk, deadline))) return false;
  for (const pool of tombstone.nodePools) {
    const revision = pool.revision + 1;
    const restored = { provisionStatus: "ACCEPTED", runningVersion: undefined, modifiedAt: now, revision } as const;
    transaction.create("pool", nodePoolItem({ ...pool, ...restored }));
  }
  markRestored(transaction, cluster, now);
  transaction.delete("tombstone", tombstone, {
    condition: "#deletedAt = :deletedAt AND #revision = :revision",
    values: { ":deletedAt": tombstone.deletedAt, ":revision": tombstone.revision },
  });
  const event = { type: "cluster.undeleted", changes: diffClusters(tombstone, cluster) } as const;
  const source = { clusterIdentity: identity, at: now, requester: requesterOf(context, authorized.actor) };
  appendEvent(context, transaction, event, source);
  applyCounters(transaction, undefined, cluster, {
    needsCredentials: clusterNeedsCredentials(context.provisioner, cluster),
  });
  storeResponse(context, transaction, authorized.actor, response);
  return (await commit(context.table, transaction, deadline)).length === 0;
}
