/** Reads pages of events, of a cluster or of an organisation. */

import * as v from "valibot";
import type { Context } from "../context.ts";
import type { Problem } from "../shared/errors.ts";
import { dateTime, identity } from "../shared/schemas.ts";
import { hasTtlExpired } from "../shared/time.ts";
import type { Parsed } from "../shared/validation.ts";
import type { RawItem } from "../table/entity.ts";
import { EVENT_PREFIX, eventsBefore } from "../table/keys.ts";
import { eventEntity, type StoredEvent } from "./entity.ts";
import { EVENT_DAYS } from "./event-log.ts";

/** Maximum number of events in a page. */
export const MAX_EVENTS = 100;

/** Default number of events in a page. */
export const DEFAULT_EVENTS = 25;

/** Changed property. */
export const EventChange = v.object({
  from: v.optional(v.pipe(v.unknown(), v.description("Absent if there was no value before, or if it is secret."))),
  path: v.pipe(
    v.string(),
    v.description(
      "The property, by its name in requests. An environment is named by its slug, a cloud account, credentials or a maintenance schedule by its identity, a node pool with its availability zone if it has one: `environments[production].name`, `nodePools[web/eu-west-1a].minSize`, `nodePools[web]`.",
    ),
  ),
  to: v.optional(v.pipe(v.unknown(), v.description("Absent if there is no value now, or if it is secret."))),
});

/** Builds the schema of a property that only events of user requests have. */
const requestedOnly = (of: v.GenericSchema<string>, what: string) =>
  v.optional(v.pipe(of, v.description(`${what}; absent for a change by the server itself or by an operator.`)));

/** Builds the schema of an event. @param types all types of events of the owner */
export const eventSchema = <const Types extends readonly string[]>(types: Types) =>
  v.object({
    at: dateTime,
    changes: v.array(EventChange),
    requestId: requestedOnly(v.string(), "Id of the request"),
    sourceAddress: requestedOnly(v.string(), "IP address of the client"),
    tokenId: requestedOnly(identity, "Id of the token"),
    type: v.pipe(v.picklist(types), v.description("Type of the event.")),
    user: requestedOnly(identity, "Identity of the user"),
  });

/** Builds the schema of a page of events, newest first. @param event schema of an event */
export const eventsSchema = <Event extends v.GenericSchema>(event: Event) =>
  v.object({
    content: v.pipe(v.array(event), v.description(`Newest first. Events are kept ${EVENT_DAYS} days.`)),
  });

/** Position of an event in the log of its owner. */
export interface EventPosition {
  /** Identity of the cluster or organisation. */
  owner: string;
  /** Time of the event, RFC 3339. */
  at: string;
  ulid: string;
}

/** Position at which the caller asks to continue. */
export interface EventCursor extends EventPosition {
  /** Problem to report if the position is one of another owner. */
  foreign: Problem;
}

/** Options of a list of events. */
export interface ListEventsOptions {
  /** Maximum number of events in the page. */
  size: number;
  /** Position after which the page begins; undefined for the first page. */
  after: EventCursor | undefined;
}

/** Page of events. */
export interface EventPage<Event> {
  content: Event[];
  /** Position after which the next page begins; undefined on the last page. */
  next: EventPosition | undefined;
}

/** Reads the items of a page, and one more if another page follows. @param pk partition key of the owner's log */
export const readEvents = ({ table }: Pick<Context, "table">, pk: string, { size, after }: ListEventsOptions) =>
  table.query({
    pk,
    ...(after === undefined
      ? { prefix: EVENT_PREFIX }
      : { from: EVENT_PREFIX, to: eventsBefore(after.at, after.ulid) }),
    backward: true,
    limit: size + 1,
  });

/**
 * Builds a page of events. It contains fewer events than its size if some are not visible to the caller.
 *
 * @param items result of `readEvents`
 * @param owner identity of the cluster or organisation
 * @param isVisible returns whether the caller may see an event
 */
export function eventPage<Event>(
  { clock }: Pick<Context, "clock">,
  items: readonly RawItem[],
  owner: string,
  size: number,
  isVisible: (event: StoredEvent) => boolean = () => true,
): EventPage<Event> {
  const now = clock();
  // DynamoDB removes expired items late. Events expire in order: all events after an expired one are expired too.
  const found = items
    .map((item) => ({ item, event: eventEntity.read(item) }))
    .filter(({ event }) => !hasTtlExpired(event, now));
  const page = found.slice(0, size);
  const last = found.length > size ? page.at(-1) : undefined;
  // A log contains only types of its owner.
  const content = page.filter(({ event }) => isVisible(event)).map(({ event }) => toResponse(event) as Event);
  return { content, next: last && positionOf(owner, last.item) };
}

/** Adds the problem of a position that belongs to another owner. @param owner identity of the cluster or organisation */
export function ofOwner(owner: string, options: Parsed<ListEventsOptions>): Parsed<ListEventsOptions> {
  const { after } = options.value;
  if (after === undefined || after.owner === owner) return options;
  return { ...options, problems: [...options.problems, after.foreign] };
}

function positionOf(owner: string, { sk }: RawItem): EventPosition {
  const [at = "", ulid = ""] = sk.slice(EVENT_PREFIX.length).split("#");
  return { owner, at, ulid };
}

const toResponse = ({ at, changes, requestId, sourceAddress, tokenId, type, user }: StoredEvent) => ({
  at,
  changes,
  requestId,
  sourceAddress,
  tokenId,
  type,
  user,
});
