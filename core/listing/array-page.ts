/** Pages of lists that are small enough to be read whole. */

import { type Context, noteUnknown } from "../context.ts";
import { invalid } from "../errors.ts";
import { type Parameter, type Query, type QueryPairs, type RawQuery, readQuery } from "../query.ts";
import { type Page, type Pageable, pageableNames, pageLinks, pageOf, readPageable } from "./pageable.ts";

/** A page and the queries of the pages around it. */
export interface ListedArray<Element> {
  page: Page<Element>;
  links: [rel: string, query: string][];
}

/** What a query asks of a list: which page, and the list's own parameters. */
export interface ArrayQuery<Parameters extends Record<string, Parameter<unknown>>> {
  values: Query<Parameters>["values"];
  pageable: Pageable;
  pairs: QueryPairs;
  /** Names of the list's own parameters. */
  known: ReadonlySet<string>;
}

/**
 * Reads what a query asks of a list, and notes what nobody knows.
 *
 * @param parameters the list's own, by name
 * @throws AppError invalid with everything wrong in the query
 */
export function readArrayQuery<Parameters extends Record<string, Parameter<unknown>>>(
  context: Context,
  query: RawQuery,
  parameters: Parameters,
): ArrayQuery<Parameters> {
  const own = readQuery(query, parameters, pageableNames);
  const { pageable, problems, unknown } = readPageable(query.pairs);
  noteUnknown(context, [...own.unknown, ...unknown]);
  const all = [...own.problems, ...problems];
  if (all.length > 0) throw invalid(all);
  return { values: own.values, pageable, pairs: query.pairs, known: new Set(Object.keys(parameters)) };
}

/**
 * Reads the query of an answer that is no page, and notes what nobody knows.
 *
 * @param parameters by name
 * @throws AppError invalid with everything wrong in the query
 */
export function readPlainQuery<Parameters extends Record<string, Parameter<unknown>>>(
  context: Context,
  query: RawQuery,
  parameters: Parameters,
): Query<Parameters>["values"] {
  const { values, problems, unknown } = readQuery(query, parameters);
  noteUnknown(context, unknown);
  if (problems.length > 0) throw invalid(problems);
  return values;
}

/**
 * Cuts a page out of a list.
 *
 * @param elements the whole list, in its order
 * @param order the property it is ordered by; undefined where the order is nothing an element shows, then `sort` is empty
 */
export function pageOfArray<Element>(
  elements: readonly Element[],
  query: Pick<ArrayQuery<Record<never, never>>, "pageable" | "pairs" | "known">,
  order: string | undefined,
): ListedArray<Element> {
  const { pageable, pairs, known } = query;
  const { pageNumber, pageSize, descending, directed } = pageable;
  const offset = pageNumber * pageSize;
  const ordered = descending ? elements.toReversed() : elements;
  const isNamed = directed && order !== undefined;
  const shown: Pageable = { ...pageable, directed: isNamed, sort: isNamed ? [{ property: order, descending }] : [] };
  const page = pageOf(ordered.slice(offset, offset + pageSize), elements.length, shown);
  return { page, links: pageLinks(page, pairs, pageable, known) };
}
