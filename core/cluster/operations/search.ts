/** Lists clusters with filters or in another order. */

import { compareVersions } from "../../catalogue/index.ts";
import type { Context } from "../../context.ts";
import { listRanges, readListRows } from "../../listing/list-index.ts";
import { compactIdentity, type ListRow } from "../../listing/list-row.ts";
import type { PageRequest } from "../../listing/page.ts";
import type { Chunk, KeyRange } from "../../listing/page-index.ts";
import { compareText } from "../../shared/order.ts";
import { keyText } from "../../table/keys.ts";
import { type Cluster, clusterEntity } from "../entity.ts";

/** Properties by which a list can be sorted: those of a row of the list index. */
export const sortable = [
  ...(["name", "slug", "createdAt", "modifiedAt"] as const),
  ...(["status", "version", "region", "cloudProvider"] as const),
] satisfies readonly (keyof ListRow)[];

/** Filters of a list; undefined members do not filter. */
export interface Filters {
  readonly status: Cluster["status"] | undefined;
  readonly cloudProvider: string | undefined;
  readonly region: string | undefined;
  readonly version: string | undefined;
  /** Start of the name. */
  readonly name: string | undefined;
  /** Identity of a maintenance schedule, in lower case. */
  readonly maintenanceSchedule: string | undefined;
}

type Filtered = Pick<
  Cluster,
  "status" | "cloudProvider" | "region" | "version" | "name" | "maintenanceScheduleIdentity"
>;

/** Returns whether a cluster, or its row, matches the filters. */
function matches(cluster: Omit<Filtered, "status"> & { status: string }, filters: Filters): boolean {
  const equal = (given: string | undefined, value: string | undefined) => given === undefined || given === value;
  return (
    equal(filters.status, cluster.status) &&
    equal(filters.cloudProvider, cluster.cloudProvider) &&
    equal(filters.region, cluster.region) &&
    equal(filters.version, cluster.version) &&
    equal(filters.maintenanceSchedule, cluster.maintenanceScheduleIdentity) &&
    (filters.name === undefined || cluster.name.startsWith(filters.name))
  );
}

/** Converts filters of clusters to filters of rows. */
const rowFilters = ({ maintenanceSchedule, ...filters }: Filters): Filters => ({
  ...filters,
  maintenanceSchedule: maintenanceSchedule === undefined ? undefined : compactIdentity(maintenanceSchedule),
});

type Compare = (one: ListRow, other: ListRow) => number;

/** Returns the comparison of rows by a sort property. */
function comparisonBy(property: string, rows: readonly ListRow[]): Compare {
  if (property === "createdAt" || property === "modifiedAt") return (one, other) => one[property] - other[property];
  if (property === "version") {
    // A list has few versions, which are parsed once.
    const ranks = rankVersions(rows);
    return (one, other) => (ranks.get(one.version) ?? 0) - (ranks.get(other.version) ?? 0);
  }
  const name = property as Exclude<(typeof sortable)[number], "createdAt" | "modifiedAt">;
  return (one, other) => compareText(one[name], other[name]);
}

/** Numbers the versions of rows in their order. Versions that compare as equal have the same number. */
function rankVersions(rows: readonly ListRow[]): Map<string, number> {
  const versions = [...new Set(rows.map(({ version }) => version))].sort(compareVersions);
  const ranks = new Map<string, number>();
  let rank = 0;
  let previous: string | undefined;
  for (const version of versions) {
    if (previous !== undefined && compareVersions(previous, version) !== 0) rank++;
    ranks.set(version, rank);
    previous = version;
  }
  return ranks;
}

/** Returns the comparison of rows in a requested order. Equal rows have the default order. */
function comparisonOf({ sort, descending }: PageRequest, rows: readonly ListRow[]): Compare {
  if (sort.length === 0 && descending === true) return (one, other) => compareText(other.sk, one.sk);
  const comparisons = sort.map((order): Compare => {
    const compare = comparisonBy(order.property, rows);
    return order.descending ? (one, other) => compare(other, one) : compare;
  });
  return (one, other) => {
    for (const compare of comparisons) {
      const result = compare(one, other);
      if (result !== 0) return result;
    }
    return compareText(one.sk, other.sk);
  };
}

/** Returns the first rows of an order, sorted. Sorting only rows that can be among them takes less time than sorting all. */
function firstRows(rows: readonly ListRow[], count: number, compare: Compare): ListRow[] {
  let kept: ListRow[] = [];
  let last: ListRow | undefined;
  for (const row of rows) {
    if (last !== undefined && compare(row, last) >= 0) continue;
    kept.push(row);
    if (kept.length < 2 * count) continue;
    kept = kept.sort(compare).slice(0, count);
    last = kept.at(-1);
  }
  return kept.sort(compare).slice(0, count);
}

/** Returns whether a list needs more than the page index. */
export const isSearch = (page: PageRequest, filters: Filters): boolean =>
  page.sort.length > 0 || Object.values(filters).some((value) => value !== undefined);

/** Removes the second row of each identity: a cluster that moves between two reads is read twice. */
function distinct(rows: readonly ListRow[]): ListRow[] {
  const seen = new Set<string>();
  return rows.filter(({ identity }) => !seen.has(identity) && seen.add(identity));
}

/**
 * Finds a page: reads ranges of the list index in parallel, filters and sorts the rows, then reads the clusters of the page. Two
 * round trips, after the one for the chunks. A cluster that no longer matches is left out, because the index may be out of date,
 * so a page may contain fewer clusters than its size.
 *
 * @param chunks chunks of all environments in the list
 * @param isVisible filter of what the caller can access; rows of other environments are not read
 */
export async function search(
  context: Context,
  organisation: string,
  chunks: readonly Chunk[],
  isVisible: (cluster: { environmentIdentity: string }) => boolean,
  request: PageRequest,
  filters: Filters,
): Promise<{ clusters: Cluster[]; total: number }> {
  const ranges: KeyRange[] = listRanges(chunks, isVisible);
  const rows = await readListRows(context.table, organisation, ranges);
  const wanted = rowFilters(filters);
  const found = distinct(rows.filter((row) => matches(row, wanted)));
  const offset = request.pageNumber * request.pageSize;
  const compare = comparisonOf(request, found);
  const page = firstRows(found, offset + request.pageSize, compare).slice(offset);
  const items = await context.table.get(page);
  const clusters = page.flatMap((row): Cluster[] => {
    const item = items.get(keyText(row));
    const cluster = item === undefined ? undefined : clusterEntity.read(item);
    // The environment of a row can have been replaced by another one with the same name.
    const isPresent = cluster !== undefined && compactIdentity(cluster.identity) === row.identity && isVisible(cluster);
    return isPresent && matches(cluster, filters) ? [cluster] : [];
  });
  return { clusters, total: found.length };
}
