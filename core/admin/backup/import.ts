/** Bringing a backup back into an empty table. */

import { pointerEntity } from "../../cluster/entity.ts";
import type { Services } from "../../context.ts";
import { AppError, conflict } from "../../shared/errors.ts";
import { deadlineIn } from "../../shared/retry.ts";
import type { Table } from "../../table/client.ts";
import { encodeItem, type WireItem } from "../../table/dynamodb-json.ts";
import { importKey } from "../../table/keys.ts";
import { BATCH_WRITE_ITEMS, batchWrite, scanRaw } from "../../table/raw-scan.ts";
import { commit, Transaction } from "../../table/transaction.ts";
import { entities } from "../entities.ts";
import { type BackupSummary, ContentChecksum, type Lines, readBackup } from "./format.ts";
import { importEntity, pendingImport, requireNoPendingImport } from "./import-lock.ts";

/** How many batches are written side by side. */
const CONCURRENCY = 4;

/** What an import works with. */
export interface ImportServices extends Pick<Services, "table" | "clock" | "writeTimeoutMs"> {
  /** Whether one that was cut off may be gone on with. */
  readonly resume: boolean;
  /** Told after every few items. @param done items written so far */
  readonly onProgress?: (done: number) => void;
}

/**
 * Brings a backup back. The backup is read to its end before anything is written, and the table is read after everything is, to hold
 * it against the backup. Until then a mark in the table tells that it is not whole.
 *
 * Pointers come last: with them a reconciler finds work, which must not be before everything else of a cluster is there.
 *
 * @throws AppError invalid where it is no whole backup, or one of a later release; conflict where the table is not empty, was
 *   being filled from another backup, or is not the same as the backup afterwards; unavailable where the database cannot be reached
 */
export async function importBackup(importing: ImportServices, lines: Lines): Promise<BackupSummary> {
  const { table } = importing;
  const backup = await readBackup(lines);
  requireKnown(backup);
  await startImport(importing, backup);
  const isPointer = (item: WireItem) => item.entity?.S === pointerEntity.name;
  const others = await writeAll(importing, lines, (item) => !isPointer(item), 0);
  await writeAll(importing, lines, isPointer, others);
  await compare(table, backup);
  await note(importing, new Transaction().delete("import", importKey));
  return backup;
}

/** A release knows what was stored by those before it, and nothing of those after it. */
function requireKnown({ start }: BackupSummary): void {
  const known = new Map(entities.map(({ name, version }) => [name, version]));
  const [first, ...more] = Object.entries(start.entities)
    .filter(([name, version]) => version > (known.get(name) ?? -1))
    .map(
      ([name, version]) =>
        `${name} ${version}: this release does not know it; use one that is not older than the backup's`,
    );
  if (first !== undefined) throw new AppError("invalid", "backup.later", [first, ...more]);
}

/** Marks the table as being filled, on condition that nothing is in it, or goes on where that was done before. */
async function startImport(importing: ImportServices, { sha256 }: BackupSummary): Promise<void> {
  const { table, clock, resume } = importing;
  const present = await pendingImport(table);
  if (present !== undefined) {
    if (!resume) await requireNoPendingImport(table);
    if (present.sha256 === sha256) return;
    throw conflict(
      "backup.other",
      "The import that was cut off was of another backup. Go on with that one, or empty the table.",
    );
  }
  for await (const { pk, sk } of scanRaw(table, 1)) {
    throw conflict(
      "backup.not_empty",
      `The table is not empty: ${pk?.S} ${sk?.S} is in it. A backup is brought back into an empty one.`,
    );
  }
  const mark = importEntity.write(importKey, { sha256, startedAt: clock().toISOString() });
  const failures = await note(importing, new Transaction().create("import", mark));
  if (failures.length > 0) throw conflict("backup.twice", "Another import into this table has just begun.");
}

const note = ({ table, writeTimeoutMs }: ImportServices, transaction: Transaction) =>
  commit(table, transaction, deadlineIn(writeTimeoutMs));

/** Writes some of the items. @param done items written before @returns items written now and before */
async function writeAll(
  { table, onProgress }: ImportServices,
  lines: Lines,
  isMeant: (item: WireItem) => boolean,
  done: number,
): Promise<number> {
  let written = done;
  let batches: WireItem[][] = [[]];
  const write = async () => {
    await Promise.all(batches.map((batch) => batchWrite(table, batch)));
    written += batches.flat().length;
    onProgress?.(written);
    batches = [[]];
  };
  await readBackup(lines, async (item) => {
    if (!isMeant(item)) return;
    const last = batches.at(-1);
    if (last !== undefined && last.length < BATCH_WRITE_ITEMS) last.push(item);
    else if (batches.length < CONCURRENCY) batches.push([item]);
    else {
      await write();
      batches = [[item]];
    }
  });
  await write();
  return written;
}

/** @throws AppError conflict where the table and the backup are not the same */
async function compare(table: Table, { items, contents }: BackupSummary): Promise<void> {
  const present = new ContentChecksum();
  for await (const item of scanRaw(table)) {
    if (item.pk?.S !== importKey.pk || item.sk?.S !== importKey.sk) present.add(encodeItem(item));
  }
  if (present.items === items && present.text === contents) return;
  throw conflict(
    "backup.differs",
    `Everything is written, but the table is not the same as the backup: it holds ${present.items} items, the backup ${items}. Somebody else wrote to it. Empty it and begin anew.`,
  );
}
