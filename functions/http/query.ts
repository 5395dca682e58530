/** Parses query parameters, with every problem and every unknown name. */

import type { Problem } from "#core/shared/errors.ts";
import { formatValue, type Parsed } from "#core/shared/validation.ts";

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
  parse(value: string): { value: T } | { error: string };
}

/** Parser of `true` or `false`; the default is false. */
export const flag: Parameter<boolean> = {
  defaultValue: false,
  parse: (value) =>
    value === "true" || value === "false" ? { value: value === "true" } : { error: "must be true or false" },
};

const WHOLE = /^(0|[1-9][0-9]{0,15})$/;

/** Builds the parser of a whole number within bounds. @param defaultValue value if it was not sent */
export const wholeNumber = <Default extends number | undefined>(
  least: number,
  most: number,
  defaultValue: Default,
): Parameter<number | Default> => ({
  defaultValue,
  parse(text) {
    const value = WHOLE.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? { value } : { error: `must be a whole number from ${least} to ${most}` };
  },
});

/** Maximum length of a query as sent, in bytes. */
const MAX_QUERY_BYTES = 4 * 1024;

/** Parsers of parameters, by name. */
export type Parameters = Readonly<Record<string, Parameter<unknown>>>;

/** Values of parameters, by name. */
export type Values<Of extends Parameters> = { [Name in keyof Of]: Of[Name] extends Parameter<infer T> ? T : never };

/**
 * Parses the query of a request. A query that is too long is a problem of its own.
 *
 * @param query query as sent
 * @param parameters parsers by name; a repeated parameter is a problem
 * @param others names that another parser reads
 */
export function parseQuery<Of extends Parameters>(
  query: RawQuery,
  parameters: Of,
  others?: ReadonlySet<string>,
): Parsed<Values<Of>> {
  const parsed = parsePairs(query.pairs, parameters, others);
  if (query.bytes <= MAX_QUERY_BYTES) return parsed;
  const message = `The query is ${query.bytes} bytes long; at most ${MAX_QUERY_BYTES} are allowed.`;
  return { ...parsed, problems: [{ path: "", message }, ...parsed.problems] };
}

/**
 * Parses names and values from any source.
 *
 * @param pairs decoded names and values, in order
 * @param parameters parsers by name; a repeated parameter is a problem
 * @param others names that another parser reads
 */
export function parsePairs<Of extends Parameters>(
  pairs: QueryPairs,
  parameters: Of,
  others: ReadonlySet<string> = new Set(),
): Parsed<Values<Of>> {
  const problems: Problem[] = [];
  const unknown = new Set<string>();
  const values = new Map<string, unknown>(
    Object.entries(parameters).map(([name, { defaultValue }]) => [name, defaultValue]),
  );
  const seen = new Set<string>();
  for (const [name, text, shown = formatValue(text)] of pairs) {
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (parameter === undefined) {
      if (!others.has(name)) unknown.add(name);
      continue;
    }
    if (seen.has(name)) {
      problems.push({ path: name, message: "must be sent only once" });
      continue;
    }
    seen.add(name);
    const parsed = parameter.parse(text);
    if ("error" in parsed) problems.push({ path: name, message: `${shown} is not allowed: ${parsed.error}` });
    else values.set(name, parsed.value);
  }
  return { value: Object.fromEntries(values) as Values<Of>, problems, unknown: [...unknown] };
}
