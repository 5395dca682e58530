/** Stored items: marked with entity and version when written, parsed with a schema when read. */

import * as v from "valibot";
import type { Key } from "./keys.ts";

/** Item as read from the table, before its schema is applied. */
export type RawItem = Key & Readonly<Record<string, unknown>>;

/** Stored shape with its name, its version and its conversions. */
export interface Entity<Stored extends object, Written extends object = Stored> {
  readonly name: string;
  readonly version: number;
  /**
   * Parses a stored item of this version, or of a version with migrations to this one. Removes attributes that the schema does not name.
   *
   * @throws Error with key and attribute if the item is of another entity or does not match the schema: a defect or a manual change
   */
  read(item: RawItem): Stored & Key;
  /**
   * Brings an item to this version, with all of its attributes. One of this version comes back as it is.
   * Migrates an item to this version, with all of its attributes. Returns an item of this version unchanged.
   *
   * @throws Error with the key if the item is of another entity, or its version has no migration
   */
  upgrade(item: RawItem): RawItem;
  /** Builds the item to write: key, entity, version and attributes. Undefined attributes are omitted. */
  write(key: Key, stored: Written, extra?: Readonly<Record<string, unknown>>): RawItem;
}

/** Converts the attributes of an item to the next version or to the one before. It cannot change key, entity and version. */
type Migration = (attributes: RawItem) => Readonly<Record<string, unknown>>;

/**
 * Migrations by the version that they read: each converts to the version that is one nearer to the current one. Migrations from older
 * versions remain until no item has them. A migration from the next version lets a release read items of the release after it.
 */
type Migrations = Readonly<Record<number, Migration>>;

/**
 * Defines a stored shape.
 *
 * @param name stored as `entity`, so that stream filters and operators can distinguish items
 * @param version stored as `entityVersion`; raised with a migration when the stored shape changes
 * @param schema schema of the attributes
 * @param migrations migrations from other versions
 * @throws RangeError if a migration leads to a version without a further migration
 */
export function defineEntity<Schema extends v.ObjectSchema<v.ObjectEntries, undefined>>(
  name: string,
  version: number,
  schema: Schema,
  migrations: Migrations = {},
): Entity<v.InferOutput<Schema>, v.InferInput<Schema>> {
  const nearer = (from: number) => (from < version ? from + 1 : from - 1);
  for (const from of Object.keys(migrations).map(Number)) {
    if (from === version || (nearer(from) !== version && migrations[nearer(from)] === undefined)) {
      throw new RangeError(`${name} ${version}: the migration from ${from} does not lead to the current version`);
    }
  }
  function upgrade(item: RawItem): RawItem {
    let current = item;
    while (current.entity === name && current.entityVersion !== version) {
      const from = Number(current.entityVersion);
      const migrate = migrations[from];
      if (migrate === undefined) break;
      current = { ...migrate(current), pk: item.pk, sk: item.sk, entity: name, entityVersion: nearer(from) };
    }
    if (current.entity === name && current.entityVersion === version) return current;
    throw new Error(
      `${item.pk} ${item.sk} is ${String(item.entity)} ${String(item.entityVersion)}, not ${name} ${version}`,
    );
  }
  return {
    name,
    version,
    upgrade,
    read(item) {
      const parsed = v.safeParse(schema, upgrade(item));
      if (!parsed.success) {
        const where = parsed.issues.map((issue) => v.getDotPath(issue) ?? "?").join(", ");
        throw new Error(`${item.pk} ${item.sk} does not match ${name} ${version} at ${where}`);
      }
      return { ...parsed.output, pk: item.pk, sk: item.sk };
    },
    write(key, stored, extra = {}) {
      return { ...stored, ...extra, pk: key.pk, sk: key.sk, entity: name, entityVersion: version };
    },
  };
}
