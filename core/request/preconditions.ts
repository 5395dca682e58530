/** Preconditions of requests: `If-Match` and `If-None-Match`. */

import { AppError } from "../shared/errors.ts";

/** Entity tag in a header. */
export interface EntityTag {
  /** Opaque tag without its quotes. */
  readonly opaque: string;
  /** True for a weak tag: `W/"…"`. */
  readonly weak: boolean;
}

/** Entity tags in a header; `any` for `*`, which matches every existing item. */
export interface Precondition {
  readonly any: boolean;
  readonly tags: readonly EntityTag[];
}

/** Pattern of one member in a list of entity tags (RFC 9110, section 8.8.3). `W/` is case-sensitive. */
const LISTED_TAG = /(?:^|,)[ \t]*(W\/)?"([^"]*)"(?=[ \t]*(?:,|$))/g;

/**
 * Parses a header with a list of entity tags (RFC 9110). A malformed member is left out, so it matches nothing.
 *
 * @param header header as sent
 * @returns undefined if it was not sent
 */
export function readPrecondition(header: string | undefined): Precondition | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === "*") return { any: true, tags: [] };
  const members = [...header.matchAll(LISTED_TAG)];
  return { any: false, tags: members.map(([, weak, opaque = ""]) => ({ opaque, weak: weak !== undefined })) };
}

/**
 * Compares `If-Match` of a write with the stored revision, with the strong comparison of RFC 9110, section 13.1.1: a weak tag never matches. Only the
 * first part of a tag, the revision, is compared, because a change of a referenced item does not conflict with the write.
 *
 * @param present current entity tag with its quotes, for the error
 * @returns preconditionFailed with the current entity tag, if the precondition does not hold
 */
export function revisionMismatch(
  precondition: Precondition | undefined,
  revision: number,
  present: string,
): AppError | undefined {
  if (precondition === undefined || precondition.any) return undefined;
  const { tags } = precondition;
  if (tags.some(({ opaque, weak }) => !weak && opaque.split(".")[0] === `${revision}`)) return undefined;
  const hint = tags.some(({ weak }) => weak) ? '; a weak entity tag, W/"…", never matches' : "";
  return new AppError(
    "preconditionFailed",
    "precondition.failed",
    [`If-Match: does not match the current entity tag, ${present}${hint}`],
    {
      tag: present,
    },
  );
}

/**
 * Returns whether `If-None-Match` of a read matches, so that the response is "not modified". Uses the weak comparison of RFC
 * 9110, section 13.1.2, which ignores `W/`.
 *
 * @param tag current entity tag, with its quotes
 */
export const isNotModified = (precondition: Precondition | undefined, tag: string): boolean =>
  precondition !== undefined && (precondition.any || precondition.tags.some(({ opaque }) => `"${opaque}"` === tag));
