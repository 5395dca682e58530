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
   * Reads a stored item. Attributes the schema does not name are dropped.
   *
   * @throws Error naming key and attribute where the item is not of this entity or does not fit: a defect, or another's hand
   */
  read(item: RawItem): Stored & Key;
  /** Makes the item to write: key, stamp, attributes. Undefined attributes are left out. */
  write(key: Key, stored: Written, extra?: Readonly<Record<string, unknown>>): RawItem;
}

/**
 * Defines a stored shape.
 *
 * @param name stored as `entity`, so that a stream filter and a person can tell items apart
 * @param version stored as `entityVersion`; raised when the stored shape changes, with the reading of older ones
 * @param schema what the attributes must fit
 */
export function defineEntity<Schema extends v.ObjectSchema<v.ObjectEntries, undefined>>(
  name: string,
  version: number,
  schema: Schema,
): Entity<v.InferOutput<Schema>, v.InferInput<Schema>> {
  return {
    name,
    version,
    read(item) {
      if (item.entity !== name || item.entityVersion !== version) {
        throw new Error(
          `${item.pk} ${item.sk} is ${String(item.entity)} ${String(item.entityVersion)}, not ${name} ${version}`,
        );
      }
      const parsed = v.safeParse(schema, item);
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
