/** Conditional requests: what `If-Match` and `If-None-Match` hold an operation to. */

import { AppError } from "../shared/errors.ts";

/** One entity tag of a header. */
export interface EntityTag {
  /** The opaque tag without its quotes. */
  readonly opaque: string;
  /** Whether it was sent as weak: `W/"…"`. */
  readonly weak: boolean;
}

/** The tags a header lists; `*` stands for anything that is there. */
export interface Precondition {
  readonly any: boolean;
  readonly tags: readonly EntityTag[];
}

/** One member of a list of entity tags (RFC 9110, section 8.8.3). `W/` is case-sensitive. */
const LISTED_TAG = /(?:^|,)[ \t]*(W\/)?"([^"]*)"(?=[ \t]*(?:,|$))/g;

/**
 * Reads a header that lists entity tags (RFC 9110). A member that is no entity tag is left out, so it matches nothing.
 *
 * @param header as it was sent
 * @returns undefined where it was not sent
 */
export function readPrecondition(header: string | undefined): Precondition | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === "*") return { any: true, tags: [] };
  const members = [...header.matchAll(LISTED_TAG)];
  return { any: false, tags: members.map(([, weak, opaque = ""]) => ({ opaque, weak: weak !== undefined })) };
}

/**
 * Holds a write to `If-Match`, with the strong comparison of RFC 9110, section 13.1.1: a weak tag never matches. Only the
 * revision counts, the first part of a tag: what is shown of others may change without making the write a surprise.
 *
 * @param present the present tag with its quotes, for the answer
 * @throws AppError preconditionFailed with the present tag
 */
export function requireRevision(precondition: Precondition | undefined, revision: number, present: string): void {
  if (precondition === undefined || precondition.any) return;
  const { tags } = precondition;
  if (tags.some(({ opaque, weak }) => !weak && opaque.split(".")[0] === `${revision}`)) return;
  const hint = tags.some(({ weak }) => weak) ? '; a weak tag, W/"…", never matches' : "";
  throw new AppError(
    "preconditionFailed",
    "precondition.failed",
    [`If-Match: no tag in it matches the current entity tag, ${present}${hint}`],
    {
      tag: present,
    },
  );
}

/**
 * Returns whether a read may answer that nothing changed, with the weak comparison of RFC 9110, section 13.1.2: `W/` makes no
 * difference.
 *
 * @param tag the present one, with its quotes
 */
export const isNotModified = (precondition: Precondition | undefined, tag: string): boolean =>
  precondition !== undefined && (precondition.any || precondition.tags.some(({ opaque }) => `"${opaque}"` === tag));
