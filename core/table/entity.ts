/**
 * Items of the table: stamped with entity and version, divided into attributes and one document, and parsed with a schema when
 * they are read.
 */

import * as v from "valibot";
import { parseJson } from "../shared/json.ts";
import type { Key } from "./keys.ts";

/** Name of the attribute that contains every property that DynamoDB need not see, as one JSON text. */
export const DOCUMENT = "document";

/**
 * Attributes that code reads from items without their entity, besides the stamp. Each is an attribute in every entity whose items
 * are read in this way. Other properties may be in a document, so the type of an item does not have them.
 */
type BareAttribute =
  | "deletedAt"
  | "dueAt"
  | "environmentIdentity"
  | "fence"
  | "identity"
  | "organisation"
  | "sealed"
  | "status"
  | "ttl";

/** An item as the table gives it, before its schema has looked at it. */
export type RawItem = Key & {
  readonly [Name in "entity" | "entityVersion" | typeof DOCUMENT | BareAttribute]?: unknown;
};

/** The properties of an item, whether they are attributes or in the document. */
export type Properties = Key & Readonly<Record<string, unknown>>;

/** A stored shape: its name, its version and how to read and write it. */
export interface Entity<Stored extends object, Written extends object = Stored> {
  readonly name: string;
  readonly version: number;
  /** Names of the properties that are attributes of an item. The other properties are in its document. */
  readonly attributes: readonly string[];
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
  /** Makes the item to write: key, stamp, attributes and document. Undefined properties are left out. */
  write(key: Key, stored: Written, extra?: Readonly<Record<string, unknown>>): RawItem;
}

/**
 * Makes an item's properties those of the next version, or of the one before. It gets and returns the properties side by side,
 * whether they are attributes or in the document. Key and stamp are not its to change.
 */
export type Migration = (properties: Properties) => Readonly<Record<string, unknown>>;

/** Step between versions that have the same properties and differ in which of them are attributes. */
export const sameProperties: Migration = (properties) => properties;

/**
 * How items of other versions are read, by that version: each step leads one version nearer to the present one. Steps from older
 * versions stay until no item is of them any more; a step from the next version lets a release read what the one after it writes.
 */
export type Migrations = Readonly<Record<number, Migration>>;

/** How a stored shape is laid out in an item, and how items of other versions are read. */
export interface EntityOptions<Property extends string> {
  /**
   * Properties that are attributes: those that a condition, an update expression, an index or the time to live names. Each other
   * property is in the document. All properties are attributes if it is absent. A change of it needs a new version.
   */
  readonly attributes?: readonly Property[];
  /** Steps from the other versions that may be met. */
  readonly steps?: Migrations;
}

/**
 * Defines a stored shape.
 *
 * @param name stored as `entity`, so that a stream filter and a person can tell items apart
 * @param version stored as `entityVersion`; raised when the stored shape changes, with a step from the one before
 * @param schema what the properties must fit; those in the document are JSON values. A property in the document that has the default
 *   of its schema is not stored, so a default may not change without a new version
 * @param options which properties are attributes, and the steps from other versions
 * @throws RangeError where a step leads to a version from which none goes on
 */
export function defineEntity<Schema extends v.ObjectSchema<v.ObjectEntries, undefined>>(
  name: string,
  version: number,
  schema: Schema,
  { attributes, steps = {} }: EntityOptions<keyof Schema["entries"] & string> = {},
): Entity<v.InferOutput<Schema>, v.InferInput<Schema>> {
  const nearer = (from: number) => (from < version ? from + 1 : from - 1);
  for (const from of Object.keys(steps).map(Number)) {
    if (from === version || (nearer(from) !== version && steps[nearer(from)] === undefined)) {
      throw new RangeError(`${name} ${version}: the step from ${from} leads nowhere`);
    }
  }
  const properties = Object.keys(schema.entries);
  const defaults = new Map(properties.map((each) => [each, defaultOf(schema.entries[each])]));
  const inDocument = new Set(attributes === undefined ? [] : properties.filter((each) => !isOneOf(attributes, each)));

  /** Returns the properties of an item at this version, side by side. */
  function present(item: RawItem): Properties {
    let brought = joined(item);
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

  /** Divides properties into attributes and document. A property of the document that has its default is left out. */
  function divided(whole: Properties): RawItem {
    const item: Record<string, unknown> = {};
    const document: Record<string, unknown> = {};
    for (const [property, value] of Object.entries(whole)) {
      if (property === DOCUMENT) continue;
      if (!inDocument.has(property)) item[property] = value;
      else if (value !== defaults.get(property)) document[property] = value;
    }
    if (inDocument.size > 0) item[DOCUMENT] = JSON.stringify(document);
    return { ...item, pk: whole.pk, sk: whole.sk };
  }

  return {
    name,
    version,
    attributes: attributes ?? properties,
    bring: (item) => {
      const whole = present(item);
      return item.entityVersion === version ? item : divided(whole);
    },
    read(item) {
      const parsed = v.safeParse(schema, present(item));
      if (!parsed.success) {
        const where = parsed.issues.map((issue) => v.getDotPath(issue) ?? "?").join(", ");
        throw new Error(`${item.pk} ${item.sk} does not fit ${name} ${version} at ${where}`);
      }
      return { ...parsed.output, pk: item.pk, sk: item.sk };
    },
    write(key, stored, extra = {}) {
      return divided({ ...stored, ...extra, pk: key.pk, sk: key.sk, entity: name, entityVersion: version });
    },
  };
}

/** Returns the default of a property that may be absent; undefined if there is none. */
const defaultOf = (property: v.GenericSchema | undefined): unknown =>
  (property as { default?: unknown } | undefined)?.default;

const isOneOf = (names: readonly string[], name: string): boolean => names.includes(name);

/** Puts the properties of an item's document beside its attributes, of which the document stays one. */
function joined(item: RawItem): Properties {
  // Not a spread into a new object, which takes several times as long for so many properties.
  const document = item[DOCUMENT] === undefined ? {} : parseJson<Record<string, unknown>>(String(item[DOCUMENT]));
  return Object.assign(document, item);
}
