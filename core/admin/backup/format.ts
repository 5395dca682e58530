/** What a backup is: a first line that says of what, a line an item, and a last line by which a whole one is known. */

import { createHash } from "node:crypto";
import * as v from "valibot";
import { AppError, errorText } from "../../shared/errors.ts";
import { decodeItem, type WireItem } from "../../table/dynamodb-json.ts";

/** How backups are written now. */
const FORMAT = 1;

const Start = v.object({
  backup: v.object({
    format: v.number(),
    /** The table it is of: secrets decrypt in a table of that name alone. */
    table: v.string(),
    /** RFC 3339. */
    startedAt: v.string(),
    /** The versions of entities in the release that wrote it. */
    entities: v.record(v.string(), v.number()),
  }),
});

const End = v.object({
  end: v.object({
    items: v.number(),
    /** SHA-256 of every byte before this line, in hexadecimal. */
    sha256: v.string(),
    /** What the items come to together, in whichever order, in hexadecimal. */
    contents: v.string(),
  }),
});

/** What the first line says. */
export type BackupStart = v.InferOutput<typeof Start>["backup"];
/** What the last line says. */
export type BackupEnd = v.InferOutput<typeof End>["end"];

/** Reads the lines of a backup from the first on, as often as it is called. */
export type Lines = () => AsyncIterable<string>;

const SUM_MODULUS = 2n ** 256n;

/**
 * Adds up what items come to together, whichever order they come in: engines have different ones. The sum of the SHA-256 of
 * their lines tells any two tables apart that differ by accident.
 */
export class ContentChecksum {
  #sum = 0n;
  #items = 0;

  /** Adds an item's line. */
  add(line: string): void {
    this.#sum = (this.#sum + BigInt(`0x${createHash("sha256").update(line).digest("hex")}`)) % SUM_MODULUS;
    this.#items++;
  }

  /** How many were added. */
  get items(): number {
    return this.#items;
  }

  /** What they come to, in hexadecimal. */
  get text(): string {
    return this.#sum.toString(16).padStart(64, "0");
  }
}

/** The first line. */
export const startLine = (start: Omit<BackupStart, "format">): string =>
  JSON.stringify({ backup: { format: FORMAT, ...start } });

/** The last line. */
export const endLine = (end: BackupEnd): string => JSON.stringify({ end });

/** What is told of a file that is no whole backup. */
const refusal = (...problems: [string, ...string[]]) => new AppError("invalid", "backup.refused", problems);

function parse<Schema extends v.GenericSchema>(schema: Schema, line: string): v.InferOutput<Schema> | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(line));
    return parsed.success ? parsed.output : undefined;
  } catch {
    // It is not even JSON.
    return undefined;
  }
}

function startIn(line: string | undefined): BackupStart {
  const start = line === undefined ? undefined : parse(Start, line)?.backup;
  if (start === undefined) throw refusal("line 1: is not how a backup begins");
  if (start.format !== FORMAT) throw refusal(`line 1: is a backup of format ${start.format}, and this reads ${FORMAT}`);
  return start;
}

/** A backup that was looked at from the first line to the last. */
export interface BackupSummary extends BackupEnd {
  start: BackupStart;
}

/**
 * Reads a backup from the first line to the last, and makes sure that nothing is missing or changed.
 *
 * @param visit told of every item with its line's number
 * @throws AppError invalid where it is no backup, or not a whole one
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
    if (end !== undefined) throw refusal(`line ${number}: comes after the last one`);
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
  if (end === undefined) throw refusal(`it ends after line ${number}, in the middle: the last line is missing`);
  const found = { items: contents.items, sha256: digest.digest("hex"), contents: contents.text };
  if (found.items !== end.items) throw refusal(`it holds ${found.items} items, and says ${end.items}`);
  if (found.sha256 !== end.sha256 || found.contents !== end.contents)
    throw refusal("it was changed: its checksum is another");
  return { start, ...end };
}

function itemOf(line: string, number: number): WireItem {
  try {
    return decodeItem(line);
  } catch (error) {
    throw refusal(`line ${number}: is no item (${errorText(error)})`);
  }
}
