/** Migrates stored items to the versions of this release while servers run. For the operator's command. */

import { isDeepStrictEqual } from "node:util";
import { errorText } from "../shared/errors.ts";
import { backoff, type Deadline, deadlineIn } from "../shared/retry.ts";
import type { Table } from "../table/client.ts";
import type { Entity, RawItem } from "../table/entity.ts";
import { keyText } from "../table/keys.ts";
import { commit, Transaction, writeTimedOut } from "../table/transaction.ts";

/** Number of items that are written in parallel. */
const CONCURRENCY = 16;

/** Properties of an entity that a migration needs. */
type MigratedEntity = Pick<Entity<object>, "name" | "version" | "upgrade">;

/** Dependencies and options of a migration. */
interface MigrationOptions {
  readonly table: Table;
  /** Time for the write of one item, including retries after conflicts with other writers, in milliseconds. */
  readonly writeTimeoutMs: number;
  /** All entities. */
  readonly entities: readonly MigratedEntity[];
  /** Called after each group of items. @param done number of items migrated so far */
  readonly onProgress?: (done: number) => void;
}

/** Result of a migration. */
export interface MigrationReport {
  /** Number of items that were read. */
  items: number;
  /** Number of items that were migrated, by entity. */
  migrated: Record<string, number>;
  /** Items that were not changed: their entity or version is unknown to this release, or their migration failed. */
  strange: string[];
}

/**
 * Rewrites every item of an older version, on condition that it is unchanged since it was read. An interrupted migration is
 * completed by running it again.
 *
 * @throws AppError unavailable if the database cannot be reached, or others kept writing one item
 */
export async function migrateItems(migrating: MigrationOptions): Promise<MigrationReport> {
  const { table, entities, onProgress } = migrating;
  const byName = new Map(entities.map((entity) => [entity.name, entity]));
  const report: MigrationReport = { items: 0, migrated: {}, strange: [] };
  let older: [MigratedEntity, RawItem][] = [];
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

/** @returns true if this call migrated the item, false if another process did, a text with the reason if it cannot be migrated */
async function migrateItem(
  { table, writeTimeoutMs }: MigrationOptions,
  entity: MigratedEntity,
  found: RawItem,
): Promise<boolean | string> {
  const deadline: Deadline = deadlineIn(writeTimeoutMs);
  let item: RawItem | undefined = found;
  for (let round = 1; ; round++) {
    // Another process deleted or migrated it meanwhile.
    if (item === undefined || item.entity !== entity.name || item.entityVersion === entity.version) return false;
    const before: RawItem = item;
    let after: RawItem;
    try {
      after = entity.upgrade(before);
    } catch (error) {
      return errorText(error);
    }
    if ((await commit(table, replacement(before, after), deadline)).length === 0) return true;
    if (deadline.expired()) throw writeTimedOut();
    await backoff(round, deadline);
    item = (await table.get([before])).get(keyText(before));
  }
}

/**
 * Builds an update of the attributes that differ, on condition that every attribute is as it was read. Attributes that other
 * processes add meanwhile are not lost.
 */
function replacement(before: RawItem, after: RawItem): Transaction {
  const present = new Map<string, unknown>(Object.entries(before));
  const upgraded = new Map<string, unknown>(Object.entries(after));
  const attributes = new Set([...present.keys(), ...upgraded.keys()]);
  const names: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  const conditions: string[] = [];
  const sets: string[] = [];
  const removes: string[] = [];
  for (const [at, attribute] of [...attributes].entries()) {
    const [name, old, next] = [`#a${at}`, `:old${at}`, `:new${at}`];
    const [was, becomes] = [present.get(attribute), upgraded.get(attribute)];
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
