/**
 * Stored items: marked with entity and version and divided into attributes and one document when written, parsed with a schema when
 * read.
 */

import * as v from "valibot";
import { parseJson } from "../shared/json.ts";
import type { Key } from "./keys.ts";
import { createMatcher } from "./matcher.ts";

/** Name of the attribute that contains every property that DynamoDB need not see, as one JSON text. */
export const DOCUMENT = "document";

/**
 * Attributes that code reads from items without their entity, besides entity and version. Each is an attribute in every entity whose items
 * are read in this way. Other properties may be in a document, so the type of an item does not have them.
 */
type BareAttribute =
  | "deletedAt"
  | "dueAt"
  | "environmentIdentity"
  | "fence"
  | "identity"
  | "leaseId"
  | "leaseUntil"
  | "listPk"
  | "organisation"
  | "row"
  | "sealed"
  | "status"
  | "ttl";

/** Item as read from the table, before its schema is applied. */
export type RawItem = Key & {
  readonly [Name in "entity" | "entityVersion" | typeof DOCUMENT | BareAttribute]?: unknown;
};

/** The properties of an item, whether they are attributes or in the document. */
export type Properties = Key & Readonly<Record<string, unknown>>;

/** Stored shape with its name, its version and its conversions. */
export interface Entity<Stored extends object, Written extends object = Stored> {
  readonly name: string;
  readonly version: number;
  /** Names of the properties that are attributes of an item. The other properties are in its document. */
  readonly attributes: readonly string[];
  /**
   * Parses a stored item of this version, or of a version with migrations to this one. Removes properties that the schema does not name.
   *
   * @throws Error with key and property if the item is of another entity or does not match the schema: a defect or a manual change
   */
  read(item: RawItem): Stored & Key;
  /**
   * Migrates an item to this version, with all of its attributes. Returns an item of this version unchanged.
   *
   * @throws Error with the key if the item is of another entity, or its version has no migration
   */
  upgrade(item: RawItem): RawItem;
  /** Builds the item to write: key, entity, version, attributes and document. Undefined properties are omitted. */
  write(key: Key, stored: Written, extra?: Readonly<Record<string, unknown>>): RawItem;
}

/**
 * Converts the properties of an item to the next version or to the one before. It gets and returns attributes and properties of the
 * document in one object. It cannot change key, entity and version.
 */
export type Migration = (properties: Properties) => Readonly<Record<string, unknown>>;

/** Migration between versions that have the same properties and differ in which of them are attributes. */
export const sameProperties: Migration = (properties) => properties;

/**
 * Migrations by the version that they read: each converts to the version that is one nearer to the current one. Migrations from older
 * versions remain until no item has them. A migration from the next version lets a release read items of the release after it.
 */
type Migrations = Readonly<Record<number, Migration>>;

/** Layout of a stored shape in an item, and migrations from other versions. */
interface EntityOptions<Property extends string> {
  /**
   * Properties that are attributes: those that a condition, an update expression, an index or the time to live names. Each other
   * property is in the document. All properties are attributes if it is absent. A change of it needs a new version.
   */
  readonly attributes?: readonly Property[];
  /**
   * Returns properties that follow from the key and the attributes of an item. They are left out of its document where they have the same
   * value. A change of it needs a new version.
   */
  readonly derive?: ((item: RawItem) => Readonly<Record<string, unknown>>) | undefined;
  /** Migrations from other versions. */
  readonly migrations?: Migrations;
}

/**
 * Defines a stored shape.
 *
 * @param name stored as `entity`, so that stream filters and operators can distinguish items
 * @param version stored as `entityVersion`; raised with a migration when the stored shape changes
 * @param schema schema of the properties; those in the document are JSON values. A property in the document that has the default
 *   of its schema is not stored, so a default may not change without a new version
 * @param options attributes, and migrations from other versions
 * @throws RangeError if a migration leads to a version without a further migration
 */
