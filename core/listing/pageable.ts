/** Pages in the format of Spring's Pageable: parses the request and builds the response. */

import * as v from "valibot";
import { type Parameter, parsePairs, type QueryPairs } from "../request/query.ts";
import type { Problem } from "../shared/errors.ts";
import { parseJson } from "../shared/json.ts";
import { findLiterals } from "../shared/literals.ts";
import { int32, int64 } from "../shared/schemas.ts";
import { elementPath, formatValue, memberPath, shorten } from "../shared/validation.ts";

/** SortObject of the API documentation. */
export const SortObject = v.object({
  ascending: v.boolean(),
  direction: v.picklist(["ASC", "DESC"]),
  ignoreCase: v.boolean(),
  nullHandling: v.string(),
  property: v.string(),
});
type SortObject = v.InferOutput<typeof SortObject>;

/** PageableObject of the API documentation. */
export const PageableObject = v.object({
  offset: int64,
  pageNumber: int32,
  pageSize: int32,
  paged: v.boolean(),
  sort: v.array(SortObject),
  unpaged: v.boolean(),
});

/** Requested page. */
export interface Pageable {
  pageNumber: number;
  pageSize: number;
  descending: boolean;
  /** True if a direction was requested: then the response names its keys. */
  hasDirection: boolean;
  /** Requested sort keys. The default order applies without them, and among equal elements. */
  sort: readonly Order[];
}

/** Sort key. */
export interface Order {
  property: string;
  descending: boolean;
}

/** Maximum number of elements in a page. */
export const MAX_PAGE_SIZE = 1_000;

const DEFAULTS = { pageNumber: 0, pageSize: 50 };

/** Maximum page number: int32 in the contract. */
const MAX_PAGE_NUMBER = 2 ** 31 - 1;

/** Keys of the default order in a response. */
const DEFAULT_ORDER = ["environmentSlug", "slug"];

const WHOLE = /^(0|[1-9][0-9]{0,15})$/;

const wholeNumber = (least: number, most: number): Parameter<number | undefined> => ({
  defaultValue: undefined,
  parse(text) {
    const value = WHOLE.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? { value } : { wrong: `must be a whole number from ${least} to ${most}` };
  },
});

const direction: Parameter<"ASC" | "DESC" | undefined> = {
  defaultValue: undefined,
  parse: (text) => (text === "ASC" || text === "DESC" ? { value: text } : { wrong: "must be ASC or DESC" }),
};

/** All names of the members, in a query and inside the JSON of `pageable`. */
const MEMBERS = {
  pageNumber: wholeNumber(0, MAX_PAGE_NUMBER),
  page: wholeNumber(0, MAX_PAGE_NUMBER),
  pageSize: wholeNumber(1, MAX_PAGE_SIZE),
  size: wholeNumber(1, MAX_PAGE_SIZE),
  sortDirection: direction,
};

const ALL_NAMES = ["pageNumber", "page", "pageSize", "size", "sort", "sortDirection", "pageable"];

/** Names of the query parameters of a page. */
export const pageableNames: ReadonlySet<string> = new Set(ALL_NAMES);

/** Requested page, with the problems of the query. */
export interface ParsedPageable {
  pageable: Pageable;
  problems: Problem[];
  /** Unknown names inside the JSON of `pageable`. */
  unknown: string[];
}

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
 */
export function parsePageable(pairs: QueryPairs, sortable: readonly string[] = []): ParsedPageable {
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
    const { values, problems: wrong } = parsePairs(source, MEMBERS, pageableNames);
    problems.push(...wrong.map(({ path, message }) => ({ path: `${prefix}${path}`, message })));
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
  const number = (name: keyof typeof DEFAULTS) => (found.get(name)?.value as number | undefined) ?? DEFAULTS[name];
  const directed = found.get("sortDirection")?.value;
  return {
    pageable: {
      pageNumber: number("pageNumber"),
      pageSize: number("pageSize"),
      descending: directed === "DESC",
      hasDirection: directed !== undefined,
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

/** Page of the contract. */
export interface Page<Element> {
  content: Element[];
  empty: boolean;
  first: boolean;
  last: boolean;
  number: number;
  numberOfElements: number;
  pageable: v.InferOutput<typeof PageableObject>;
  size: number;
  sort: SortObject[];
  totalElements: number;
  totalPages: number;
}

/** Returns the requested order; empty if none was requested. */
function requestedOrder({ sort, hasDirection, descending }: Pageable): readonly Order[] {
  if (sort.length > 0) return sort;
  return hasDirection ? DEFAULT_ORDER.map((property) => ({ property, descending })) : [];
}

/**
 * Builds a page.
 *
 * @param content elements of the page
 * @param total counted number of elements in the whole list; raised if the page itself shows more
 */
export function buildPage<Element>(content: Element[], total: number, pageable: Pageable): Page<Element> {
  const { pageNumber, pageSize } = pageable;
  const offset = pageNumber * pageSize;
  const totalElements = content.length === 0 ? total : Math.max(total, offset + content.length);
  const totalPages = Math.ceil(totalElements / pageSize);
  const sort = requestedOrder(pageable).map(({ property, descending }) => ({
    ascending: !descending,
    direction: descending ? ("DESC" as const) : ("ASC" as const),
    ignoreCase: false,
    nullHandling: "NATIVE",
    property,
  }));
  return {
    content,
    empty: content.length === 0,
    first: pageNumber === 0,
    last: pageNumber >= totalPages - 1,
    number: pageNumber,
    numberOfElements: content.length,
    pageable: { offset, pageNumber, pageSize, paged: true, sort, unpaged: false },
    size: pageSize,
    sort,
    totalElements,
    totalPages,
  };
}

/** Maximum size of a link's query with unknown parameters, in bytes: headers beyond 16 KiB break clients and proxies. */
const MAX_UNKNOWN_BYTES = 1_000;

/**
 * Builds the queries of the linked pages, without `?`: first, prev, next and last, if they exist.
 *
 * @param pairs query as sent; parameters that are not the page's stay in the links
 * @param known names of the list's own parameters
 */
export function pageLinks(
  page: Page<unknown>,
  pairs: QueryPairs,
  pageable: Pageable,
  known: ReadonlySet<string>,
): [rel: string, query: string][] {
  const others = pairs.filter(([name]) => !pageableNames.has(name));
  const query = (kept: QueryPairs, pageNumber?: number) =>
    new URLSearchParams([
      ...kept,
      ...(pageNumber === undefined ? [] : [["pageNumber", `${pageNumber}`]]),
      ["pageSize", `${pageable.pageSize}`],
      ...pageable.sort.map(({ property, descending }) => ["sort", `${property},${descending ? "desc" : "asc"}`]),
      ...(pageable.hasDirection && pageable.sort.length === 0
        ? [["sortDirection", pageable.descending ? "DESC" : "ASC"]]
        : []),
    ] as [string, string][]).toString();
  const isLong = query(others).length > MAX_UNKNOWN_BYTES;
  const kept = isLong ? others.filter(([name]) => known.has(name)) : others;
  const final = Math.max(0, page.totalPages - 1);
  const links: [string, string][] = [["first", query(kept, 0)]];
  if (page.number > 0) links.push(["prev", query(kept, Math.min(page.number - 1, final))]);
  if (page.number < final) links.push(["next", query(kept, page.number + 1)]);
  links.push(["last", query(kept, final)]);
  return links;
}
