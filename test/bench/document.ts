/** Writing measured numbers into the documentation, between two marks. */

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

/** The machine a number was measured on, with the day. */
export const machine = (): string =>
  `${new Date().toISOString().slice(0, 10)}: ${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, Node ${process.versions.node}, embedded engine`;

/** A row of a table. */
export const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;

/** A table. */
export const table = (heads: readonly string[], rows: readonly string[]): string =>
  [row(...heads), row(...heads.map(() => "---")), ...rows].join("\n");

const marks = (name: string) => [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`] as const;

/** What stands in a document between marks, and around them. @throws Error where the marks are not there */
function split(file: string, name: string): { before: string; between: string; after: string } {
  const [begin, end] = marks(name);
  const [before, rest] = readFileSync(join(ROOT, file), "utf8").split(begin);
  const [between, after] = rest?.split(end) ?? [];
  if (before === undefined || between === undefined || after === undefined) {
    throw new Error(`${file} has no place for ${name}`);
  }
  return { before, between, after };
}

/**
 * What stands in a document between its marks, `<!-- name: begin -->` and `<!-- name: end -->`.
 *
 * @param file relative to the project
 * @throws Error where the marks are not there
 */
export const readBetween = (file: string, name: string): string => split(file, name).between.trim();

/**
 * Puts a text there.
 *
 * @throws Error where the marks are not there
 */
export function writeBetween(file: string, name: string, text: string): void {
  const [begin, end] = marks(name);
  const { before, after } = split(file, name);
  writeFileSync(join(ROOT, file), `${before}${begin}\n${text}\n${end}${after}`);
  process.stderr.write(`${text}\n`);
}
