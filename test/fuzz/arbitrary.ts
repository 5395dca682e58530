/** From the document's schemas to values of them. */

import fc from "fast-check";

/** JSON Schema as it is read. */
export type Schema = Record<string, unknown>;

/** Stands for something that is really there, such as a region or the slug of a cluster: known when a request is sent. */
export class Real {
  readonly name: string;
  readonly pick: number;

  /** @param pick which one of those there are */
  constructor(name: string, pick: number) {
    this.name = name;
    this.pick = pick;
  }
}

/** Something that is there of this name. */
export const real = (name: string): fc.Arbitrary<Real> => fc.nat(1_000).map((pick) => new Real(name, pick));

/** Mostly something that is there, seldom something invented. */
export const orReal = (name: string, invented: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: REAL_WEIGHT, arbitrary: real(name) as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: invented });

/** Makes an object of entries, `__proto__` too. */
export function objectOf(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [name, value] of entries) {
    Object.defineProperty(made, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return made;
}

/** Keywords that say something about values and are taken up below. */
const USED = new Set(
  "type properties required additionalProperties propertyNames maxProperties items maxItems enum anyOf oneOf $ref pattern format minLength maxLength minimum maximum".split(
    " ",
  ),
);
/** Keywords that say nothing about values. */
const IDLE = new Set("title description default example examples contentMediaType".split(" "));

/** How often a property that need not be there is: of one, this many are not. */
const ABSENT_WEIGHT = 4;
/** How often a property that is needed although no schema says so is left out all the same: of one that is, this many are there. */
const NEEDED_WEIGHT = 30;
/** How often something real stands where there is something real: of one invented, this many. */
const REAL_WEIGHT = 60;
/** Beyond this nothing grows by itself: what is larger is made on purpose, elsewhere. */
const MOST = 6;

const count = (value: unknown, otherwise: number) => (typeof value === "number" ? value : otherwise);

/**
 * Makes conversions of schemas.
 *
 * @param components the document's schemas by name, for `$ref`
 * @param realNames properties that name something that is there, and the name `Real` has for it
 * @param needed properties that are nearly always there although they are not required, by component
 * @returns what makes values of a schema, in which things that are there stand as `Real`; it throws Error for a keyword that
 *   it does not know, so that a schema never says more than what is generated keeps to
 */
export function converter(
  components: Record<string, Schema>,
  realNames: ReadonlyMap<string, string>,
  needed: Readonly<Record<string, readonly string[]>>,
): (schema: Schema) => fc.Arbitrary<unknown> {
  const referred = new Map<string, fc.Arbitrary<unknown>>();

  function convert(schema: Schema, likely: readonly string[] = []): fc.Arbitrary<unknown> {
    const unknown = Object.keys(schema).filter((keyword) => !USED.has(keyword) && !IDLE.has(keyword));
    if (unknown.length > 0) throw new Error(`test/fuzz/arbitrary.ts does not know ${unknown.join(", ")}`);
    if (typeof schema.$ref === "string") return ofReference(schema.$ref);
    if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
    const either = schema.anyOf ?? schema.oneOf;
    if (Array.isArray(either)) return fc.oneof(...either.map((each: Schema) => convert(each)));
    switch (schema.type) {
      case "boolean":
        return fc.boolean();
      case "integer":
        return fc.integer({ min: count(schema.minimum, -(2 ** 31)), max: count(schema.maximum, 2 ** 31 - 1) });
      case "string":
        return ofText(schema);
      case "array":
        return fc.array(convert(schema.items as Schema), { maxLength: Math.min(count(schema.maxItems, MOST), MOST) });
      case "object":
        return ofObject(schema, likely);
      default:
        throw new Error(`test/fuzz/arbitrary.ts does not know the type ${JSON.stringify(schema.type)}`);
    }
  }

  function ofReference(ref: string): fc.Arbitrary<unknown> {
    const name = ref.slice("#/components/schemas/".length);
    const target = components[name];
    if (target === undefined) throw new Error(`there is no ${ref}`);
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

/** Text of a schema; free text has any characters. */
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
  return fc
    .stringMatching(new RegExp(withoutLookahead(schema.pattern)), { size: "small" })
    .filter((text) => pattern.test(text) && text.length >= min && text.length <= max);
}

/** A pattern without what it looks ahead for at its begin, which fast-check cannot generate from; it is checked afterwards. */
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
