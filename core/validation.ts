/** Checking input against a schema: every problem at once, what is good kept, what is unknown named. */

import * as v from "valibot";
import type { Problem } from "./errors.ts";

type Schema = v.GenericSchema;

/** How much of a caller's value or name an error repeats, in UTF-16 units. */
const SHOWN = 64;

/** Well-formed parts of an input, where some may be missing or malformed: what rules across properties work on. */
export type Draft<T> = T extends readonly (infer Element)[]
  ? (Draft<Element> | undefined)[]
  : T extends object
    ? { [K in keyof T]?: Draft<T[K]> | undefined }
    : T;

/** What became of an input. */
export interface Checked<T> {
  /** The parts that fit; undefined where nothing does. */
  draft: Draft<T> | undefined;
  problems: Problem[];
  /** Paths of properties the schema does not have, as they may stand in a header: names percent-encoded. */
  unknown: string[];
  /** The whole value, once there are no problems. */
  complete(): T;
}

/**
 * Checks an input. `null` counts as left out. Every problem is found, not only the first, and nothing of the input is
 * descended into beyond what the schema knows, so deep nesting costs nothing.
 *
 * @param schema plain objects, arrays, maps, optionals and leaves; what it says is the published shape
 * @param input anything JSON can hold
 */
export function check<S extends Schema>(schema: S, input: unknown): Checked<v.InferOutput<S>> {
  const problems: Problem[] = [];
  const unknown: string[] = [];
  const draft = walk(schema, input, "", problems, unknown) as Draft<v.InferOutput<S>> | undefined;
  return {
    draft,
    problems,
    unknown,
    complete() {
      if (problems.length > 0) throw new Error("a value with problems is not complete");
      return draft as v.InferOutput<S>;
    },
  };
}

function join(path: string, name: string): string {
  const shown = name.length > SHOWN ? `${name.slice(0, SHOWN)}…` : name;
  return path === "" ? shown : `${path}.${shown}`;
}

const isObject = (input: unknown): input is Record<string, unknown> =>
  typeof input === "object" && input !== null && !Array.isArray(input);

interface Shape extends Schema {
  wrapped?: Schema;
  pipe?: readonly unknown[];
  entries?: Record<string, Schema>;
  item?: Schema;
  value?: Schema;
  key?: Schema;
  default?: unknown;
}

function walk(schema: Schema, input: unknown, path: string, problems: Problem[], unknown: string[]): unknown {
  const shape = schema as Shape;
  if (shape.type === "optional" && shape.wrapped !== undefined) {
    if (input !== undefined && input !== null) return walk(shape.wrapped, input, path, problems, unknown);
    return shape.default;
  }
  if (input === undefined || input === null) {
    problems.push({ path, text: "is required" });
    return undefined;
  }
  if (shape.type === "object" || shape.type === "array" || shape.type === "record") {
    const before = problems.length;
    const value = walkContainer(shape, input, path, problems, unknown);
    // Actions on a container (how many, how large) make sense only once its parts do.
    return problems.length > before || shape.pipe === undefined ? value : leaf(shape, value, path, problems);
  }
  return leaf(shape, input, path, problems);
}

function walkContainer(shape: Shape, input: unknown, path: string, problems: Problem[], unknown: string[]): unknown {
  if (shape.type === "array" && shape.item !== undefined) {
    const { item } = shape;
    if (!Array.isArray(input)) return refuse(path, input, "must be an array", problems);
    return input.map((element, index) => walk(item, element, `${path}[${index}]`, problems, unknown));
  }
  if (!isObject(input)) return refuse(path, input, "must be an object", problems);
  const { entries, key, value } = shape;
  if (entries !== undefined) {
    for (const name of Object.keys(input)) {
      if (!Object.hasOwn(entries, name)) unknown.push(join(path, encodeName(name)));
    }
    return Object.fromEntries(
      Object.entries(entries)
        .map(([name, entry]) => [
          name,
          walk(entry, Object.hasOwn(input, name) ? input[name] : undefined, join(path, name), problems, unknown),
        ])
        .filter(([, part]) => part !== undefined),
    );
  }
  const parts: [string, unknown][] = [];
  for (const [name, part] of Object.entries(input)) {
    if (part === null) continue;
    const at = join(path, name);
    if (key !== undefined) leaf(key, name, at, problems);
    if (value !== undefined) parts.push([name, walk(value, part, at, problems, unknown)]);
  }
  // Object.fromEntries defines properties, so a name such as `__proto__` stays a name.
  return Object.fromEntries(parts);
}

function leaf(schema: Schema, input: unknown, path: string, problems: Problem[]): unknown {
  const parsed = v.safeParse(schema, input);
  if (parsed.success) return parsed.output;
  const texts = new Set(parsed.issues.map((issue) => requirement(issue)));
  return refuse(path, input, [...texts].join("; "), problems);
}

function refuse(path: string, input: unknown, text: string, problems: Problem[]): undefined {
  problems.push({ path, text: `${describe(input)} is not allowed: ${text}` });
  return undefined;
}

/** What an issue asks for, in words. A schema's own message wins, for it knows what the pattern means. */
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
        .replaceAll('"', "")}`;
    case "min_value":
      return `must be at least ${String(bound)}`;
    case "max_value":
      return `must be at most ${String(bound)}`;
    case "integer":
    case "safe_integer":
      return "must be a whole number";
    case "min_length":
      return `must be at least ${String(bound)} long`;
    case "max_length":
    case "max_entries":
      return `must be at most ${String(bound)} long`;
    default:
      return issue.message;
  }
}

/**
 * Shows a value in a message, shortened, and never more of an object or array than that it is one.
 *
 * @param input anything a caller sent
 */
export function describe(input: unknown): string {
  if (typeof input === "string") {
    const start = input.slice(0, SHOWN).toWellFormed();
    return JSON.stringify(input.length > SHOWN ? `${start}…` : start);
  }
  if (Array.isArray(input)) return "an array";
  return typeof input === "object" && input !== null ? "an object" : String(input);
}

/** Writes a property's name so that it can stand in a header. */
export const encodeName = (name: string): string => encodeURIComponent(name.toWellFormed());
