/** Lists clusters with filters or in another order. */

import { compareVersions } from "../../catalogue/index.ts";
import type { Context } from "../../context.ts";
import { type ListRow, listRanges, readListRows } from "../../listing/list-index.ts";
import type { PageRequest } from "../../listing/page.ts";
import type { Chunk, KeyRange } from "../../listing/page-index.ts";
import { compareText } from "../../shared/order.ts";
import { keyText } from "../../table/keys.ts";
import { type Cluster, clusterEntity } from "../entity.ts";

/** Properties by which a list can be sorted: attributes of the list index, and the slug, which is part of its key. */
export const sortable: readonly (keyof ListRow | "slug")[] = [
  ...(["name", "slug", "createdAt", "modifiedAt"] as const),
  ...(["status", "version", "region", "cloudProvider"] as const),
];

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

/** Returns whether a cluster matches the filters. */
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

/** Returns a row's value of a sort property; the slug is part of the key. */
const sortValue = (row: ListRow, property: string): string =>
  property === "slug" ? (row.sk.split("#")[2] ?? "") : String(row[property as keyof ListRow] ?? "");

/** Sorts rows; equal rows keep the default order. */
function sortRows(rows: readonly ListRow[], { sort, descending }: PageRequest): ListRow[] {
  if (sort.length === 0) return descending === true ? [...rows].reverse() : [...rows];
  return [...rows].sort((one, other) => {
    for (const { property, descending: down } of sort) {
      const compare = property === "version" ? compareVersions : compareText;
      const result = compare(sortValue(one, property), sortValue(other, property));
      if (result !== 0) return down ? -result : result;
    }
    return 0;
  });
}

/** Returns whether a list needs more than the page index. */
export const isSearch = (page: PageRequest, filters: Filters): boolean =>
  page.sort.length > 0 || Object.values(filters).some((value) => value !== undefined);

/**
 * Finds a page: reads ranges of the list index in parallel, filters and sorts the rows, then reads the clusters of the page. Two
 * round trips, after the one for the chunks. A cluster that no longer matches is left out, because the index may be out of date,
 * so a page may contain fewer clusters than its size.
 *
 * @param chunks chunks of all environments in the list
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
  const seen = new Set<string>();
  const found = rows.filter((row) => {
    if (!isVisible(row) || !matches(row, filters) || seen.has(row.identity)) return false;
    seen.add(row.identity);
    return true;
  });
  const offset = request.pageNumber * request.pageSize;
  const page = sortRows(found, request).slice(offset, offset + request.pageSize);
  const items = await context.table.get(page);
  const clusters = page.flatMap((row): Cluster[] => {
    const item = items.get(keyText(row));
    const cluster = item === undefined ? undefined : clusterEntity.read(item);
    return cluster?.identity === row.identity && matches(cluster, filters) ? [cluster] : [];
  });
  return { clusters, total: found.length };
}
