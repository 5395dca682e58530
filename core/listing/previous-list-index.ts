/**
 * List index of clusters that an older release wrote and no migration has rewritten. The release after the one with `list-index`
 * removes this file and the index (docs/operations.md).
 */

import * as v from "valibot";
import type { Table } from "../table/client.ts";
import { type PREVIOUS_LIST_ATTRIBUTES, PREVIOUS_LIST_INDEX } from "../table/definition.ts";
import { clusterSlugOf, organisationKey } from "../table/keys.ts";
import { compactIdentity, type ListRow } from "./list-row.ts";
import type { KeyRange } from "./page-index.ts";

const StoredRow = v.object({
  pk: v.string(),
  sk: v.string(),
  identity: v.string(),
  name: v.string(),
  status: v.string(),
  version: v.string(),
  region: v.string(),
  cloudProvider: v.string(),
  createdAt: v.string(),
  modifiedAt: v.string(),
  maintenanceScheduleIdentity: v.optional(v.string()),
} satisfies Partial<Record<"pk" | "sk" | (typeof PREVIOUS_LIST_ATTRIBUTES)[number], v.GenericSchema>>);

/** Reads the rows of a range. There are none after a migration. */
export async function readPreviousRows(table: Table, organisation: string, span: KeyRange): Promise<ListRow[]> {
  const items = await table.query({ pk: organisationKey(organisation).pk, ...span, index: PREVIOUS_LIST_INDEX });
  return items.map((item): ListRow => {
    const row = v.parse(StoredRow, item);
    const schedule = row.maintenanceScheduleIdentity;
    return {
      ...row,
      identity: compactIdentity(row.identity),
      slug: clusterSlugOf(row.sk),
      createdAt: Date.parse(row.createdAt),
      modifiedAt: Date.parse(row.modifiedAt),
      maintenanceScheduleIdentity: schedule === undefined ? undefined : compactIdentity(schedule),
    };
  });
}
