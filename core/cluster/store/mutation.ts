/** Writes the change of a cluster by a user in one transaction. */

import type { Actor, Context } from "../../context.ts";
import { requesterOf } from "../../events/event-log.ts";
import { bucketOf, type Chunk, decrementBucket } from "../../listing/page-index.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { nodePoolItem, putNodePools } from "../../node-pool/items.ts";
import { type Representation, storeResponse } from "../../request/idempotency.ts";
import type { Deadline } from "../../shared/retry.ts";
import { clusterKey } from "../../table/keys.ts";
import { commit, Transaction } from "../../table/transaction.ts";
import type { Cluster } from "../entity.ts";
import type { EventOf } from "../event-types.ts";
import { acceptChange } from "../rules/accept-change.ts";
import { applyCounters } from "./counters.ts";
import { appendEvent } from "./event-log.ts";
import { clusterItem } from "./items.ts";
import { markDue } from "./pointer.ts";
import { reserveSlug, type SlugState } from "./slug-reservation.ts";
import { moveUpgrade } from "./upgrade-reference.ts";

/** Destination of a moving cluster, and the part of the page index that it leaves. */
export interface MovePlan {
  from: Chunk;
  to: SlugState;
}

/** Write of a user to a cluster. */
interface ClusterMutation<Body> {
  before: Cluster;
  after: Cluster;
  event: EventOf;
  /** Id of this change, the same for all its attempts. */
  mutationId: string;
  /** Present if `after` is in another environment. */
  move?: MovePlan | undefined;
  /** New node pools of the cluster. */
  newPools?: readonly NodePool[];
  /** Changed node pools of the cluster, each with the stored revision plus one. */
  changedPools?: readonly NodePool[];
  /** Builds the response, which is stored for retries with the same idempotency key. @param after the cluster as written */
  represent: (after: Cluster) => Representation<Body>;
}

/**
 * Writes a change: the cluster on condition that it is unchanged since the read, its pools, its counters, its pointer with the
 * due time, its event and the response. For a move also its location and both parts of the page index.
 *
 * @returns the response; undefined after a concurrent change: then the caller reads again
 * @throws AppError unavailable as `commit`
 */
export async function commitMutation<Body>(
  context: Context,
  actor: Actor,
  mutation: ClusterMutation<Body>,
  deadline: Deadline,
): Promise<Representation<Body> | undefined> {
  const { before, move, newPools = [], changedPools = [] } = mutation;
  const now = context.clock().toISOString();
  const after: Cluster = {
    ...acceptChange(before, mutation.after, newPools.length + changedPools.length > 0, now),
    revision: Math.max(before.revision, move?.to.owner?.revision ?? 0) + 1,
    modifiedAt: now,
    writtenBy: mutation.mutationId,
  };
  const unchanged = unchangedSince(before);
  const transaction = new Transaction();
  if (move === undefined) {
    transaction.put("cluster", clusterItem(after), unchanged);
  } else {
    const { from, to } = move;
    if (to.chunk === undefined) return undefined;
    if (!(await reserveSlug(context, transaction, after, to.owner, to.chunk, deadline))) return undefined;
    transaction.delete("left", clusterKey(before.organisation, before.environment, before.slug), unchanged);
    decrementBucket(transaction, "left-index", from, bucketOf(from, before.slug));
    moveUpgrade(transaction, after);
  }
  applyCounters(transaction, before, after);
  markDue(transaction, after, now);
  const source = { clusterIdentity: after.identity, at: now, requester: requesterOf(context, actor) };
  appendEvent(context, transaction, mutation.event, source);
  for (const pool of newPools) transaction.create("pool", nodePoolItem(pool));
  putNodePools(transaction, changedPools);
  const response = mutation.represent(after);
  storeResponse(context, transaction, actor, response);
  const failures = await commit(context.table, transaction, deadline);
  // After a failure, the data that was read is out of date: the next read determines the response.
  return failures.length === 0 ? response : undefined;
}

/**
 * Builds the condition that a cluster is unchanged since the read. It includes the running and the planned version, which change
 * without a new revision, because a change of version was validated against them.
 */
export function unchangedSince(read: Cluster): { condition: string; values: Record<string, unknown> } {
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
