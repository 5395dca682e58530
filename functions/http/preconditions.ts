/** Conditional requests: `If-Match` and `If-None-Match` (RFC 9110, section 13). */

import type { Precondition } from "#core/request/preconditions.ts";
import type { ApiRequest, HandlerResponse } from "./app.ts";
import { etagHeader } from "./errors.ts";

/** Entity tag in a header. */
interface EntityTag {
  /** Tag without its quotes. */
  opaque: string;
  /** True for a weak tag: `W/"…"`. */
  weak: boolean;
}

/** Pattern of one member in a list of entity tags (RFC 9110, section 8.8.3). `W/` is case-sensitive. */
const LISTED_TAG = /(?:^|,)[ \t]*(W\/)?"([^"]*)"(?=[ \t]*(?:,|$))/g;

/** Parses a list of entity tags. A malformed member is left out, so it matches nothing. */
const entityTags = (header: string): EntityTag[] =>
  [...header.matchAll(LISTED_TAG)].map(([, weak, opaque = ""]) => ({ opaque, weak: weak !== undefined }));

/** Returns whether a header matches every existing item. */
const isAny = (header: string): boolean => header.trim() === "*";

/**
 * Parses `If-Match`. By the strong comparison (RFC 9110, section 13.1.1) a weak tag never matches.
 *
 * @returns no precondition if the header was not sent, or matches every item
 */
export function ifMatch({ header }: Pick<ApiRequest, "header">): { precondition?: Precondition } {
  const text = header("if-match");
  if (text === undefined || isAny(text)) return {};
  const tags = entityTags(text);
  const strong = tags.filter(({ weak }) => !weak).map(({ opaque }) => opaque);
  const hint = tags.length > strong.length ? '; a weak entity tag, W/"…", never matches' : "";
  return { precondition: { name: "If-Match", tags: strong, hint } };
}

/**
 * Returns whether `If-None-Match` of a read matches, so that the response is "not modified". Uses the weak comparison (RFC
 * 9110, section 13.1.2), which ignores `W/`.
 *
 * @param header undefined if it was not sent
 * @param etag current entity tag, without quotes
 */
export const isNotModified = (header: string | undefined, etag: string): boolean =>
  header !== undefined && (isAny(header) || entityTags(header).some(({ opaque }) => opaque === etag));

/** Builds the response to a read: 304 if the caller's `If-None-Match` has the current entity tag. @param etag without quotes */
export function notModifiedOr({ header }: Pick<ApiRequest, "header">, body: unknown, etag: string): HandlerResponse {
  const headers = etagHeader(etag);
  return isNotModified(header("if-none-match"), etag) ? { status: 304, headers } : { body, headers };
}
