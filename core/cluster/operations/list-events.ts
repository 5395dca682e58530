/** Lists the events of a cluster in pages. */

import * as v from "valibot";
import { type Context, requireValid } from "../../context.ts";
import type { Problem } from "../../shared/errors.ts";
import { dateTime, identity } from "../../shared/schemas.ts";
import { hasTtlExpired } from "../../shared/time.ts";
import type { Parsed } from "../../shared/validation.ts";
import type { RawItem } from "../../table/entity.ts";
import { EVENT_PREFIX, eventsBefore, pointerKey } from "../../table/keys.ts";
import { type ClusterEvent, eventEntity } from "../entity.ts";
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

/** Position of an event in the order of a cluster's events. */
export interface EventPosition {
  /** Identity of the cluster. */
  cluster: string;
  /** Time of the event, RFC 3339. */
  at: string;
  ulid: string;
}

/** Position at which the caller asks to continue. */
export interface EventCursor extends EventPosition {
  /** Problem to report if the position is one of another cluster. */
  foreign: Problem;
}

/** Options of a list of events. */
export interface ListEventsOptions {
  /** Maximum number of events in the page. */
  size: number;
  /** Position after which the page begins; undefined for the first page. */
  after: EventCursor | undefined;
}

/** Request for events of a cluster. */
interface ListEventsInput extends ClusterPath {
  options: Parsed<ListEventsOptions>;
}

/** Page of events. */
interface EventPage {
  content: ClusterEventResponse[];
  /** Position after which the next page begins; undefined on the last page. */
  next: EventPosition | undefined;
}

function positionOf(cluster: string, { sk }: RawItem): EventPosition {
  const [at = "", ulid = ""] = sk.slice(EVENT_PREFIX.length).split("#");
  return { cluster, at, ulid };
}

const toResponse = ({ at, changes, requestId, sourceAddress, tokenId, type, user }: ClusterEvent) => ({
  at,
  changes: changes,
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
 * @throws AppError as `authorize`; not found; invalid with every problem of the options
 */
export async function listEvents(context: Context, input: ListEventsInput): Promise<EventPage> {
  const { cluster } = await authorizeCluster(context, input);
  const { size, after } = requireValid(context, ofCluster(cluster.identity, input.options));
  const items = await context.table.query({
    pk: pointerKey(cluster.identity).pk,
    ...(after === undefined
      ? { prefix: EVENT_PREFIX }
      : { from: EVENT_PREFIX, to: eventsBefore(after.at, after.ulid) }),
    backward: true,
    // One more event shows whether another page follows.
    limit: size + 1,
  });
  const now = context.clock();
  // DynamoDB removes expired items late. Events expire in order: all events after an expired one are expired too.
  const found = items
    .map((item) => ({ item, event: eventEntity.read(item) }))
    .filter(({ event }) => !hasTtlExpired(event, now));
  const shown = found.slice(0, size);
  const last = found.length > size ? shown.at(-1) : undefined;
  return {
    content: shown.map(({ event }) => toResponse(event)),
    next: last && positionOf(cluster.identity, last.item),
  };
}

/** Adds the problem of a position that belongs to another cluster. */
function ofCluster(identity: string, options: Parsed<ListEventsOptions>): Parsed<ListEventsOptions> {
  const { after } = options.value;
  if (after === undefined || after.cluster === identity) return options;
  return { ...options, problems: [...options.problems, after.foreign] };
}
