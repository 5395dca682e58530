/** Query parameters: whole requests judged at once, what is unknown named. */

import type { Problem } from "../shared/errors.ts";
import { encodeName, formatValue } from "../shared/validation.ts";

/** A query as it was sent: names and values in order, decoded, and how a message shows a value where that is not `describe`'s. */
export type QueryPairs = readonly (readonly [name: string, value: string, shown?: string])[];

/** A query and how long it was as it was sent, in bytes. */
export interface RawQuery {
  readonly pairs: QueryPairs;
  readonly bytes: number;
}

/** Reads one parameter's value: what it means, or what is wrong with it. */
export interface Parameter<T> {
  defaultValue: T;
  parse(value: string): { value: T } | { wrong: string };
}

/** `true` or `false`; absent is false. */
export const flag: Parameter<boolean> = {
  defaultValue: false,
  parse: (value) =>
    value === "true" || value === "false" ? { value: value === "true" } : { wrong: "must be true or false" },
};

const WHOLE = /^(0|[1-9][0-9]{0,15})$/;

/** A whole number in bounds. @param defaultValue what it is where it was not sent */
export const wholeNumber = (least: number, most: number, defaultValue: number): Parameter<number> => ({
  defaultValue,
  parse(text) {
    const value = WHOLE.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? { value } : { wrong: `must be a whole number from ${least} to ${most}` };
  },
});

/** The largest query, in bytes as it was sent. */
export const MAX_QUERY_BYTES = 4 * 1024;

/** What a query says. */
export interface Query<Parameters extends Record<string, Parameter<unknown>>> {
  values: { [Name in keyof Parameters]: Parameters[Name] extends Parameter<infer T> ? T : never };
  problems: Problem[];
  /** Names of parameters nobody knows, as they may stand in a header. */
  unknown: string[];
}

/**
 * Reads a request's query.
 *
 * @param query as it was sent; a problem of its own when it is too long
 * @param parameters by name; sent twice, a parameter is a problem
 * @param others names that somebody else reads
 */
export function parseQueryParameters<Parameters extends Record<string, Parameter<unknown>>>(
  query: RawQuery,
  parameters: Parameters,
  others?: ReadonlySet<string>,
): Query<Parameters> {
  const read = parsePairs(query.pairs, parameters, others);
  if (query.bytes > MAX_QUERY_BYTES) {
    read.problems.unshift({
      path: "",
      message: `The query is ${query.bytes} bytes long; at most ${MAX_QUERY_BYTES} are read.`,
    });
  }
  return read;
}

/**
 * Reads names and values, wherever they come from.
 *
 * @param pairs in order, decoded
 * @param parameters by name; there twice, a parameter is a problem
 * @param others names that somebody else reads
 */
export function parsePairs<Parameters extends Record<string, Parameter<unknown>>>(
  pairs: QueryPairs,
  parameters: Parameters,
  others: ReadonlySet<string> = new Set(),
): Query<Parameters> {
  const problems: Problem[] = [];
  const unknown = new Set<string>();
  const values = new Map<string, unknown>(
    Object.entries(parameters).map(([name, { defaultValue }]) => [name, defaultValue]),
  );
  const seen = new Set<string>();
  for (const [name, text, shown = formatValue(text)] of pairs) {
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (parameter === undefined) {
      if (!others.has(name)) unknown.add(encodeName(name));
      continue;
    }
    if (seen.has(name)) {
      problems.push({ path: name, message: "is there twice; send it once" });
      continue;
    }
    seen.add(name);
    const parsed = parameter.parse(text);
    if ("wrong" in parsed) problems.push({ path: name, message: `${shown} is not allowed: ${parsed.wrong}` });
    else values.set(name, parsed.value);
  }
  return { values: Object.fromEntries(values) as Query<Parameters>["values"], problems, unknown: [...unknown] };
}
