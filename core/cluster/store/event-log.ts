/** Builds events of clusters, which are written in the transaction of the change. */

import type { Actor, Context, Services } from "../../context.ts";
import type { RawItem } from "../../table/entity.ts";
import { eventKey } from "../../table/keys.ts";
import { type Change, type ClusterEvent, eventEntity } from "../entity.ts";
import type { EventType } from "../event-types.ts";

/** Retention of events, in days. */
export const EVENT_DAYS = 90;

const DAY_SECONDS = 24 * 60 * 60;

/**
 * Builds the event of a user's change.
 *
 * @param at time of the change, RFC 3339; the same as in the changed item
 */
export const buildUserEvent = (
  context: Context,
  actor: Actor,
  clusterIdentity: string,
  type: EventType,
  at: string,
  changes: readonly Change[],
): RawItem =>
  buildEvent(context, clusterIdentity, type, at, changes, {
    user: actor.user,
    tokenId: actor.tokenId,
    sourceAddress: context.sourceAddress,
    requestId: context.requestId,
  });

/**
 * Builds an event.
 *
 * @param at time of the change, RFC 3339; the same as in the changed item
 * @param asker the user and the request; absent for a change by the reconciler
 */
export function buildEvent(
  { ids }: Pick<Services, "ids">,
  clusterIdentity: string,
  type: EventType,
  at: string,
  changes: readonly Change[],
  asker: Pick<ClusterEvent, "user" | "tokenId" | "sourceAddress" | "requestId"> = {},
): RawItem {
  const milliseconds = Date.parse(at);
  return eventEntity.write(eventKey(clusterIdentity, at, ids.ulid(milliseconds)), {
    ...asker,
    type,
    at,
    clusterIdentity,
    changes: [...changes],
    ttl: Math.floor(milliseconds / 1_000) + EVENT_DAYS * DAY_SECONDS,
  });
}
