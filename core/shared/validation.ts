/** Validates input against a schema: finds every problem, the valid parts and the unknown properties. */

import * as v from "valibot";
import type { Problem } from "./errors.ts";
import { isObject } from "./json.ts";

type Schema = v.GenericSchema;

/** Maximum length of a value or name in an error, in UTF-16 units. */
const SHOWN = 64;

/** Well-formed parts of an input, for rules across properties; any part may be missing. */
export type Draft<T> = T extends readonly (infer Element)[]
  ? (Draft<Element> | undefined)[]
  : T extends object
    ? { [K in keyof T]?: Draft<T[K]> | undefined }
    : T;

/**
 * Plain value that was sent in place of an object with one property. Normalisers wrap it, so that the schema validates the object
 * and problems contain the path of the plain value, as the caller sent it.
 */
export class Shorthand {
  readonly property: string;
  readonly value: unknown;

  /**
   * @param property property of the object that the value replaces
   * @param value value as sent
   */
  constructor(property: string, value: unknown) {
    this.property = property;
    this.value = value;
  }
}

/** Parsed input. An operation gets it with its problems, because it reports them only to a caller that it has authorized. */
export interface Parsed<T> {
  /** Well-formed parts of the input. */
  readonly value: T;
  readonly problems: readonly Problem[];
  /** Paths of the properties, or names of the parameters, that the input has and its schema lacks. */
  readonly unknown: readonly string[];
}

/** Result of a validation. The value is undefined if no part of it is well formed. */
export interface Validated<T> extends Parsed<Draft<T> | undefined> {
  /** Paths of objects in whose place a plain value was sent. */
  readonly shorthands: ReadonlySet<string>;
  /** Returns the whole value, if there are no problems. */
  complete(): T;
}

/**
 * Validates an input and finds every problem. `null` counts as absent. Only parts that the schema knows are visited, so deep
 * nesting costs nothing.
 *
 * @param schema plain objects, arrays, maps, optionals and leaves; it is the published shape
 * @param input any JSON value, or a `Shorthand` in place of an object
 * @param hidesValues true if no problem shows a value: of an input with secrets, which can be in the wrong property
 */
export function validate<S extends Schema>(
  schema: S,
  input: unknown,
  { hidesValues = false }: { hidesValues?: boolean } = {},
): Validated<v.InferOutput<S>> {
  const found: Found = { problems: [], unknown: [], shorthands: new Set(), hidesValues };
  const value = walk(schema, input, ROOT, found) as Draft<v.InferOutput<S>> | undefined;
  const { problems, unknown, shorthands } = found;
  return {
    value,
    problems,
    unknown,
    shorthands,
    complete() {
      if (found.problems.length > 0) throw new Error("a value with problems is not complete");
      return value as v.InferOutput<S>;
    },
  };
}

interface Found {
  problems: Problem[];
  unknown: string[];
  shorthands: Set<string>;
  hidesValues: boolean;
}

/** Path in an input: `shown` for problems, with each name shortened, and `plain`, of which only the start is kept. */
interface PropertyPath {
  shown: string;
  plain: string;
}

const ROOT: PropertyPath = { shown: "", plain: "" };

/** Returns a member's path as a problem names it: the name cut short, and halves of surrogate pairs as escapes. */
export function memberPath(path: string, name: string): string {
  const start = [...name.slice(0, 2 * SHOWN)].slice(0, SHOWN).join("");
  const short = start.replace(/\p{Cs}/gu, (half) => JSON.stringify(half).slice(1, -1));
  return `${path}${path === "" ? "" : "."}${short}${start.length < name.length ? "…" : ""}`;
}

/** Returns an element's path as a problem names it. */
export const elementPath = (path: string, index: number): string => `${path}[${index}]`;

const member = (path: PropertyPath, name: string): PropertyPath => ({
  shown: memberPath(path.shown, name),
  plain: `${path.plain}${path.shown === "" ? "" : "."}${name}`.slice(0, SHOWN),
});

const element = ({ shown, plain }: PropertyPath, index: number): PropertyPath => ({
  shown: elementPath(shown, index),
  plain: elementPath(plain, index).slice(0, SHOWN),
});

interface Shape extends Schema {
  wrapped?: Schema;
  pipe?: readonly unknown[];
  entries?: Record<string, Schema>;
  item?: Schema;
  value?: Schema;
  key?: Schema;
  default?: unknown;
}

function walk(schema: Schema, input: unknown, path: PropertyPath, found: Found): unknown {
  const shape = schema as Shape;
  if (shape.type === "optional" && shape.wrapped !== undefined) {
    if (input !== undefined && input !== null) return walk(shape.wrapped, input, path, found);
    return shape.default;
  }
  if (input === undefined || input === null) {
    found.problems.push({ path: path.shown, message: path.shown === "" ? "The body is required." : "is required" });
    return undefined;
  }
  if (shape.type === "object" || shape.type === "array" || shape.type === "record") {
    const before = found.problems.length;
    const value = walkContainer(shape, input, path, found);
    // Checks of a container (number, size) run only if its parts are valid. Their output is not used, because valibot omits names
    // such as `constructor` when it builds a record.
    if (found.problems.length === before && shape.pipe !== undefined) leaf(shape, value, path, found);
    return found.problems.length > before && !isContainer(value) ? undefined : value;
  }
  return leaf(shape, input, path, found);
}

const isContainer = (value: unknown) => typeof value === "object" && value !== null;

