/** Imports a backup into an empty table. */

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
import { findPendingImport, importEntity, requireNoPendingImport } from "./import-lock.ts";

/** Number of batches that are written in parallel. */
const CONCURRENCY = 4;

/** Dependencies and options of an import. */
interface ImportServices extends Pick<Services, "table" | "clock" | "writeTimeoutMs"> {
  /** Continues an interrupted import. */
  readonly resume: boolean;
  /** Called after each group of batches. @param done number of items written so far */
  readonly onProgress?: (done: number) => void;
}

/**
 * Imports a backup. The whole backup is checked before the first write. The table is compared with the backup after the last write.
 * A lock item marks the table as incomplete until then.
 *
 * Pointers are written last: a reconciler finds its work through them, and all other items of a cluster must exist by then.
 *
 * @throws AppError invalid if the backup is not complete, or of a later release; conflict if the table is not empty, has a pending
 *   import of another backup, or differs from the backup afterwards; unavailable if the database cannot be reached
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
  await commitNow(importing, new Transaction().delete("import", importKey));
  return backup;
}

/** Checks that this release knows the stored versions of the backup: it can read those of older releases, not of later ones. */
function requireKnown({ start }: BackupSummary): void {
  const known = new Map(entities.map(({ name, version }) => [name, version]));
  const [first, ...more] = Object.entries(start.entities)
    .filter(([name, version]) => version > (known.get(name) ?? -1))
    .map(
      ([name, version]) =>
        `${name} ${version}: unknown to this release; use the release that wrote the backup, or a later one`,
    );
  if (first !== undefined) throw new AppError("invalid", "backup.unknown_version", [first, ...more]);
}

/** Locks the table if it is empty, or resumes the pending import of the same backup. */
async function startImport(importing: ImportServices, { sha256 }: BackupSummary): Promise<void> {
  const { table, clock, resume } = importing;
  const present = await findPendingImport(table);
  if (present !== undefined) {
    if (!resume) await requireNoPendingImport(table);
    if (present.sha256 === sha256) return;
    throw conflict(
      "backup.different_import",
      "The pending import is of another backup. Continue it with that backup, or empty the table.",
    );
  }
  for await (const { pk, sk } of scanRaw(table, 1)) {
    throw conflict(
      "backup.not_empty",
      `The table is not empty: it contains ${pk?.S} ${sk?.S}. A backup can be imported only into an empty table.`,
    );
  }
  const lock = importEntity.write(importKey, { sha256, startedAt: clock().toISOString() });
  const failures = await commitNow(importing, new Transaction().create("import", lock));
  if (failures.length > 0) throw conflict("backup.concurrent", "Another import into this table has just started.");
}

const commitNow = ({ table, writeTimeoutMs }: ImportServices, transaction: Transaction) =>
  commit(table, transaction, deadlineIn(writeTimeoutMs));

/** Writes the items that a filter selects. @param done items written before @returns items written now and before */
async function writeAll(
  { table, onProgress }: ImportServices,
  lines: Lines,
  isSelected: (item: WireItem) => boolean,
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
    if (!isSelected(item)) return;
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

/** @throws AppError conflict if the table differs from the backup */
async function compare(table: Table, { items, contents }: BackupSummary): Promise<void> {
  const present = new ContentChecksum();
  for await (const item of scanRaw(table)) {
    if (item.pk?.S !== importKey.pk || item.sk?.S !== importKey.sk) present.add(encodeItem(item));
  }
  if (present.items === items && present.text === contents) return;
  throw conflict(
    "backup.differs",
    `The table differs from the backup after the import: it has ${present.items} items, the backup ${items}. Another process wrote to it. Empty the table and import again.`,
  );
}
