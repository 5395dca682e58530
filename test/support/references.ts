/** Changes the references of an organisation in the database, because no operation changes or removes them yet. */

import type { Table } from "#core/table/client.ts";
import { keyText, organisationKey, referencesKey } from "#core/table/keys.ts";
import { referencesEntity } from "#core/tenancy/references-entity.ts";
import { overwrite } from "./overwrite.ts";

/**
 * Sets a value within the references of an organisation, and raises their revision as every write of them does.
 *
 * @param path names from the references to the value
 */
export async function changeReferences(
  table: Table,
  organisation: string,
  path: readonly string[],
  value: unknown,
): Promise<void> {
  const key = referencesKey(organisation);
  const item = (await table.get([key])).get(keyText(key));
  if (item === undefined) throw new Error(`${keyText(key)} not found`);
  const revision = referencesEntity.read(item).revision + 1;
  await overwrite(table, key, path, value);
  await overwrite(table, key, ["revision"], revision);
  await overwrite(table, organisationKey(organisation), ["referencesRevision"], revision);
}
