/** Writing for a POSIX shell. */

const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/**
 * Quotes a text so that a shell reads it as one word and as nothing else.
 *
 * @throws Error for a NUL, which no shell can hold
 */
export function quote(text: string): string {
  if (text.includes("\0")) throw new Error("A shell's word cannot hold a NUL.");
  return PLAIN.test(text) ? text : quoteAlways(text);
}

/** The same, in quotes also where none are needed. @throws Error as `quote` */
export function quoteAlways(text: string): string {
  if (text.includes("\0")) throw new Error("A shell's word cannot hold a NUL.");
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A text for a comment: whatever could end the line is a space. */
export const comment = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, " ");
