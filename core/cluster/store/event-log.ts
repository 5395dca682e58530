/** Appends events of clusters to the transaction of the change. */

import type { Actor, Context, Services } from "../../context.ts";
import { DAY_MS, ttlAfter } from "../../shared/time.ts";
import { eventKey } from "../../table/keys.ts";
import type { Transaction } from "../../table/transaction.ts";
import { type ClusterEvent, eventEntity } from "../entity.ts";
import type { EventOf } from "../event-types.ts";

/** Retention of events, in days. */
export const EVENT_DAYS = 90;

/** User and request that caused a change. */
type Requester = Pick<ClusterEvent, "user" | "tokenId" | "sourceAddress" | "requestId">;

/** Cluster and time of an event, and the request that caused it. */
interface EventSource {
  clusterIdentity: string;
  /** Time of the change, RFC 3339; the same as in the changed item. */
  at: string;
  /** Absent for a change by the reconciler or an operator. */
  requester?: Requester;
}

/** Returns the user and the request of a change, for its event. */
export const requesterOf = (
  { sourceAddress, requestId }: Pick<Context, "sourceAddress" | "requestId">,
  { user, tokenId }: Actor,
): Requester => ({ user, tokenId, sourceAddress, requestId });

/** Appends an event to the transaction of the change. The operation has the label `event`. */
export function appendEvent(
  { ids }: Pick<Services, "ids">,
  transaction: Transaction,
  { type, changes }: EventOf,
  { clusterIdentity, at, requester }: EventSource,
): void {
  const milliseconds = Date.parse(at);
  const item = eventEntity.write(eventKey(clusterIdentity, at, ids.ulid(milliseconds)), {
    ...requester,
    type,
    at,
    clusterIdentity,
    changes: [...changes],
    ttl: ttlAfter(new Date(at), EVENT_DAYS * DAY_MS),
  });
  transaction.create("event", item);
}
