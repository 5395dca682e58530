/** Snapshot of an organisation at one moment: read once, then queried repeatedly. */

import type { Services } from "#core/context.ts";
import type { Table } from "#core/table/client.ts";
import { keyText, organisationKey } from "#core/table/keys.ts";

/**
 * Builds services that read an organisation's partition from memory, and everything else from the table.
 *
 * @param organisation its slug
 */
export async function snapshotOf(services: Services, organisation: string): Promise<Services> {
  const { pk } = organisationKey(organisation);
  const items = await services.table.query({ pk, from: "!", to: "~" });
  const byKey = new Map(items.map((item) => [keyText(item), item]));
  const table: Table = {
    ...services.table,
    async get(keys) {
      const others = await services.table.get(keys.filter((key) => key.pk !== pk));
      for (const key of keys) {
        const item = byKey.get(keyText(key));
        if (item !== undefined) others.set(keyText(key), item);
      }
      return others;
    },
    async query(range) {
      if (range.pk !== pk || range.index !== undefined) return services.table.query(range);
      const { from = range.prefix ?? "", to = `${range.prefix}\u{10ffff}`, backward = false, limit } = range;
      const found = items.filter(({ sk }) => sk >= from && sk <= to);
      return (backward ? found.reverse() : found).slice(0, limit);
    },
  };
  return { ...services, table };
}
