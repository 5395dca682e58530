/** List index: a short text of every cluster, read in parallel in ranges that the page index defines. */

import type { Table } from "../table/client.ts";
import { LIST_INDEX, tableDefinition } from "../table/definition.ts";
import { clustersEnd, clustersStart, LIST_SHARDS, listPartitions } from "../table/keys.ts";
import { decodeRow, type ListRow } from "./list-row.ts";
import type { Chunk, KeyRange } from "./page-index.ts";
import { readPreviousRows } from "./previous-list-index.ts";

/**
 * Maximum number of clusters in a range. Each partition contains about a quarter of them, in rows of 160 to 220 bytes, so that one
 * query of at most 1 MB returns them.
 */
export const RANGE_ROWS = LIST_SHARDS * 4_000;

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

/** Reads ranges of all partitions in parallel. @returns the rows in no order; a cluster that moves meanwhile can have two */
export async function readListRows(
  table: Table,
  organisation: string,
  ranges: readonly KeyRange[],
): Promise<ListRow[]> {
  const attributes = tableDefinition.indexes[LIST_INDEX].include;
  const readRows = async (pk: string, span: KeyRange): Promise<ListRow[]> => {
    const items = await table.query({ pk, ...span, index: LIST_INDEX, attributes });
    return items.map((item) => decodeRow(item, item.row));
  };
  const partitions = listPartitions(organisation);
  const parts = ranges.flatMap((span) => [
    ...partitions.map((pk) => readRows(pk, span)),
    readPreviousRows(table, organisation, span),
  ]);
  return (await Promise.all(parts)).flat();
}
