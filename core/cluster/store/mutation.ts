/** Changing a cluster: read, judge, write in one transaction, again where somebody else was faster. */

import type { Actor, Context } from "../../context.ts";
import { bucketOf, type Chunk, decrementBucket } from "../../listing/page-index.ts";
import { backoff, type Deadline } from "../../shared/retry.ts";
import { clusterKey, pointerKey } from "../../table/keys.ts";
import { commit, Transaction, writeTimedOut } from "../../table/transaction.ts";
import type { Change, Cluster } from "../entity.ts";
import type { EventType } from "../event-types.ts";
import { acceptChange } from "../rules/accept-change.ts";
import { reconcileRequest } from "../rules/reconcile-request.ts";
import { diffClusters } from "../rules/update.ts";
import { applyCounters } from "./counters.ts";
import { buildUserEvent } from "./event-log.ts";
import { clusterItem } from "./items.ts";
import { reserveSlug, type SlugState } from "./slug-reservation.ts";

/** Where a cluster goes that moves, and the part of the page index it leaves. */
export interface MovePlan {
  from: Chunk;
  to: SlugState;
}

/** What a write of a user does to a cluster. */
export interface ClusterMutation {
  before: Cluster;
  after: Cluster;
  /** Of the event. */
  type: EventType;
  /** What the event tells beside what differs between before and after. */
  changes?: readonly Change[];
  /** What this change drew, once for all its attempts. */
  mutationId: string;
  /** Given when `after` is in another environment. */
  route?: MovePlan;
  /** Whether a node pool is created, changed or deleted in the same transaction. */
  arePoolsChanged?: boolean;
  /** More that belongs into the same transaction. @param after as it is written */
  extraWrites?: (transaction: Transaction, after: Cluster) => void;
}

/**
 * Writes a change: the cluster on condition that it is as it was read, its counters, pointer with due mark, event, and where
 * it moves its place and both parts of the page index.
 *
 * @returns what was written; undefined where it was read before somebody else's change and has to be read again
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
  const request = reconcileRequest(after.identity, now);
  transaction
    .update("pointer", pointerKey(after.identity), `SET #path = :path, ${request.set} ADD ${request.add}`, {
      condition: "attribute_exists(#pk)",
      values: { ...request.values, ":path": clusterKey(after.organisation, after.environment, after.slug).sk },
    })
    .create(
      "event",
      buildUserEvent(context, actor, after.identity, given.type, now, [
        ...diffClusters(before, after),
        ...(given.changes ?? []),
      ]),
    );
  given.extraWrites?.(transaction, after);
  const failures = await commit(context.table, transaction, deadline);
  if (failures.length === 0) return after;
  // What was read is out of date, one way or another: reading again tells what to answer.
  return undefined;
}

/**
 * Builds the condition that a cluster is as it was read. The versions that run and are planned change without a revision, and a
 * change of version was judged by them.
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
 * Tries until it is done or the deadline has passed.
 *
 * @param attempt reads everything anew; returns undefined where somebody else changed it before it could write
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
