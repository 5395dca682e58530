/** What happened to a cluster, told page by page. */

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

/** Events a page, at most. */
export const MAX_EVENTS = 100;

/** Events a page, unless another number is asked for. */
export const DEFAULT_EVENTS = 25;

/** One property that changed. */
export const ClusterEventChange = v.object({
  from: v.optional(v.pipe(v.unknown(), v.description("Absent where there was none before."))),
  path: v.pipe(
    v.string(),
    v.description(
      "The property, by its name in requests. A node pool is named with its availability zone if it has one: `nodePools[web/eu-west-1a].minSize`, `nodePools[web]`.",
    ),
  ),
  to: v.optional(v.pipe(v.unknown(), v.description("Absent where there is none now."))),
});

/** What only events have that somebody asked for. */
const requestedOnly = (of: v.GenericSchema<string>, what: string) =>
  v.optional(v.pipe(of, v.description(`${what}; absent where the reconciler did it.`)));

/** An event. */
export const ClusterEventResponse = v.object({
  at: dateTime,
  changes: v.array(ClusterEventChange),
  requestId: requestedOnly(v.string(), "In which request"),
  sourceAddress: requestedOnly(v.string(), "From where"),
  tokenId: requestedOnly(identity, "By which token"),
  type: v.pipe(v.picklist(eventTypes), v.description("What happened.")),
  user: requestedOnly(identity, "Who asked for it"),
});
export type ClusterEventResponse = v.InferOutput<typeof ClusterEventResponse>;

/** Events, newest first. */
export const ClusterEventsResponse = v.object({
  content: v.pipe(v.array(ClusterEventResponse), v.description(`Newest first. Events are kept ${EVENT_DAYS} days.`)),
});
export type ClusterEventsResponse = v.InferOutput<typeof ClusterEventsResponse>;

/** Whose events, and which of them. */
export interface ListEventsInput extends ClusterPath {
  query: RawQuery;
}

/** A page of events, and the queries of the first and the next page. */
export interface ListedEvents {
  page: ClusterEventsResponse;
  links: [rel: string, query: string][];
}

/** An event's place in the order of its cluster's. */
interface Position {
  at: string;
  ulid: string;
}

const CURSOR = /^([0-9a-f-]{36})#([0-9TZ:.-]{24})#([0-9A-Z]{26})$/;

const toCursor = (of: string, { at, ulid }: Position): string =>
  Buffer.from(`${of}#${at}#${ulid}`).toString("base64url");

/** A cursor of one cluster: the last event of the page before. @param of the cluster's identity */
const cursorOf = (of: string): Parameter<Position | undefined> => ({
  defaultValue: undefined,
  parse(text) {
    const [, whose, at = "", ulid = ""] = CURSOR.exec(Buffer.from(text, "base64url").toString()) ?? [];
    // Decoding passes over what is no base64url, so only what is written the same way was a cursor.
    return whose === of && toCursor(of, { at, ulid }) === text
      ? { value: { at, ulid } }
      : { wrong: "must be a cursor out of a link to the next page of this cluster's events" };
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
 * Lists the events of the present holder of a slug, newest first: those of its identity, wherever it was. Two waits on the
 * database. Events that come meanwhile are before the first page and shift nothing.
 *
 * @throws AppError as `enter`; missing; invalid with everything wrong in the query
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
    // One more, by which it is known whether another page follows.
    limit: size + 1,
  });
  const now = Math.floor(context.clock().getTime() / 1_000);
  // DynamoDB removes expired items late. They expire in their order, so behind one that has, all have.
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
