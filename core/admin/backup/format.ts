/** Format of a backup: a first line that describes it, one line for each item, and a last line with counts and checksums. */

import { createHash } from "node:crypto";
import * as v from "valibot";
import { AppError, errorText } from "../../shared/errors.ts";
import { decodeItem, type WireItem } from "../../table/dynamodb-json.ts";

/** Version of the format that this release writes and reads. */
const FORMAT = 1;

const Start = v.object({
  backup: v.object({
    format: v.number(),
    /** Name of the exported table. Secrets decrypt only in a table of the same name. */
    table: v.string(),
    /** RFC 3339. */
    startedAt: v.string(),
    /** Versions of the entities in the release that wrote the backup. */
    entities: v.record(v.string(), v.number()),
  }),
});

const End = v.object({
  end: v.object({
    items: v.number(),
    /** SHA-256 of every byte before this line, in hexadecimal. */
    sha256: v.string(),
    /** Checksum of all items, independent of their order, in hexadecimal. */
    contents: v.string(),
  }),
});

/** Content of the first line. */
type BackupStart = v.InferOutput<typeof Start>["backup"];
/** Content of the last line. */
export type BackupEnd = v.InferOutput<typeof End>["end"];

/** Reads the lines of a backup from the first; can be called repeatedly. */
export type Lines = () => AsyncIterable<string>;

const SUM_MODULUS = 2n ** 256n;

/**
 * Checksum of a set of items, independent of their order, because engines scan in different orders. It is the sum of the SHA-256
 * of their lines. It detects accidental differences, not forged ones.
 */
export class ContentChecksum {
  #sum = 0n;
  #items = 0;

  /** Adds the line of an item. */
  add(line: string): void {
    this.#sum = (this.#sum + BigInt(`0x${createHash("sha256").update(line).digest("hex")}`)) % SUM_MODULUS;
    this.#items++;
  }

  /** Number of added items. */
  get items(): number {
    return this.#items;
  }

  /** The checksum, in hexadecimal. */
  get text(): string {
    return this.#sum.toString(16).padStart(64, "0");
  }
}

/** Builds the first line. */
export const buildStartLine = (start: Omit<BackupStart, "format">): string =>
  JSON.stringify({ backup: { format: FORMAT, ...start } });

/** Builds the last line. */
export const buildEndLine = (end: BackupEnd): string => JSON.stringify({ end });

/** Builds the error for a file that is not a complete backup. */
const invalidBackup = (...problems: [string, ...string[]]) => new AppError("invalid", "backup.invalid", problems);

function parse<Schema extends v.GenericSchema>(schema: Schema, line: string): v.InferOutput<Schema> | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(line));
    return parsed.success ? parsed.output : undefined;
  } catch {
    // Not JSON.
    return undefined;
  }
}

function startIn(line: string | undefined): BackupStart {
  const start = line === undefined ? undefined : parse(Start, line)?.backup;
  if (start === undefined) throw invalidBackup("line 1: is not the first line of a backup");
  if (start.format !== FORMAT) {
    throw invalidBackup(`line 1: unsupported backup format ${start.format}; this release reads format ${FORMAT}`);
  }
  return start;
}

/** Content of the first and the last line of a backup that was read completely. */
export interface BackupSummary extends BackupEnd {
  start: BackupStart;
}

/**
 * Reads a whole backup and checks that it is complete and unchanged.
 *
 * @param visit called with every item and the number of its line
 * @throws AppError invalid if it is not a backup, or an incomplete or changed one
 */
export async function readBackup(
  lines: Lines,
  visit: (item: WireItem, line: number) => unknown = () => {},
): Promise<BackupSummary> {
  const digest = createHash("sha256");
  const contents = new ContentChecksum();
  let start: BackupStart | undefined;
  let end: BackupEnd | undefined;
  let number = 0;
  for await (const line of lines()) {
    number++;
    if (end !== undefined) throw invalidBackup(`line ${number}: follows the last line of the backup`);
    if (start === undefined) {
      start = startIn(line);
    } else {
      end = parse(End, line)?.end;
      if (end !== undefined) continue;
      contents.add(line);
      await visit(itemOf(line, number), number);
    }
    digest.update(`${line}\n`);
  }
  start ??= startIn(undefined);
  if (end === undefined) throw invalidBackup(`incomplete backup: ends after line ${number} without a last line`);
  const found = { items: contents.items, sha256: digest.digest("hex"), contents: contents.text };
  if (found.items !== end.items) throw invalidBackup(`contains ${found.items} items; its last line says ${end.items}`);
  if (found.sha256 !== end.sha256 || found.contents !== end.contents) {
    throw invalidBackup("checksum mismatch: the file was changed after the export");
  }
  return { start, ...end };
}

function itemOf(line: string, number: number): WireItem {
  try {
    return decodeItem(line);
  } catch (error) {
    throw invalidBackup(`line ${number}: is not an item (${errorText(error)})`);
  }
}
