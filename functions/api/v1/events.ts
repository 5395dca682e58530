/** Pages of events: the cursor and the link to the next page. */

import {
  DEFAULT_EVENTS,
  type EventCursor,
  type EventPage,
  type EventPosition,
  type ListEventsOptions,
  MAX_EVENTS,
} from "#core/events/list.ts";
import { formatValue, type Parsed } from "#core/shared/validation.ts";
import type { ApiRequest, HandlerResponse } from "../../http/app.ts";
import { type Parameter, parseQuery, wholeNumber } from "../../http/query.ts";
import { linkHeader } from "../../http/response.ts";

const CURSOR = /^([0-9a-f-]{36})#([0-9TZ:.-]{24})#([0-9A-Z]{26})$/;

const FOREIGN_CURSOR = "must be a cursor from a `next` link of the same list of events";

const toCursor = ({ owner, at, ulid }: EventPosition): string =>
  Buffer.from(`${owner}#${at}#${ulid}`).toString("base64url");

/** Parser of a cursor: the last event of the previous page. */
const cursor: Parameter<EventCursor | undefined> = {
  defaultValue: undefined,
  parse(text) {
    const [, owner = "", at = "", ulid = ""] = CURSOR.exec(Buffer.from(text, "base64url").toString()) ?? [];
    const position = { owner, at, ulid };
    // Decoding ignores characters outside base64url, so compare with the encoded form.
    if (owner === "" || toCursor(position) !== text) return { error: FOREIGN_CURSOR };
    const foreign = { path: "cursor", message: `${formatValue(text)} is not allowed: ${FOREIGN_CURSOR}` };
    return { value: { ...position, foreign } };
  },
};

/** Decodes the query of a list of events. */
export function eventOptions({ query }: ApiRequest): { options: Parsed<ListEventsOptions> } {
  const { value, ...found } = parseQuery(query, { size: wholeNumber(1, MAX_EVENTS, DEFAULT_EVENTS), cursor });
  return { options: { value: { size: value.size, after: value.cursor }, ...found } };
}

/** Builds the response of a page of events, with links to the first and to the next page. */
export function encodeEvents(
  { content, next }: EventPage<unknown>,
  { url }: ApiRequest,
  { options }: { options: Parsed<ListEventsOptions> },
): HandlerResponse {
  const query = (more: Record<string, string>) =>
    new URLSearchParams({ ...more, size: `${options.value.size}` }).toString();
  const links: [rel: string, query: string][] = [["first", query({})]];
  if (next !== undefined) links.push(["next", query({ cursor: toCursor(next) })]);
  return { body: { content }, headers: { link: linkHeader(url, links) } };
}
