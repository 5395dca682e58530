/** The mark of a table that is being filled from a backup, until everything is there. */

import * as v from "valibot";
import { conflict } from "../../shared/errors.ts";
import type { Table } from "../../table/client.ts";
import { defineEntity } from "../../table/entity.ts";
import { importKey, keyText } from "../../table/keys.ts";

const StoredImport = v.object({ sha256: v.string(), startedAt: v.string() });
/** An import that is not over, as it is stored. */
export const importEntity = defineEntity("import", 1, StoredImport);

/**
 * Makes sure that no import into the table was cut off: what is there is not whole.
 *
 * @throws AppError conflict where one was
 */
export async function requireNoPendingImport(table: Table): Promise<void> {
  const present = await pendingImport(table);
  if (present === undefined) return;
  throw conflict(
    "backup.unfinished",
    `An import that began at ${present.startedAt} was cut off, so not everything is there. Go on with \`backup import --resume\`.`,
  );
}

/** Reads the mark. @returns undefined where there is none */
export async function pendingImport(table: Table) {
  const item = (await table.get([importKey])).get(keyText(importKey));
  return item && importEntity.read(item);
}
