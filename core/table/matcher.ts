/** Checks stored values quickly: nearly every stored item matches its schema as it is, without a default or a property to remove. */

import * as v from "valibot";

/** Returns whether a value matches a schema, and parsing would return an equal value. False if that is not certain. */
export type Matcher = (value: unknown) => boolean;

/** Parts of a schema that are read. */
interface Schema extends v.GenericSchema {
  /** The schema that a pipe begins with, and its actions and further schemas. */
  pipe?: readonly [v.GenericSchema, ...{ kind: string }[]];
  entries?: Record<string, v.GenericSchema>;
  item?: v.GenericSchema;
  wrapped?: v.GenericSchema;
  default?: unknown;
  options?: readonly unknown[];
  check?: Matcher;
}

/** Validation in the pipe of a schema, which does not change its value. */
interface Validation {
  "~run"(dataset: { typed: true; value: unknown }, config: object): { issues?: unknown };
}

/** Types of schemas whose values no other of these types accepts. */
const PRIMITIVES: ReadonlySet<string> = new Set(["string", "number", "boolean"]);

/** Kinds of actions in a pipe that change no value. */
const UNCHANGING: ReadonlySet<string> = new Set(["validation", "metadata"]);

/** Creates the matcher of a schema. Schemas of other kinds than those of stored shapes, and with transformations, are parsed. */
export function createMatcher(schema: v.GenericSchema): Matcher {
  const { pipe } = schema as Schema;
  if (pipe === undefined) return createTypeMatcher(schema) ?? createParser(schema);
  const [first, ...actions] = pipe;
  if (!actions.every(({ kind }) => UNCHANGING.has(kind))) return createParser(schema);
  // The first schema can have a pipe of its own.
  const matches = createMatcher(first);
  const validations = actions.filter(({ kind }) => kind === "validation") as unknown as Validation[];
  if (validations.length === 0) return matches;
  return (value) =>
    matches(value) && validations.every((each) => each["~run"]({ typed: true, value }, {}).issues === undefined);
}

/** Creates the matcher that parses a value, and compares the result with it. */
const createParser =
  (schema: v.GenericSchema): Matcher =>
  (value) => {
    const parsed = v.safeParse(schema, value);
    return parsed.success && Object.is(parsed.output, value);
  };

/** Creates the matcher of a schema without a pipe; undefined for another type. */
function createTypeMatcher(schema: v.GenericSchema): Matcher | undefined {
  const { type, entries, item, wrapped, options, check, default: fallback }: Schema = schema;
  if (type === "string") return (value) => typeof value === "string";
  if (type === "number") return (value) => typeof value === "number" && !Number.isNaN(value);
  if (type === "boolean") return (value) => typeof value === "boolean";
  if (type === "custom") return check;
  if (type === "picklist" && options !== undefined) {
    const allowed = new Set(options);
    return (value) => allowed.has(value);
  }
  if (type === "union" && options !== undefined) {
    const alternatives = options as readonly Schema[];
    if (!alternatives.every((each) => PRIMITIVES.has(each.type) && each.pipe === undefined)) return undefined;
    const matchers = alternatives.map(createMatcher);
    return (value) => matchers.some((matches) => matches(value));
  }
  if (type === "optional" && wrapped !== undefined) {
    const matches = createMatcher(wrapped);
    return (value) => (value === undefined ? fallback === undefined : matches(value));
  }
  if (type === "array" && item !== undefined) {
    const matches = createMatcher(item);
    return (value) => Array.isArray(value) && value.every(matches);
  }
  return type === "object" && entries !== undefined ? createObjectMatcher(entries) : undefined;
}

function createObjectMatcher(entries: Record<string, v.GenericSchema>): Matcher {
  const members = Object.entries(entries).map(([name, entry]) => ({ name, matches: createMatcher(entry) }));
  const positions = new Map(members.map(({ name }, position) => [name, position]));
  const required = members.filter(({ matches }) => !matches(undefined));
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const given = value as Record<string, unknown>;
    let last = -1;
    for (const name of Object.keys(given)) {
      const position = positions.get(name) ?? -1;
      // Parsing returns the members in the order of the schema.
      if (position <= last || members[position]?.matches(given[name]) !== true) return false;
      last = position;
    }
    return required.every(({ name }) => Object.hasOwn(given, name));
  };
}
