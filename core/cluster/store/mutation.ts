/** Changes a cluster: reads, validates and writes in one transaction, and retries after a concurrent change. */

import type { Actor, Context } from "../../context.ts";
import { bucketOf, type Chunk, decrementBucket } from "../../listing/page-index.ts";
import { backoff, type Deadline } from "../../shared/retry.ts";
import { clusterKey } from "../../table/keys.ts";
import { commit, Transaction, writeTimedOut } from "../../table/transaction.ts";
import type { Change, Cluster } from "../entity.ts";
import type { EventType } from "../event-types.ts";
import { acceptChange } from "../rules/accept-change.ts";
import { diffClusters } from "../rules/update.ts";
import { applyCounters } from "./counters.ts";
import { buildUserEvent } from "./event-log.ts";
import { clusterItem } from "./items.ts";
import { markDue } from "./pointer.ts";
import { reserveSlug, type SlugState } from "./slug-reservation.ts";

/** Destination of a moving cluster, and the part of the page index that it leaves. */
export interface MovePlan {
  from: Chunk;
  to: SlugState;
}

/** Write of a user to a cluster. */
export interface ClusterMutation {
  before: Cluster;
  after: Cluster;
  /** Type of the event. */
  type: EventType;
  /** Changes for the event, in addition to the differences between before and after. */
  changes?: readonly Change[];
  /** Id of this change, the same for all its attempts. */
  mutationId: string;
  /** Present if `after` is in another environment. */
  route?: MovePlan;
  /** True if a node pool is created, changed or deleted in the same transaction. */
  arePoolsChanged?: boolean;
  /** Adds more operations to the same transaction. @param after the cluster as written */
  extraWrites?: (transaction: Transaction, after: Cluster) => void;
}

/**
 * Writes a change: the cluster on condition that it is unchanged since the read, its counters, its pointer with the due time and
 * its event. For a move also its location and both parts of the page index.
 *
 * @returns the cluster as written; undefined after a concurrent change: then the caller reads again
 * @throws AppError unavailable as `commit`
 */
export async function commitMutation(
  context: Context,
  actor: Actor,
  given: ClusterMutation,
  deadline: Deadline,
): Promise<Cluster | undefined> {
  const { before, route } = given;
  const now = context.clock().toISOString();
  const after: Cluster = {
    ...acceptChange(before, given.after, given.arePoolsChanged === true, now),
    revision: Math.max(before.revision, route?.to.owner?.revision ?? 0) + 1,
    modifiedAt: now,
    writtenBy: given.mutationId,
  };
  const asRead = unchangedSince(before);
  const transaction = new Transaction();
  if (route === undefined) {
    transaction.put("cluster", clusterItem(after), asRead);
  } else {
    const { from, to } = route;
    if (to.chunk === undefined) return undefined;
    if (!(await reserveSlug(context, transaction, after, to.owner, to.chunk, deadline))) return undefined;
    transaction.delete("left", clusterKey(before.organisation, before.environment, before.slug), asRead);
    decrementBucket(transaction, "left-index", from, bucketOf(from, before.slug));
  }
  applyCounters(transaction, before, after);
  markDue(transaction, after, now);
  transaction.create(
    "event",
    buildUserEvent(context, actor, after.identity, given.type, now, [
      ...diffClusters(before, after),
      ...(given.changes ?? []),
    ]),
  );
  given.extraWrites?.(transaction, after);
  const failures = await commit(context.table, transaction, deadline);
  if (failures.length === 0) return after;
  // The data that was read is out of date: the next read determines the response.
  return undefined;
}

/**
 * Builds the condition that a cluster is unchanged since the read. It includes the running and the planned version, which change
 * without a new revision, because a change of version was validated against them.
 */
function unchangedSince(read: Cluster): { condition: string; values: Record<string, unknown> } {
  const versions = (["runningVersion", "plannedVersion"] as const).map((name) =>
    read[name] === undefined ? `attribute_not_exists(#${name})` : `#${name} = :${name}`,
  );
  return {
    condition: ["#identity = :identity", "#revision = :revision", ...versions].join(" AND "),
    values: {
      ":identity": read.identity,
      ":revision": read.revision,
      ...(read.runningVersion === undefined ? {} : { ":runningVersion": read.runningVersion }),
      ...(read.plannedVersion === undefined ? {} : { ":plannedVersion": read.plannedVersion }),
    },
  };
}

/**
 * Retries an attempt with backoff until it succeeds or the deadline expires.
 *
 * @param attempt reads everything again; returns undefined after a concurrent change
 * @throws AppError unavailable at the deadline
 */
export async function retryOnConflict<T>(
  deadline: Deadline,
  attempt: (deadline: Deadline) => Promise<T | undefined>,
): Promise<T> {
  for (let round = 1; ; round++) {
    const done = await attempt(deadline);
    if (done !== undefined) return done;
    if (deadline.expired()) throw writeTimedOut();
    await backoff(round, deadline);
  }
}
