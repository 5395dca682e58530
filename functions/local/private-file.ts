/** Files that their user alone can read. */

import { chmodSync, renameSync, writeFileSync } from "node:fs";

/**
 * Replaces a file in one step: whoever reads it sees the former or the new one, also after the machine crashed.
 *
 * @param file in a directory that is there already; one writer at a time
 */
export function writePrivately(file: string, text: string): void {
  const next = `${file}.next`;
  writeFileSync(next, text, { mode: 0o600, flush: true });
  // A file that was there keeps its mode when it is written to.
  chmodSync(next, 0o600);
  renameSync(next, file);
}
