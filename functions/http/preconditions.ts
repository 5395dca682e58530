/** Conditional requests over HTTP. */

import { isNotModified, type Precondition, readPrecondition } from "#core/request/preconditions.ts";
import type { ApiRequest, HandlerResponse } from "./app.ts";

/** What `If-Match` holds a write to. */
export function ifMatch({ header }: ApiRequest): { precondition?: Precondition } {
  const precondition = readPrecondition(header("if-match"));
  return precondition === undefined ? {} : { precondition };
}

/** Answers a read, or that nothing changed since the caller's `If-None-Match`. @param etag with its quotes */
export function notModifiedOr({ header }: ApiRequest, body: unknown, etag: string): HandlerResponse {
  const unchanged = isNotModified(readPrecondition(header("if-none-match")), etag);
  return unchanged ? { status: 304, headers: { etag } } : { body, headers: { etag } };
}
