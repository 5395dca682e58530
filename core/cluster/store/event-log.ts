/** Events: what happened to a cluster, written in the transaction of what happened. */

import type { Actor, Context, Services } from "../../context.ts";
import type { RawItem } from "../../table/entity.ts";
import { eventKey } from "../../table/keys.ts";
import { type Change, type ClusterEvent, eventEntity } from "../entity.ts";
import type { EventType } from "../event-types.ts";

/** Events are kept this long. */
export const EVENT_DAYS = 90;

const DAY_SECONDS = 24 * 60 * 60;

/**
 * Makes the event of a user's change.
 *
 * @param at when, RFC 3339; the same as in what is changed
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
 * Makes an event; without who asked for it, one of the reconciler.
 *
 * @param at when, RFC 3339; the same as in what is changed
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
    changes: JSON.stringify(changes),
    ttl: Math.floor(milliseconds / 1_000) + EVENT_DAYS * DAY_SECONDS,
  });
}
