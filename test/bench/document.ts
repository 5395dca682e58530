/** Writes measured numbers into the documentation, between two marks. */

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

/** Returns the machine and the day of a measurement. */
export const describeMachine = (): string =>
  `${new Date().toISOString().slice(0, 10)}: ${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, Node ${process.versions.node}, embedded engine`;

/** Formats a row of a table. */
export const formatRow = (...cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;

/** Formats a table. */
export const formatTable = (heads: readonly string[], rows: readonly string[]): string =>
  [formatRow(...heads), formatRow(...heads.map(() => "---")), ...rows].join("\n");

const marks = (name: string) => [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`] as const;

/** Splits a document at its marks. @throws Error if the marks are missing */
function split(file: string, name: string): { before: string; between: string; after: string } {
  const [begin, end] = marks(name);
  const [before, rest] = readFileSync(join(ROOT, file), "utf8").split(begin);
  const [between, after] = rest?.split(end) ?? [];
  if (before === undefined || between === undefined || after === undefined) {
    throw new Error(`${file} has no marks for ${name}`);
  }
  return { before, between, after };
}

/**
 * Returns the text of a document between its marks, `<!-- name: begin -->` and `<!-- name: end -->`.
 *
 * @param file relative to the project
 * @throws Error if the marks are missing
 */
export const readBetween = (file: string, name: string): string => split(file, name).between.trim();

/**
 * Writes a text between the marks.
 *
 * @throws Error if the marks are missing
 */
export function writeBetween(file: string, name: string, text: string): void {
  const [begin, end] = marks(name);
  const { before, after } = split(file, name);
  writeFileSync(join(ROOT, file), `${before}${begin}\n${text}\n${end}${after}`);
  process.stderr.write(`${text}\n`);
}
