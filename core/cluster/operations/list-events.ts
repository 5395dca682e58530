/** Lists the events of a cluster in pages. */

import * as v from "valibot";
import type { Context } from "../../context.ts";
import { parseQuery } from "../../listing/in-memory-page.ts";
import { type Parameter, type RawQuery, wholeNumber } from "../../request/query.ts";
import { parseJson } from "../../shared/json.ts";
import { dateTime, identity } from "../../shared/schemas.ts";
import type { RawItem } from "../../table/entity.ts";
import { EVENT_PREFIX, eventsBefore, pointerKey } from "../../table/keys.ts";
import { type Change, type ClusterEvent, eventEntity } from "../entity.ts";
import { eventTypes } from "../event-types.ts";
import { EVENT_DAYS } from "../store/event-log.ts";
import { authorizeCluster, type ClusterPath } from "./get.ts";

/** Maximum number of events in a page. */
export const MAX_EVENTS = 100;

/** Default number of events in a page. */
export const DEFAULT_EVENTS = 25;

/** Changed property. */
export const ClusterEventChange = v.object({
  from: v.optional(v.pipe(v.unknown(), v.description("Absent if there was no value before."))),
  path: v.pipe(
    v.string(),
    v.description(
      "The property, by its name in requests. A node pool is named with its availability zone if it has one: `nodePools[web/eu-west-1a].minSize`, `nodePools[web]`.",
    ),
  ),
  to: v.optional(v.pipe(v.unknown(), v.description("Absent if there is no value now."))),
});

/** Builds the schema of a property that only events of user requests have. */
const requestedOnly = (of: v.GenericSchema<string>, what: string) =>
  v.optional(v.pipe(of, v.description(`${what}; absent for a change by the reconciler.`)));

/** Event of a cluster. */
export const ClusterEventResponse = v.object({
  at: dateTime,
  changes: v.array(ClusterEventChange),
  requestId: requestedOnly(v.string(), "Id of the request"),
  sourceAddress: requestedOnly(v.string(), "IP address of the client"),
  tokenId: requestedOnly(identity, "Id of the token"),
  type: v.pipe(v.picklist(eventTypes), v.description("Type of the event.")),
  user: requestedOnly(identity, "Identity of the user"),
});
export type ClusterEventResponse = v.InferOutput<typeof ClusterEventResponse>;

/** Events, newest first. */
export const ClusterEventsResponse = v.object({
  content: v.pipe(v.array(ClusterEventResponse), v.description(`Newest first. Events are kept ${EVENT_DAYS} days.`)),
});
export type ClusterEventsResponse = v.InferOutput<typeof ClusterEventsResponse>;

/** Request for events of a cluster. */
export interface ListEventsInput extends ClusterPath {
  query: RawQuery;
}

/** Page of events, and the queries of the first and the next page. */
export interface ListedEvents {
  page: ClusterEventsResponse;
  links: [rel: string, query: string][];
}

/** Position of an event in the order of its cluster's events. */
interface Position {
  at: string;
  ulid: string;
}

const CURSOR = /^([0-9a-f-]{36})#([0-9TZ:.-]{24})#([0-9A-Z]{26})$/;

const toCursor = (of: string, { at, ulid }: Position): string =>
  Buffer.from(`${of}#${at}#${ulid}`).toString("base64url");

/** Builds the parser of a cursor, the last event of the previous page. @param of identity of the cluster */
const cursorOf = (of: string): Parameter<Position | undefined> => ({
  defaultValue: undefined,
  parse(text) {
    const [, whose, at = "", ulid = ""] = CURSOR.exec(Buffer.from(text, "base64url").toString()) ?? [];
    // Decoding ignores characters outside base64url, so compare with the encoded form.
    return whose === of && toCursor(of, { at, ulid }) === text
      ? { value: { at, ulid } }
      : { wrong: "must be a cursor from a `next` link of this cluster's events" };
  },
});

function positionOf({ sk }: RawItem): Position {
  const [at = "", ulid = ""] = sk.slice(EVENT_PREFIX.length).split("#");
  return { at, ulid };
}

const toResponse = ({ at, changes, requestId, sourceAddress, tokenId, type, user }: ClusterEvent) => ({
  at,
  changes: parseJson<Change[]>(changes),
  requestId,
  sourceAddress,
  tokenId,
  type,
  user,
});

/**
 * Lists the events of the cluster that owns a slug, newest first, by its identity: also events from other environments. Two
 * database round trips. New events come before the first page and do not shift later pages.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem of the query
 */
export async function listEvents(context: Context, input: ListEventsInput): Promise<ListedEvents> {
  const { cluster } = await authorizeCluster(context, input);
  const { size, cursor } = parseQuery(context, input.query, {
    size: wholeNumber(1, MAX_EVENTS, DEFAULT_EVENTS),
    cursor: cursorOf(cluster.identity),
  });
  const items = await context.table.query({
    pk: pointerKey(cluster.identity).pk,
    ...(cursor === undefined
      ? { prefix: EVENT_PREFIX }
      : { from: EVENT_PREFIX, to: eventsBefore(cursor.at, cursor.ulid) }),
    backward: true,
    // One more event shows whether another page follows.
    limit: size + 1,
  });
  const now = Math.floor(context.clock().getTime() / 1_000);
  // DynamoDB removes expired items late. Events expire in order: all events after an expired one are expired too.
  const found = items.map((item) => ({ item, event: eventEntity.read(item) })).filter(({ event }) => event.ttl > now);
  const shown = found.slice(0, size);
  const last = shown.at(-1);
  const query = (more: Record<string, string>) => new URLSearchParams({ ...more, size: `${size}` }).toString();
  const links: ListedEvents["links"] = [["first", query({})]];
  if (last !== undefined && found.length > size) {
    links.push(["next", query({ cursor: toCursor(cluster.identity, positionOf(last.item)) })]);
  }
  return { page: { content: shown.map(({ event }) => toResponse(event)) }, links };
}
