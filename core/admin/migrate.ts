/** Bringing stored items to the versions of the present release, beside running servers. For the operator's command. */

import { isDeepStrictEqual } from "node:util";
import { errorText } from "../shared/errors.ts";
import { backoff, type Deadline, deadlineIn } from "../shared/retry.ts";
import type { Table } from "../table/client.ts";
import type { Entity, RawItem } from "../table/entity.ts";
import { keyText } from "../table/keys.ts";
import { commit, Transaction, writeTimedOut } from "../table/transaction.ts";

/** How many items are written side by side. */
const CONCURRENCY = 16;

/** What migrating needs to know of an entity. */
export type MigratedItem = Pick<Entity<object>, "name" | "version" | "bring">;

/** What a migration works with. */
export interface MigrationOptions {
  readonly table: Table;
  /** How long it may wait for others who write at the same item, in milliseconds. */
  readonly writeTimeoutMs: number;
  /** Every entity there is. */
  readonly entities: readonly MigratedItem[];
  /** Told after every few items. @param done items brought so far */
  readonly onProgress?: (done: number) => void;
}

/** What a migration found and did. */
export interface MigrationReport {
  /** Items that were looked at. */
  items: number;
  /** Items that were brought to the present version, by entity. */
  migrated: Record<string, number>;
  /** Items that were left as they are: of an entity or a version that this release does not know, or that do not fit. */
  strange: string[];
}

/**
 * Rewrites every item of an older version, each on condition that it still is as it was read. Killed at any moment, it is finished
 * by the next call, which finds less to do.
 *
 * @throws AppError unavailable where the database cannot be reached, or others kept writing at one item
 */
export async function migrateItems(migrating: MigrationOptions): Promise<MigrationReport> {
  const { table, entities, onProgress } = migrating;
  const byName = new Map(entities.map((entity) => [entity.name, entity]));
  const report: MigrationReport = { items: 0, migrated: {}, strange: [] };
  let older: [MigratedItem, RawItem][] = [];
  let done = 0;
  const write = async () => {
    const outcomes = await Promise.all(older.map(([entity, item]) => migrateItem(migrating, entity, item)));
    for (const [at, [{ name }]] of older.entries()) {
      const outcome = outcomes[at];
      if (typeof outcome === "string") report.strange.push(outcome);
      else if (outcome === true) report.migrated[name] = (report.migrated[name] ?? 0) + 1;
    }
    done += older.length;
    if (older.length > 0) onProgress?.(done);
    older = [];
  };
  for await (const item of table.scan()) {
    report.items++;
    const entity = byName.get(String(item.entity));
    const version = Number(item.entityVersion);
    if (entity === undefined || !(version <= entity.version)) {
      report.strange.push(`${item.pk} ${item.sk} is ${String(item.entity)} ${String(item.entityVersion)}`);
    } else if (version < entity.version) {
      older.push([entity, item]);
      if (older.length === CONCURRENCY) await write();
    }
  }
  await write();
  return report;
}

/** @returns whether it was this that brought the item; what is wrong with it where it cannot be brought */
async function migrateItem(
  { table, writeTimeoutMs }: MigrationOptions,
  entity: MigratedItem,
  found: RawItem,
): Promise<boolean | string> {
  const deadline: Deadline = deadlineIn(writeTimeoutMs);
  let item: RawItem | undefined = found;
  for (let round = 1; ; round++) {
    // Gone meanwhile, or brought by who wrote it.
    if (item === undefined || item.entity !== entity.name || item.entityVersion === entity.version) return false;
    const before: RawItem = item;
    let after: RawItem;
    try {
      after = entity.bring(before);
    } catch (error) {
      return errorText(error);
    }
    if ((await commit(table, replacing(before, after), deadline)).length === 0) return true;
    if (deadline.expired()) throw writeTimedOut();
    await backoff(round, deadline);
    item = (await table.get([before])).get(keyText(before));
  }
}

/**
 * Changes what differs and nothing else, on condition that every attribute is as it was read. So what others add meanwhile without
 * touching any of them stays too.
 */
function replacing(before: RawItem, after: RawItem): Transaction {
  const present = new Map<string, unknown>(Object.entries(before));
  const brought = new Map<string, unknown>(Object.entries(after));
  const attributes = new Set([...present.keys(), ...brought.keys()]);
  const names: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  const conditions: string[] = [];
  const sets: string[] = [];
  const removes: string[] = [];
  for (const [at, attribute] of [...attributes].entries()) {
    const [name, old, next] = [`#a${at}`, `:old${at}`, `:new${at}`];
    const [was, becomes] = [present.get(attribute), brought.get(attribute)];
    names[name] = attribute;
    if (was !== undefined) values[old] = was;
    conditions.push(was === undefined ? `attribute_not_exists(${name})` : `${name} = ${old}`);
    if (isDeepStrictEqual(was, becomes)) continue;
    if (becomes === undefined) removes.push(name);
    else {
      values[next] = becomes;
      sets.push(`${name} = ${next}`);
    }
  }
  // The version always differs, so there is always something to set.
  const update = `SET ${sets.join(", ")}${removes.length === 0 ? "" : ` REMOVE ${removes.join(", ")}`}`;
  return new Transaction().update("item", before, update, { condition: conditions.join(" AND "), names, values });
}
