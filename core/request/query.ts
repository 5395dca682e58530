/** Parses query parameters, with every problem and every unknown name. */

import type { Problem } from "../shared/errors.ts";
import { encodeName, formatValue } from "../shared/validation.ts";

/**
 * Decoded names and values of a query, in the order in which they were sent. `shown` is the value in messages, if `formatValue` would
 * not show it as sent.
 */
export type QueryPairs = readonly (readonly [name: string, value: string, shown?: string])[];

/** Query, with its length as sent, in bytes. */
export interface RawQuery {
  readonly pairs: QueryPairs;
  readonly bytes: number;
}

/** Parser of one parameter: returns its value, or the text of the problem. */
export interface Parameter<T> {
  defaultValue: T;
  parse(value: string): { value: T } | { wrong: string };
}

/** Parser of `true` or `false`; the default is false. */
export const flag: Parameter<boolean> = {
  defaultValue: false,
  parse: (value) =>
    value === "true" || value === "false" ? { value: value === "true" } : { wrong: "must be true or false" },
};

const WHOLE = /^(0|[1-9][0-9]{0,15})$/;

/** Builds the parser of a whole number within bounds. @param defaultValue default */
export const wholeNumber = (least: number, most: number, defaultValue: number): Parameter<number> => ({
  defaultValue,
  parse(text) {
    const value = WHOLE.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? { value } : { wrong: `must be a whole number from ${least} to ${most}` };
  },
});

/** Maximum length of a query as sent, in bytes. */
export const MAX_QUERY_BYTES = 4 * 1024;

/** Parsed query. */
export interface Query<Parameters extends Record<string, Parameter<unknown>>> {
  values: { [Name in keyof Parameters]: Parameters[Name] extends Parameter<infer T> ? T : never };
  problems: Problem[];
  /** Names of unknown parameters, encoded for a header. */
  unknown: string[];
}

/**
 * Parses the query of a request. A query that is too long is a problem of its own.
 *
 * @param query query as sent
 * @param parameters parsers by name; a repeated parameter is a problem
 * @param others names that another parser reads
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
      message: `The query is ${query.bytes} bytes long; at most ${MAX_QUERY_BYTES} are allowed.`,
    });
  }
  return read;
}

/**
 * Parses names and values from any source.
 *
 * @param pairs decoded names and values, in order
 * @param parameters parsers by name; a repeated parameter is a problem
 * @param others names that another parser reads
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
      problems.push({ path: name, message: "must be sent only once" });
      continue;
    }
    seen.add(name);
    const parsed = parameter.parse(text);
    if ("wrong" in parsed) problems.push({ path: name, message: `${shown} is not allowed: ${parsed.wrong}` });
    else values.set(name, parsed.value);
  }
  return { values: Object.fromEntries(values) as Query<Parameters>["values"], problems, unknown: [...unknown] };
}