export function defineEntity<Schema extends v.ObjectSchema<v.ObjectEntries, undefined>>(
  name: string,
  version: number,
  schema: Schema,
  { attributes, derive = nothing, migrations = {} }: EntityOptions<keyof Schema["entries"] & string> = {},
): Entity<v.InferOutput<Schema>, v.InferInput<Schema>> {
  const nearer = (from: number) => (from < version ? from + 1 : from - 1);
  for (const from of Object.keys(migrations).map(Number)) {
    if (from === version || (nearer(from) !== version && migrations[nearer(from)] === undefined)) {
      throw new RangeError(`${name} ${version}: the migration from ${from} does not lead to the current version`);
    }
  }
  const properties = Object.keys(schema.entries);
  const defaults = new Map(properties.map((each) => [each, defaultOf(schema.entries[each])]));
  const inDocument = new Set(attributes === undefined ? [] : properties.filter((each) => !isOneOf(attributes, each)));

  const readMatching = createReader(schema, inDocument, derive);

  /** Returns the properties of an item at this version, side by side. */
  function present(item: RawItem): Properties {
    let current = joined(item, item.entityVersion === version ? derive : nothing);
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

  /** Divides properties into attributes and document. A property of the document that has its default or derived value is left out. */
  function divided(whole: Properties): RawItem {
    const item: Record<string, unknown> = {};
    for (const [property, value] of Object.entries(whole)) {
      if (property !== DOCUMENT && !inDocument.has(property)) item[property] = value;
    }
    const result: RawItem = { ...item, pk: whole.pk, sk: whole.sk };
    if (inDocument.size === 0) return result;
    const derived = derive(result);
    const document: Record<string, unknown> = {};
    for (const property of Object.keys(whole)) {
      const value = whole[property];
      // A property with its default is stored if another value is derived.
      const implied = Object.hasOwn(derived, property) ? derived[property] : defaults.get(property);
      if (inDocument.has(property) && value !== implied) document[property] = value;
    }
    return { ...result, [DOCUMENT]: JSON.stringify(document) };
  }

  return {
    name,
    version,
    attributes: attributes ?? properties,
    upgrade: (item) => {
      const whole = present(item);
      return item.entityVersion === version ? item : divided(whole);
    },
    read(item) {
      if (item.entity === name && item.entityVersion === version) {
        const matching = readMatching(item);
        if (matching !== undefined) return matching as v.InferOutput<Schema> & Key;
      }
      const parsed = v.safeParse(schema, present(item));
      if (!parsed.success) {
        const where = parsed.issues.map((issue) => v.getDotPath(issue) ?? "?").join(", ");
        throw new Error(`${item.pk} ${item.sk} does not match ${name} ${version} at ${where}`);
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

/** Maximum number of combinations of optional properties for which a reader keeps an object to copy. */
const MAX_SHAPES = 100;

/**
 * Creates the reader of items of the current version that match the schema as they are. It takes a tenth of the time of a parse.
 *
 * @returns a function that returns the item with key and defaults, or undefined if it does not match: then parsing it finds the
 *   reasons, or removes properties that the schema does not name
 */
function createReader(
  schema: v.ObjectSchema<v.ObjectEntries, undefined>,
  inDocument: ReadonlySet<string>,
  derive: (item: RawItem) => Readonly<Record<string, unknown>>,
) {
  const properties = Object.entries(schema.entries).map(([name, entry]) => ({
    ...{ name, isInDocument: inDocument.has(name), defaultValue: defaultOf(entry), matches: createMatcher(entry) },
  }));
  // A copy of an object with the same properties takes a fraction of the time of adding them one after the other.
  const shapes = new Map<string, object>();
  return (item: RawItem): object | undefined => {
    const attributes = item as Properties;
    // An attribute has precedence over the same property of the document.
    for (const name of Object.keys(attributes)) if (inDocument.has(name)) return undefined;
    const text = item[DOCUMENT];
    const document = text === undefined ? {} : parseJson<Record<string, unknown>>(String(text));
    const derived = derive(item);
    const names: string[] = [];
    const values: unknown[] = [];
    let shape = "";
    for (const { name, isInDocument, defaultValue, matches } of properties) {
      const stored = !isInDocument && attributes[name] !== undefined ? attributes[name] : document[name];
      const value = stored === undefined ? (derived[name] ?? defaultValue) : stored;
      if (!matches(value)) return undefined;
      shape += value === undefined ? "0" : "1";
      if (value === undefined) continue;
      names.push(name);
      values.push(value);
    }
    let empty = shapes.get(shape);
    if (empty === undefined) {
      empty = JSON.parse(
        JSON.stringify(Object.fromEntries([...names, "pk", "sk"].map((name) => [name, null]))),
      ) as object;
      if (shapes.size < MAX_SHAPES) shapes.set(shape, empty);
    }
    const result: Record<string, unknown> = { ...empty, pk: item.pk, sk: item.sk };
    for (let at = 0; at < names.length; at++) result[names[at] ?? ""] = values[at];
    return result;
  };
}

/** Puts the derived properties and those of an item's document beside its attributes, of which the document stays one. */
function joined(item: RawItem, derive: (item: RawItem) => Readonly<Record<string, unknown>>): Properties {
  // Not a spread into a new object, which takes several times as long for so many properties.
  const document = item[DOCUMENT] === undefined ? {} : parseJson<Record<string, unknown>>(String(item[DOCUMENT]));
  const derived = derive(item);
  for (const name of Object.keys(derived)) if (document[name] === undefined) document[name] = derived[name];
  return Object.assign(document, item);
}

/** Derives no properties. */
const nothing = () => ({});
