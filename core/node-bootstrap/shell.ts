/** Quotes text for a POSIX shell. */

const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/**
 * Quotes a text so that a shell reads it as exactly one word.
 *
 * @throws Error for a NUL, which a shell cannot represent
 */
export function quote(text: string): string {
  if (text.includes("\0")) throw new Error("A word of a shell cannot contain a NUL character.");
  return PLAIN.test(text) ? text : quoteAlways(text);
}

/** Quotes a text even if it needs no quotes. @throws Error as `quote` */
export function quoteAlways(text: string): string {
  if (text.includes("\0")) throw new Error("A word of a shell cannot contain a NUL character.");
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Makes a text safe for a comment: replaces every character that could end the line by a space. */
export const toComment = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, " ");
