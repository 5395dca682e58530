/** Exports the whole table as a backup. */

import { createHash } from "node:crypto";
import type { Services } from "../../context.ts";
import { conflict } from "../../shared/errors.ts";
import { encodeItem } from "../../table/dynamodb-json.ts";
import { scanRaw } from "../../table/raw-scan.ts";
import { entities } from "../entities.ts";
import { type BackupEnd, buildEndLine, buildStartLine, ContentChecksum } from "./format.ts";
import { requireNoPendingImport } from "./import-lock.ts";

/** Maximum number of scans. If no two scans in a row are equal, the export fails, because the table is written to all the time. */
const MAX_SCANS = 6;

type ExportServices = Pick<Services, "table" | "clock">;

/**
 * Exports the table as it is at one moment. Scans it until two scans in a row are equal: then it did not change between the end of
 * the first and the start of the second.
 *
 * @param save stores the lines of one scan and replaces those of the scan before
 * @returns the last line of the stored backup
 * @throws AppError conflict if there were writes during every scan, or an import is incomplete; unavailable if the database
 *   cannot be reached
 */
export async function exportTable(
  services: ExportServices,
  save: (lines: AsyncIterable<string>) => Promise<void>,
): Promise<BackupEnd> {
  await requireNoPendingImport(services.table);
  let before: string | undefined;
  for (let scan = 1; scan <= MAX_SCANS; scan++) {
    let end: BackupEnd | undefined;
    await save(
      linesOf(services, (line) => {
        end = line;
      }),
    );
    if (end !== undefined && end.contents === before) return end;
    before = end?.contents;
  }
  throw conflict(
    "backup.concurrent_writes",
    `The table was written to during each of ${MAX_SCANS} scans, so no two scans are equal. Stop the server, or export a copy of the table that has no writers.`,
  );
}

async function* linesOf({ table, clock }: ExportServices, onEnd: (end: BackupEnd) => void): AsyncGenerator<string> {
  const contents = new ContentChecksum();
  const digest = createHash("sha256");
  const hashed = (line: string) => {
    digest.update(`${line}\n`);
    return line;
  };
  const versions = Object.fromEntries(entities.map(({ name, version }) => [name, version]));
  yield hashed(buildStartLine({ table: table.name, startedAt: clock().toISOString(), entities: versions }));
  for await (const item of scanRaw(table)) {
    const line = encodeItem(item);
    contents.add(line);
    yield hashed(line);
  }
  const end = { items: contents.items, sha256: digest.digest("hex"), contents: contents.text };
  yield buildEndLine(end);
  onEnd(end);
}
