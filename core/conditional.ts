/** Conditional requests: what `If-Match` and `If-None-Match` hold an operation to. */

import { AppError } from "./errors.ts";

/** The tags a header lists; `*` stands for anything that is there. */
export interface Precondition {
  readonly any: boolean;
  /** Opaque tags without quotes, `W/` apart. */
  readonly tags: readonly string[];
}

/**
 * Reads a header that lists entity tags (RFC 9110).
 *
 * @param header as it was sent
 * @returns undefined where it was not sent
 */
export function readPrecondition(header: string | undefined): Precondition | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === "*") return { any: true, tags: [] };
  return { any: false, tags: [...header.matchAll(/(?:W\/)?"([^"]*)"/g)].map(([, tag = ""]) => tag) };
}

/**
 * Holds a write to `If-Match`. Only the revision counts, the first part of a tag: what is shown of others may change
 * without making the write a surprise.
 *
 * @param present the present tag, for the answer
 * @throws AppError preconditionFailed with the present tag
 */
export function ifMatches(precondition: Precondition | undefined, revision: number, present: string): void {
  if (precondition === undefined || precondition.any) return;
  if (precondition.tags.some((tag) => tag.split(".")[0] === `${revision}`)) return;
  throw new AppError(
    "preconditionFailed",
    "precondition.failed",
    [`If-Match: it has changed since; its tag is ${present}`],
    {
      tag: present,
    },
  );
}

/** Whether a read may answer that nothing changed. @param tag the present one, with its quotes */
export const noneMatches = (precondition: Precondition | undefined, tag: string): boolean =>
  precondition !== undefined && (precondition.any || precondition.tags.some((each) => `"${each}"` === tag));
