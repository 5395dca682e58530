/** Appends events to the transaction of the change. */

import type { Actor, Context, Services } from "../context.ts";
import { DAY_MS, ttlAfter } from "../shared/time.ts";
import type { Key } from "../table/keys.ts";
import type { Transaction } from "../table/transaction.ts";
import { type Change, eventEntity, type StoredEvent } from "./entity.ts";

/** Retention of events, in days. */
export const EVENT_DAYS = 90;

/** User and request that caused a change. */
export type Requester = Pick<StoredEvent, "user" | "tokenId" | "sourceAddress" | "requestId">;

/** Owner and time of an event, and the request that caused it. */
type EventSource = Pick<StoredEvent, "clusterIdentity" | "organisation" | "environmentIdentity" | "at"> & {
  /** Absent for a change by the reconciler or an operator. */
  requester?: Requester | undefined;
};

/** Returns the user and the request of a change, for its event. */
export const requesterOf = (
  { sourceAddress, requestId }: Pick<Context, "sourceAddress" | "requestId">,
  { user, tokenId }: Actor,
): Requester => ({ user, tokenId, sourceAddress, requestId });

/**
 * Appends an event to the transaction of the change. The operation has the label `event`.
 *
 * @param keyOf builds the key in the owner's log from the event's ULID
 * @param source its `at` is the time of the change, RFC 3339; the same as in the changed item
 */
export function appendTo(
  { ids }: Pick<Services, "ids">,
  transaction: Transaction,
  keyOf: (ulid: string) => Key,
  { type, changes }: { readonly type: string; readonly changes: readonly Change[] },
  { requester, ...source }: EventSource,
): void {
  const event = { ...requester, ...source, type, changes: [...changes] };
  const ttl = ttlAfter(new Date(source.at), EVENT_DAYS * DAY_MS);
  transaction.create("event", eventEntity.write(keyOf(ids.ulid(Date.parse(source.at))), { ...event, ttl }));
}
