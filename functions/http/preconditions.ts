/** Conditional requests: `If-Match` and `If-None-Match` (RFC 9110, section 13). */

import type { Precondition } from "#core/request/preconditions.ts";
import type { ApiRequest, HandlerResponse } from "./app.ts";
import { withoutCoding } from "./content-coding.ts";
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
  const strong = tags.filter(({ weak }) => !weak).map(({ opaque }) => withoutCoding(opaque));
  const hint = tags.length > strong.length ? '; a weak entity tag, W/"…", never matches' : "";
  return { precondition: { name: "If-Match", tags: strong, hint } };
}

/**
 * Returns the entity tag of the response that the client already has, if `If-None-Match` of a read matches, so that the response is
 * "not modified". Uses the weak comparison (RFC 9110, section 13.1.2), which ignores `W/`. A tag also matches with a content coding,
 * because the data is the same.
 *
 * @param header undefined if it was not sent
 * @param etag current entity tag, without quotes
 * @returns the first tag that matches, without quotes, so that a cache finds its response by it; undefined if none matches
 */
export function unmodifiedTag(header: string | undefined, etag: string): string | undefined {
  if (header === undefined) return undefined;
  if (isAny(header)) return etag;
  return entityTags(header).find(({ opaque }) => opaque === etag || withoutCoding(opaque) === etag)?.opaque;
}

/** Builds the response to a read: 304 if the caller's `If-None-Match` has the current entity tag. @param etag without quotes */
export function notModifiedOr({ header }: Pick<ApiRequest, "header">, body: unknown, etag: string): HandlerResponse {
  const unmodified = unmodifiedTag(header("if-none-match"), etag);
  return unmodified === undefined
    ? { body, headers: etagHeader(etag) }
    : { status: 304, headers: etagHeader(unmodified) };
}
