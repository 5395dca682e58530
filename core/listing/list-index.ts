/** List index: a few attributes of every cluster, read in parallel in ranges that the page index defines. */

import * as v from "valibot";
import type { Table } from "../table/client.ts";
import { type LIST_ATTRIBUTES, LIST_INDEX } from "../table/definition.ts";
import { clustersEnd, clustersStart, organisationKey } from "../table/keys.ts";
import type { Chunk, KeyRange } from "./page-index.ts";

/** Maximum number of rows in a range: about 350 bytes each and rarely more than 400, so that one query of at most 1 MB returns them. */
export const RANGE_ROWS = 2_500;

type Projected = "pk" | "sk" | (typeof LIST_ATTRIBUTES)[number];

const StoredListRow = v.object({
  pk: v.string(),
  sk: v.string(),
  identity: v.string(),
  name: v.string(),
  status: v.string(),
  version: v.string(),
  region: v.string(),
  cloudProvider: v.string(),
  createdAt: v.string(),
  modifiedAt: v.string(),
  maintenanceScheduleIdentity: v.optional(v.string()),
  environmentIdentity: v.string(),
} satisfies Partial<Record<Projected, v.GenericSchema>>);

/** Row of the list index, for filters and other orders. It may be some seconds older than the cluster. */
export type ListRow = v.InferOutput<typeof StoredListRow>;

/**
 * Divides an organisation into ranges of adjacent clusters.
 *
 * @param chunks chunks of all its environments, in key order
 * @param isVisible filter of what the caller can access; the rest is not read
 * @param rows maximum number of rows in a range, if the counts are right
 */
export function listRanges(
  chunks: readonly Chunk[],
  isVisible: (chunk: Chunk) => boolean,
  rows: number = RANGE_ROWS,
): KeyRange[] {
  const ranges: KeyRange[] = [];
  let open: { from: string; n: number } | undefined;
  let end = "";
  const close = () => {
    if (open !== undefined) ranges.push({ from: open.from, to: end });
    open = undefined;
  };
  for (const [position, chunk] of chunks.entries()) {
    const { environment, buckets } = chunk;
    if (!isVisible(chunk)) {
      close();
      continue;
    }
    const next = chunks[position + 1];
    const own = buckets.filter(({ bound }) => next?.environment !== environment || bound < next.lowerBound);
    for (const { bound, n } of own) {
      const from = clustersStart(environment, bound);
      if (open !== undefined && open.n + n > rows) {
        end = lastBefore(from);
        close();
      }
      open = { from: open?.from ?? from, n: (open?.n ?? 0) + n };
      end = clustersEnd(environment);
    }
  }
  close();
  return ranges;
}

/** Returns the end of a range before the next one: ranges include their ends, and `~` sorts after every character of a slug. */
const lastBefore = (from: string): string =>
  from.endsWith("#")
    ? `${from.slice(0, -1)}!`
    : `${from.slice(0, -1)}${String.fromCharCode(from.charCodeAt(from.length - 1) - 1)}~`;

/** Reads ranges in parallel and returns the rows in key order. */
export async function readListRows(
  table: Table,
  organisation: string,
  ranges: readonly KeyRange[],
): Promise<ListRow[]> {
  const { pk } = organisationKey(organisation);
  const parts = await Promise.all(ranges.map((span) => table.query({ pk, ...span, index: LIST_INDEX })));
  return parts.flat().map((item): ListRow => v.parse(StoredListRow, item));
}