function walkContainer(shape: Shape, input: unknown, path: PropertyPath, found: Found): unknown {
  if (shape.type === "array" && shape.item !== undefined) {
    const { item } = shape;
    if (!Array.isArray(input)) return addProblem(shape, path, input, "must be an array", found);
    return input.map((each, index) => walk(item, each, element(path, index), found));
  }
  if (input instanceof Shorthand) return walkShorthand(shape, input, path, found);
  if (!isObject(input)) return addProblem(shape, path, input, "must be an object", found);
  const { entries, key, value } = shape;
  if (entries !== undefined) {
    for (const name of Object.keys(input)) {
      if (!Object.hasOwn(entries, name)) found.unknown.push(member(path, name).plain);
    }
    const parts = new Map(
      Object.entries(entries).map(([name, entry]) => [
        name,
        walk(entry, Object.hasOwn(input, name) ? input[name] : undefined, member(path, name), found),
      ]),
    );
    // In the order in which they were sent, so that data stored as text is returned as sent; defaults last.
    const names = new Set([...Object.keys(input), ...parts.keys()]);
    return Object.fromEntries(
      [...names].map((name) => [name, parts.get(name)]).filter(([, part]) => part !== undefined),
    );
  }
  const parts: [string, unknown][] = [];
  for (const [name, part] of Object.entries(input)) {
    if (part === null) continue;
    const at = member(path, name);
    if (key !== undefined) leaf(key, name, at, found);
    if (value !== undefined) parts.push([name, walk(value, part, at, found)]);
  }
  // Object.fromEntries defines properties, so a name such as `__proto__` stays a name.
  return Object.fromEntries(parts);
}

function walkShorthand({ entries }: Shape, { property, value }: Shorthand, path: PropertyPath, found: Found): unknown {
  const entry = entries?.[property];
  if (entry === undefined) throw new Error(`the schema has no property ${property} that a plain value can replace`);
  found.shorthands.add(path.shown);
  const part = walk(entry, value, path, found);
  return part === undefined ? {} : { [property]: part };
}

function leaf(schema: Schema, input: unknown, path: PropertyPath, found: Found): unknown {
  const parsed = v.safeParse(schema, input);
  if (parsed.success) return parsed.output;
  const texts = new Set(parsed.issues.map((issue) => requirement(issue)));
  return addProblem(schema, path, input, [...texts].join("; "), found);
}

/** Metadata of a value that is never shown, in JSON Schema's words. The contents of an object with this metadata are not shown either. */
export const SECRET = { writeOnly: true, format: "password" } as const;

/** Returns whether a value in the place of a schema may be a secret: the schema, or a part of it, is marked as one. */
function isSecret(schema: Schema): boolean {
  const { pipe = [], wrapped, entries, item, value } = schema as Shape;
  if (pipe.some((each) => (each as { metadata?: { writeOnly?: unknown } }).metadata?.writeOnly === true)) return true;
  const parts = [wrapped, item, value, ...Object.values(entries ?? {})];
  return parts.some((part) => part !== undefined && isSecret(part));
}

function addProblem(
  schema: Schema,
  { shown }: PropertyPath,
  input: unknown,
  text: string,
  { problems, hidesValues }: Found,
): undefined {
  if (hidesValues || isSecret(schema)) {
    problems.push({ path: shown, message: shown === "" ? `The body ${text}.` : text });
    return undefined;
  }
  const value = formatValue(input);
  problems.push({
    path: shown,
    message: shown === "" ? `The body, ${value}, is not allowed: ${text}` : `${value} is not allowed: ${text}`,
  });
  return undefined;
}

/** Returns the requirement of an issue as text. The default case is the schema's own message, which explains its pattern. */
function requirement(issue: v.BaseIssue<unknown>): string {
  const { type, requirement: bound } = issue as v.BaseIssue<unknown> & { requirement?: unknown };
  switch (type) {
    case "string":
      return "must be a string";
    case "number":
      return "must be a number";
    case "boolean":
      return "must be true or false";
    case "picklist":
      return `must be one of ${(issue.expected ?? "")
        .replace(/^\(|\)$/g, "")
        .replaceAll(" | ", ", ")
        .replaceAll(`""`, "an empty text")
        .replaceAll('"', "")}`;
    case "min_value":
      return `must be at least ${String(bound)}`;
    case "max_value":
      return `must be at most ${String(bound)}`;
    case "integer":
    case "safe_integer":
      return "must be a whole number";
    case "min_length":
      return `must have at least ${lengthOf(bound, issue.input)}`;
    case "max_length":
    case "max_entries":
      return `must have at most ${lengthOf(bound, issue.input)}`;
    default:
      return issue.message;
  }
}

/** Formats the limit of a length with its unit: characters of a string, entries of a list or map. */
function lengthOf(bound: unknown, input: unknown): string {
  const [one, several] = typeof input === "string" ? ["character", "characters"] : ["entry", "entries"];
  return `${String(bound)} ${bound === 1 ? one : several}`;
}

/**
 * Formats a value for a message, shortened. An object or array is only named as such.
 *
 * @param input any value that a caller sent
 */
export function formatValue(input: unknown, most = SHOWN): string {
  // JSON writes half a surrogate pair as an escape, which is what was sent.
  if (typeof input === "string") return shorten(input, most, JSON.stringify);
  if (Array.isArray(input)) return "an array";
  return typeof input === "object" && input !== null ? "an object" : String(input);
}

/**
 * Shortens a text that is too long for a message, and adds its length.
 *
 * @param most maximum number of characters
 * @param write formats the shortened text
 */
export function shorten(text: string, most = SHOWN, write: (text: string) => string = String): string {
  if (text.length <= most) return write(text);
  const characters = [...text];
  if (characters.length <= most) return write(text);
  return `${write(characters.slice(0, most).join(""))}… (${characters.length} characters)`;
}
