/** Parses the requested page from the query parameters of Spring's Pageable. */

import { MAX_PAGE_SIZE, type PageRequest } from "#core/listing/page.ts";
import type { Problem } from "#core/shared/errors.ts";
import { parseJson } from "#core/shared/json.ts";
import { findLiterals } from "#core/shared/literals.ts";
import { elementPath, formatValue, memberPath, type Parsed, shorten } from "#core/shared/validation.ts";
import { type Parameter, parsePairs, type QueryPairs, wholeNumber } from "./query.ts";

/** Page size of the API documentation, if a request has none. */
const DEFAULT_PAGE_SIZE = 50;

/** Maximum page number: int32 in the contract. */
const MAX_PAGE_NUMBER = 2 ** 31 - 1;

const direction: Parameter<"ASC" | "DESC" | undefined> = {
  defaultValue: undefined,
  parse: (text) => (text === "ASC" || text === "DESC" ? { value: text } : { error: "must be ASC or DESC" }),
};

/** All names of the members, in a query and inside the JSON of `pageable`. */
const MEMBERS = {
  pageNumber: wholeNumber(0, MAX_PAGE_NUMBER, undefined),
  page: wholeNumber(0, MAX_PAGE_NUMBER, undefined),
  pageSize: wholeNumber(1, MAX_PAGE_SIZE, undefined),
  size: wholeNumber(1, MAX_PAGE_SIZE, undefined),
  sortDirection: direction,
};

const ALL_NAMES = ["pageNumber", "page", "pageSize", "size", "sort", "sortDirection", "pageable"];

/** Names of the query parameters of a page. */
export const pageableNames: ReadonlySet<string> = new Set(ALL_NAMES);

/** Converts the members of `pageable`'s JSON to pairs, which are parsed like query parameters. */
function pairsOf(text: string): QueryPairs | undefined {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const literals = findLiterals(text);
  return Object.entries(value).flatMap(([name, member]): [string, string, string][] => {
    if (member === null) return [];
    const members: unknown[] = Array.isArray(member) ? member : [member];
    return members.map((each, index) => {
      const path = memberPath("", name);
      const literal = literals.get(members === member ? elementPath(path, index) : path);
      const shown = typeof each === "number" && literal !== undefined ? shorten(literal) : formatValue(each);
      return [name, typeof each === "object" ? formatValue(each) : String(each), shown];
    });
  });
}

/**
 * Parses the requested page: `pageNumber` or `page`, `pageSize` or `size`, `sort`, `sortDirection`, or all of them as members of
 * the JSON in `pageable`.
 *
 * @param pairs the whole query; other parameters are ignored
 * @param sortable properties by which this list can be sorted
 * @param defaultPageSize page size if the request has none
 * @returns unknown names are those inside the JSON of `pageable`
 */
export function parsePageable(
  pairs: QueryPairs,
  sortable: readonly string[] = [],
  defaultPageSize = DEFAULT_PAGE_SIZE,
): Parsed<PageRequest> {
  const problems: Problem[] = [];
  const unknown: string[] = [];
  const spread: { pairs: QueryPairs; prefix: string }[] = [
    { pairs: pairs.filter(([name]) => name !== "pageable"), prefix: "" },
  ];
  const wrapped = pairs.filter(([name]) => name === "pageable");
  if (wrapped.length > 1) problems.push({ path: "pageable", message: "must be sent only once" });
  for (const [, text] of wrapped.slice(0, 1)) {
    const inner = pairsOf(text);
    if (inner === undefined) {
      problems.push({
        path: "pageable",
        message: `${formatValue(text)} is not allowed: must be a JSON object with pageNumber, pageSize, sort and sortDirection`,
      });
    } else {
      spread.push({ pairs: inner, prefix: "pageable." });
      unknown.push(...parsePairs(inner, MEMBERS, pageableNames).unknown.map((name) => `pageable.${name}`));
    }
  }

  const sort: { property: string; way: string | undefined }[] = [];
  const found = new Map<string, { name: string; value: unknown }>();
  for (const { pairs: source, prefix } of spread) {
    const { value: values, problems: invalid } = parsePairs(source, MEMBERS, pageableNames);
    problems.push(...invalid.map(({ path, message }) => ({ path: `${prefix}${path}`, message })));
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) continue;
      const member = name === "page" ? "pageNumber" : name === "size" ? "pageSize" : name;
      const other = found.get(member);
      if (other === undefined) found.set(member, { name: `${prefix}${name}`, value });
      else if (other.value !== value) {
        problems.push({
          path: `${prefix}${name}`,
          message: `${value} is not allowed: ${other.name} is ${other.value}; send only one of them`,
        });
      }
    }
    for (const [, value, shown = formatValue(value)] of source.filter(([name]) => name === "sort")) {
      const [, property = "", way] = SORT.exec(value) ?? [];
      if (sort.some((each) => each.property === property)) continue; // A repeated property has no effect.
      if (sortable.includes(property)) sort.push({ property, way: way?.toUpperCase() });
      else problems.push({ path: `${prefix}sort`, message: `${shown} is not allowed: ${sortText(sortable)}` });
    }
  }
  const numberOf = (name: string) => found.get(name)?.value as number | undefined;
  const directed = found.get("sortDirection")?.value;
  return {
    value: {
      pageNumber: numberOf("pageNumber") ?? 0,
      pageSize: numberOf("pageSize") ?? defaultPageSize,
      descending: directed === undefined ? undefined : directed === "DESC",
      sort: sort.map(({ property, way }) => ({ property, descending: (way ?? directed) === "DESC" })),
    },
    problems,
    unknown,
  };
}

const SORT = /^([A-Za-z]+)(?:,(asc|desc))?$/i;

const sortText = (sortable: readonly string[]) =>
  sortable.length === 0
    ? "this list has only its default order; use sortDirection=ASC or sortDirection=DESC"
    : `must be one of ${sortable.join(", ")}, optionally followed by ,asc or ,desc`;
