/** Pages of lists that are small enough to be read completely. */

import { type Context, reportUnknown } from "../context.ts";
import { type Parameter, parseQueryParameters, type Query, type QueryPairs, type RawQuery } from "../request/query.ts";
import { invalid } from "../shared/errors.ts";
import { buildPage, type Page, type Pageable, pageableNames, pageLinks, parsePageable } from "./pageable.ts";

/** Page, and the queries of related pages. */
export interface PageWithLinks<Element> {
  page: Page<Element>;
  links: [rel: string, query: string][];
}

/** Parsed query of a list: the page, and the list's own parameters. */
export interface PageQuery<Parameters extends Record<string, Parameter<unknown>>> {
  values: Query<Parameters>["values"];
  pageable: Pageable;
  pairs: QueryPairs;
  /** Names of the list's own parameters. */
  known: ReadonlySet<string>;
}

/**
 * Parses the query of a list, and records unknown parameters.
 *
 * @param parameters the list's own parameters, by name
 * @throws AppError invalid with every problem of the query
 */
export function parsePageQuery<Parameters extends Record<string, Parameter<unknown>>>(
  context: Context,
  query: RawQuery,
  parameters: Parameters,
): PageQuery<Parameters> {
  const own = parseQueryParameters(query, parameters, pageableNames);
  const { pageable, problems, unknown } = parsePageable(query.pairs);
  reportUnknown(context, [...own.unknown, ...unknown]);
  const all = [...own.problems, ...problems];
  if (all.length > 0) throw invalid(all);
  return { values: own.values, pageable, pairs: query.pairs, known: new Set(Object.keys(parameters)) };
}

/**
 * Parses the query of a response that is not a page, and records unknown parameters.
 *
 * @param parameters parameters by name
 * @throws AppError invalid with every problem of the query
 */
export function parseQuery<Parameters extends Record<string, Parameter<unknown>>>(
  context: Context,
  query: RawQuery,
  parameters: Parameters,
): Query<Parameters>["values"] {
  const { values, problems, unknown } = parseQueryParameters(query, parameters);
  reportUnknown(context, unknown);
  if (problems.length > 0) throw invalid(problems);
  return values;
}

/**
 * Returns a page of a list.
 *
 * @param elements the whole list, in its order
 * @param order property by which the list is sorted; undefined if no property has this order: then `sort` is empty
 */
export function paginate<Element>(
  elements: readonly Element[],
  query: Pick<PageQuery<Record<never, never>>, "pageable" | "pairs" | "known">,
  order: string | undefined,
): PageWithLinks<Element> {
  const { pageable, pairs, known } = query;
  const { pageNumber, pageSize, descending, hasDirection } = pageable;
  const offset = pageNumber * pageSize;
  const ordered = descending ? elements.toReversed() : elements;
  const isNamed = hasDirection && order !== undefined;
  const shown: Pageable = {
    ...pageable,
    hasDirection: isNamed,
    sort: isNamed ? [{ property: order, descending }] : [],
  };
  const page = buildPage(ordered.slice(offset, offset + pageSize), elements.length, shown);
  return { page, links: pageLinks(page, pairs, pageable, known) };
}
