/** Items as they lie in the table: stamped with entity and version, parsed with a schema when read. */

import * as v from "valibot";
import type { Key } from "./keys.ts";

/** An item as the table gives it, before its schema has looked at it. */
export type RawItem = Key & Readonly<Record<string, unknown>>;

/** A stored shape: its name, its version and how to read and write it. */
export interface Entity<Stored extends object, Written extends object = Stored> {
  readonly name: string;
  readonly version: number;
  /**
   * Reads a stored item, of this version or of one that steps lead from. Attributes the schema does not name are dropped.
   *
   * @throws Error naming key and attribute where the item is not of this entity or does not fit: a defect, or another's hand
   */
  read(item: RawItem): Stored & Key;
  /**
   * Brings an item to this version, with all of its attributes. One of this version comes back as it is.
   *
   * @throws Error naming the key where the item is not of this entity, or no steps lead from its version
   */
  bring(item: RawItem): RawItem;
  /** Makes the item to write: key, stamp, attributes. Undefined attributes are left out. */
  write(key: Key, stored: Written, extra?: Readonly<Record<string, unknown>>): RawItem;
}

/** Makes an item's attributes those of the next version, or of the one before. Key and stamp are not its to change. */
export type Migration = (attributes: RawItem) => Readonly<Record<string, unknown>>;

/**
 * How items of other versions are read, by that version: each step leads one version nearer to the present one. Steps from older
 * versions stay until no item is of them any more; a step from the next version lets a release read what the one after it writes.
 */
export type Migrations = Readonly<Record<number, Migration>>;

/**
 * Defines a stored shape.
 *
 * @param name stored as `entity`, so that a stream filter and a person can tell items apart
 * @param version stored as `entityVersion`; raised when the stored shape changes, with a step from the one before
 * @param schema what the attributes must fit
 * @param steps from the other versions that may be met
 * @throws RangeError where a step leads to a version from which none goes on
 */
export function defineEntity<Schema extends v.ObjectSchema<v.ObjectEntries, undefined>>(
  name: string,
  version: number,
  schema: Schema,
  steps: Migrations = {},
): Entity<v.InferOutput<Schema>, v.InferInput<Schema>> {
  const nearer = (from: number) => (from < version ? from + 1 : from - 1);
  for (const from of Object.keys(steps).map(Number)) {
    if (from === version || (nearer(from) !== version && steps[nearer(from)] === undefined)) {
      throw new RangeError(`${name} ${version}: the step from ${from} leads nowhere`);
    }
  }
  function bring(item: RawItem): RawItem {
    let brought = item;
    while (brought.entity === name && brought.entityVersion !== version) {
      const from = Number(brought.entityVersion);
      const step = steps[from];
      if (step === undefined) break;
      brought = { ...step(brought), pk: item.pk, sk: item.sk, entity: name, entityVersion: nearer(from) };
    }
    if (brought.entity === name && brought.entityVersion === version) return brought;
    throw new Error(
      `${item.pk} ${item.sk} is ${String(item.entity)} ${String(item.entityVersion)}, not ${name} ${version}`,
    );
  }
  return {
    name,
    version,
    bring,
    read(item) {
      const parsed = v.safeParse(schema, bring(item));
      if (!parsed.success) {
        const where = parsed.issues.map((issue) => v.getDotPath(issue) ?? "?").join(", ");
        throw new Error(`${item.pk} ${item.sk} does not fit ${name} ${version} at ${where}`);
      }
      return { ...parsed.output, pk: item.pk, sk: item.sk };
    },
    write(key, stored, extra = {}) {
      return { ...stored, ...extra, pk: key.pk, sk: key.sk, entity: name, entityVersion: version };
    },
  };
}
