/** Lock item of a table during an import. It remains until the import is complete. */

import * as v from "valibot";
import { conflict } from "../../shared/errors.ts";
import type { Table } from "../../table/client.ts";
import { defineEntity } from "../../table/entity.ts";
import { importKey, keyText } from "../../table/keys.ts";

const StoredImport = v.object({ sha256: v.string(), startedAt: v.string() });
/** Stored shape of a pending import. */
export const importEntity = defineEntity("import", 1, StoredImport);

/**
 * Checks that the table has no incomplete import.
 *
 * @throws AppError conflict if it has one
 */
export async function requireNoPendingImport(table: Table): Promise<void> {
  const present = await findPendingImport(table);
  if (present === undefined) return;
  throw conflict(
    "backup.unfinished",
    `The import that started at ${present.startedAt} is incomplete, so items are missing. Continue it with \`backup import --resume\`.`,
  );
}

/** Reads the lock item. @returns undefined if no import is pending */
export async function findPendingImport(table: Table) {
  const item = (await table.get([importKey])).get(keyText(importKey));
  return item && importEntity.read(item);
}
