/** Preconditions of writes: the caller names the revisions that it wants to change. */

import { AppError } from "../shared/errors.ts";

/** Entity tags of which one must be current, or else the write is refused. */
export interface Precondition {
  /** Name of the precondition in messages, as the caller knows it. */
  readonly name: string;
  readonly tags: readonly string[];
  /** Text that the message ends with; empty for none. */
  readonly hint: string;
}

/** Returns the part of an entity tag that identifies the revision: up to the first period. */
const revisionOf = (tag: string): string => tag.split(".")[0] ?? "";

/**
 * Compares the precondition of a write with the current entity tag. Only the first part of the tags, the revision, is compared, because
 * a change of what the later parts cover, such as a referenced item or totals, does not conflict with the write.
 *
 * @param precondition undefined if the caller sent none
 * @param present current entity tag, without quotes
 * @returns preconditionFailed with the current entity tag, if the precondition does not hold
 */
export function revisionMismatch(precondition: Precondition | undefined, present: string): AppError | undefined {
  if (precondition === undefined) return undefined;
  const { name, tags, hint } = precondition;
  if (tags.some((tag) => revisionOf(tag) === revisionOf(present))) return undefined;
  return new AppError(
    "preconditionFailed",
    "precondition.failed",
    [`${name}: does not match the current entity tag, "${present}"${hint}`],
    { etag: present },
  );
}
