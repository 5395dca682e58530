/** Pages of lists: Spring's envelope, and links to the pages around. */

import * as v from "valibot";
import type { Page, PageOptions, PageRequest } from "#core/listing/page.ts";
import { int32, int64 } from "#core/shared/schemas.ts";
import type { Parsed } from "#core/shared/validation.ts";
import type { ApiRequest, HandlerResponse } from "../../http/app.ts";
import { pageableNames, parsePageable } from "../../http/pageable.ts";
import { type Parameters, parseQuery, type QueryPairs, type Values } from "../../http/query.ts";
import { linkHeader } from "../../http/response.ts";

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

/** Page as the API documentation shows it, apart from its content. */
interface PageBody {
  content: readonly unknown[];
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

/**
 * Parses the query of a list: the page, and the list's own parameters.
 *
 * @param parameters parsers of the list's own parameters, by name
 * @param sortable properties by which the list can be sorted
 */
export function parsePageQuery<Of extends Parameters>(
  { query }: Pick<ApiRequest, "query">,
  parameters: Of,
  sortable?: readonly string[],
): Parsed<Values<Of> & PageOptions> {
  const own = parseQuery(query, parameters, pageableNames);
  const page = parsePageable(query.pairs, sortable);
  return {
    value: { ...own.value, page: page.value },
    problems: [...own.problems, ...page.problems],
    unknown: [...own.unknown, ...page.unknown],
  };
}

/**
 * Builds the encoder of a page.
 *
 * @param parameters the list's own parameters, which stay in the links
 */
export const encodePage =
  (parameters: Parameters = {}) =>
  (page: Page<unknown>, { url, query }: ApiRequest, input: { options: Parsed<PageOptions> }): HandlerResponse => {
    const request = input.options.value.page;
    const body = toPageBody(page, request);
    const links = pageLinks(body, query.pairs, request, new Set(Object.keys(parameters)));
    return { body, headers: { link: linkHeader(url, links) } };
  };

/** Builds the body of a page. The total is raised if the page itself shows more. */
function toPageBody({ content, total, sort: order }: Page<unknown>, { pageNumber, pageSize }: PageRequest): PageBody {
  const offset = pageNumber * pageSize;
  const totalElements = content.length === 0 ? total : Math.max(total, offset + content.length);
  const totalPages = Math.ceil(totalElements / pageSize);
  const sort = order.map(({ property, descending }) => ({
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
function pageLinks(
  page: Pick<PageBody, "number" | "totalPages">,
  pairs: QueryPairs,
  request: PageRequest,
  known: ReadonlySet<string>,
): [rel: string, query: string][] {
  const others = pairs.filter(([name]) => !pageableNames.has(name));
  const query = (parameters: QueryPairs, pageNumber?: number) =>
    new URLSearchParams([
      ...parameters,
      ...(pageNumber === undefined ? [] : [["pageNumber", `${pageNumber}`]]),
      ["pageSize", `${request.pageSize}`],
      ...request.sort.map(({ property, descending }) => ["sort", `${property},${descending ? "desc" : "asc"}`]),
      ...(request.descending !== undefined && request.sort.length === 0
        ? [["sortDirection", request.descending ? "DESC" : "ASC"]]
        : []),
    ] as [string, string][]).toString();
  const isLong = query(others).length > MAX_UNKNOWN_BYTES;
  const parameters = isLong ? others.filter(([name]) => known.has(name)) : others;
  const final = Math.max(0, page.totalPages - 1);
  const links: [string, string][] = [["first", query(parameters, 0)]];
  if (page.number > 0) links.push(["prev", query(parameters, Math.min(page.number - 1, final))]);
  if (page.number < final) links.push(["next", query(parameters, page.number + 1)]);
  links.push(["last", query(parameters, final)]);
  return links;
}
