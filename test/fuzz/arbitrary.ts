/** Generates values from the document's schemas. */

import fc from "fast-check";

/** JSON Schema as parsed. */
export type Schema = Record<string, unknown>;

/** Placeholder for an existing resource, such as a region or the slug of a cluster, which is known only when a request is sent. */
export class Real {
  readonly name: string;
  readonly pick: number;

  /** @param pick selects one of the existing resources */
  constructor(name: string, pick: number) {
    this.name = name;
    this.pick = pick;
  }
}

/** Placeholder for an existing resource of this name. */
export const real = (name: string): fc.Arbitrary<Real> => fc.nat(1_000).map((pick) => new Real(name, pick));

/** Mostly an existing resource, rarely an invented one. */
export const orReal = (name: string, invented: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: REAL_WEIGHT, arbitrary: real(name) as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: invented });

/** Builds an object from entries, including `__proto__`. */
export function objectOf(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [name, value] of entries) {
    Object.defineProperty(made, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return made;
}

/** Supported keywords that restrict values. */
const USED = new Set(
  "type properties required additionalProperties propertyNames maxProperties items minItems maxItems enum anyOf oneOf $ref pattern format minLength maxLength minimum maximum".split(
    " ",
  ),
);
/** Keywords that do not restrict values. */
const IDLE = new Set("title description default example examples contentMediaType writeOnly".split(" "));

/** Number of absences of an optional property for each presence. */
const ABSENT_WEIGHT = 4;
/** Number of presences of a property that is needed although no schema requires it, for each absence. */
const NEEDED_WEIGHT = 30;
/** Number of existing resources for each invented one. */
const REAL_WEIGHT = 60;
/** Maximum size of generated values; larger ones are generated deliberately, elsewhere. */
const MOST = 6;

const count = (value: unknown, otherwise: number) => (typeof value === "number" ? value : otherwise);

/**
 * Builds converters of schemas.
 *
 * @param components the document's schemas by name, for `$ref`
 * @param realNames properties that name an existing resource, and its name for `Real`
 * @param needed properties that are nearly always present although they are not required, by component
 * @returns a function that generates values of a schema, with existing resources as `Real`; it throws Error for an unknown
 * keyword, so that no rule of a schema is ignored
 */
export function converter(
  components: Record<string, Schema>,
  realNames: ReadonlyMap<string, string>,
  needed: Readonly<Record<string, readonly string[]>>,
): (schema: Schema) => fc.Arbitrary<unknown> {
  const referred = new Map<string, fc.Arbitrary<unknown>>();

  function convert(schema: Schema, likely: readonly string[] = []): fc.Arbitrary<unknown> {
    const unknown = Object.keys(schema).filter((keyword) => !USED.has(keyword) && !IDLE.has(keyword));
    if (unknown.length > 0) throw new Error(`test/fuzz/arbitrary.ts does not support ${unknown.join(", ")}`);
    if (typeof schema.$ref === "string") return ofReference(schema.$ref);
    if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
    const either = schema.anyOf ?? schema.oneOf;
    if (Array.isArray(either)) return fc.oneof(...either.map((each: Schema) => convert(each)));
    switch (schema.type) {
      case "boolean":
        return fc.boolean();
      case "integer":
        return fc.integer({ min: count(schema.minimum, -(2 ** 31)), max: count(schema.maximum, 2 ** 31 - 1) });
      case "number":
        return fc.double({ min: count(schema.minimum, -(2 ** 31)), max: count(schema.maximum, 2 ** 31), noNaN: true });
      case "string":
        return ofText(schema);
      case "array":
        return fc.array(convert(schema.items as Schema), {
          minLength: count(schema.minItems, 0),
          maxLength: Math.min(count(schema.maxItems, MOST), MOST),
        });
      case "object":
        return ofObject(schema, likely);
      default:
        throw new Error(`test/fuzz/arbitrary.ts does not support the type ${JSON.stringify(schema.type)}`);
    }
  }

  function ofReference(ref: string): fc.Arbitrary<unknown> {
    const name = ref.slice("#/components/schemas/".length);
    const target = components[name];
    if (target === undefined) throw new Error(`${ref} not found`);
    const made = referred.get(name) ?? convert(target, needed[name]);
    referred.set(name, made);
    return made;
  }

  function ofObject(schema: Schema, likely: readonly string[]): fc.Arbitrary<unknown> {
    const required = new Set(Array.isArray(schema.required) ? schema.required : []);
    const members = Object.entries((schema.properties ?? {}) as Record<string, Schema>).map(([name, property]) => {
      const known = realNames.get(name);
      const value = known === undefined ? convert(property) : orReal(known, convert(property));
      const member = value.map((each): [string, unknown][] => [[name, each]]);
      const absent = fc.constant<[string, unknown][]>([]);
      if (required.has(name)) return member;
      const [there, not] = likely.includes(name) ? [NEEDED_WEIGHT, 1] : [1, ABSENT_WEIGHT];
      return fc.oneof({ weight: not, arbitrary: absent }, { weight: there, arbitrary: member });
    });
    const own = fc.tuple(...members).map((entries) => entries.flat());
    if (typeof schema.additionalProperties !== "object" || schema.additionalProperties === null)
      return own.map(objectOf);
    const name = schema.propertyNames === undefined ? fc.string() : ofText(schema.propertyNames as Schema);
    const more = fc.array(fc.tuple(name, convert(schema.additionalProperties as Schema)), {
      maxLength: Math.min(count(schema.maxProperties, MOST), MOST),
    });
    return fc.tuple(own, more).map((parts) => objectOf(parts.flat()));
  }

  return (schema) => convert(schema);
}

/** Generates text of a schema; free text has any characters. */
function ofText(schema: Schema): fc.Arbitrary<string> {
  if (schema.format === "uuid") return fc.uuid();
  const [min, max] = [count(schema.minLength, 0), count(schema.maxLength, Number.POSITIVE_INFINITY)];
  if (typeof schema.pattern !== "string") {
    const maxLength = Math.min(max, 40);
    const text = fc.oneof(
      fc.string({ maxLength }),
      fc.string({ unit: "binary", maxLength: Math.floor(maxLength / 2) }),
    );
    return text.filter(({ length }) => length >= min && length <= max);
  }
  const pattern = new RegExp(schema.pattern);
  return matching(schema.pattern).filter((text) => pattern.test(text) && text.length >= min && text.length <= max);
}

const generators = new Map<string, fc.Arbitrary<string>>();

/** Builds a generator for a pattern once: a hundred parameters have the same few, and each takes fast-check up to 0.1 s to build. */
function matching(pattern: string): fc.Arbitrary<string> {
  const made = generators.get(pattern) ?? fc.stringMatching(new RegExp(withoutLookahead(pattern)), { size: "small" });
  generators.set(pattern, made);
  return made;
}

/** Returns a pattern without its initial lookahead, which fast-check cannot generate; it is checked afterwards. */
function withoutLookahead(pattern: string): string {
  if (!pattern.startsWith("^(?=")) return pattern;
  let depth = 0;
  let inClass = false;
  for (let at = 1; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "\\") at++;
    else if (inClass) inClass = character !== "]";
    else if (character === "[") inClass = true;
    else if (character === "(") depth++;
    else if (character === ")" && --depth === 0) return `^${pattern.slice(at + 1)}`;
  }
  return pattern;
}
