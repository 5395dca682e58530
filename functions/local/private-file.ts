/** Writes files that only their user can read. */

import { chmodSync, renameSync, writeFileSync } from "node:fs";

/**
 * Replaces a file atomically: a reader gets the old or the new content, also after a crash of the machine.
 *
 * @param file path in an existing directory; only one writer at a time
 */
export function writePrivateFile(file: string, text: string): void {
  const next = `${file}.next`;
  writeFileSync(next, text, { mode: 0o600, flush: true });
  // An existing file would keep its mode.
  chmodSync(next, 0o600);
  renameSync(next, file);
}
