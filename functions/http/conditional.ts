/** Conditional requests over HTTP. */

import { noneMatches, type Precondition, readPrecondition } from "#core/conditional.ts";
import type { ApiRequest, HandlerAnswer } from "./app.ts";

/** What `If-Match` holds a write to. */
export function heldTo({ header }: ApiRequest): { precondition?: Precondition } {
  const precondition = readPrecondition(header("if-match"));
  return precondition === undefined ? {} : { precondition };
}

/** The header of an entity tag; a dry run has none. */
export const tagged = (tag: string): Record<string, string> => (tag === "" ? {} : { etag: tag });

/** Answers a read, or that nothing changed since the caller's `If-None-Match`. @param tag with its quotes */
export function unlessUnchanged({ header }: ApiRequest, body: unknown, tag: string): HandlerAnswer {
  const unchanged = noneMatches(readPrecondition(header("if-none-match")), tag);
  return unchanged ? { status: 304, headers: { etag: tag } } : { body, headers: { etag: tag } };
}
