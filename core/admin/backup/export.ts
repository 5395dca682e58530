/** Keeping the whole table. */

import { createHash } from "node:crypto";
import type { Services } from "../../context.ts";
import { conflict } from "../../shared/errors.ts";
import { encodeItem } from "../../table/dynamodb-json.ts";
import { scanRaw } from "../../table/raw-scan.ts";
import { entities } from "../entities.ts";
import { type BackupEnd, ContentChecksum, endLine, startLine } from "./format.ts";
import { requireNoPendingImport } from "./import-lock.ts";

/** How often the table is read, before it counts as one that is written to all the time. */
const READINGS = 6;

type Kept = Pick<Services, "table" | "clock">;

/**
 * Makes a backup of the table as it is at one moment: it is read until two readings come to the same, so that it was so all the
 * time from the end of the first to the beginning of the second.
 *
 * @param keep keeps the lines of one reading, in place of those it was given before
 * @returns what the last line of what was kept says
 * @throws AppError conflict where others wrote during every reading, or the table itself is not whole; unavailable where the database cannot be reached
 */
export async function exportTable(
  kept: Kept,
  keep: (lines: AsyncIterable<string>) => Promise<void>,
): Promise<BackupEnd> {
  await requireNoPendingImport(kept.table);
  let before: string | undefined;
  for (let reading = 1; reading <= READINGS; reading++) {
    let end: BackupEnd | undefined;
    await keep(
      linesOf(kept, (read) => {
        end = read;
      }),
    );
    if (end !== undefined && end.contents === before) return end;
    before = end?.contents;
  }
  throw conflict(
    "backup.unsettled",
    `Others wrote during each of ${READINGS} readings, so no two of them are the same. Stop the server, or read a copy of the table that nobody writes to.`,
  );
}

async function* linesOf({ table, clock }: Kept, over: (end: BackupEnd) => void): AsyncGenerator<string> {
  const contents = new ContentChecksum();
  const digest = createHash("sha256");
  const counted = (line: string) => {
    digest.update(`${line}\n`);
    return line;
  };
  const versions = Object.fromEntries(entities.map(({ name, version }) => [name, version]));
  yield counted(startLine({ table: table.name, startedAt: clock().toISOString(), entities: versions }));
  for await (const item of scanRaw(table)) {
    const line = encodeItem(item);
    contents.add(line);
    yield counted(line);
  }
  const end = { items: contents.items, sha256: digest.digest("hex"), contents: contents.text };
  yield endLine(end);
  over(end);
}
