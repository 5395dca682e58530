/** The slim index: a few attributes of every cluster, read side by side in ranges that the page index cuts. */

import * as v from "valibot";
import type { Table } from "../table/client.ts";
import { type LIST_ATTRIBUTES, LIST_INDEX } from "../table/definition.ts";
import { clustersEnd, clustersStart, organisationKey } from "../table/keys.ts";
import type { Chunk, KeyRange } from "./page-index.ts";

/** Rows a range, at most: about 350 bytes each and rarely more than 400, so that one query's megabyte holds them. */
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

/** What other orders and filters look at. It may lag behind the cluster by seconds. */
export type ListRow = v.InferOutput<typeof StoredListRow>;

/**
 * Cuts an organisation into ranges of neighbouring clusters.
 *
 * @param chunks of all its environments, in key order
 * @param isVisible leaves out what the caller may not see; it is not read either
 * @param rows a range, at most, as far as the counts are right
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

/** The end of a range that the next one begins at: ranges include their ends, and `~` follows all that slugs are made of. */
const lastBefore = (from: string): string =>
  from.endsWith("#")
    ? `${from.slice(0, -1)}!`
    : `${from.slice(0, -1)}${String.fromCharCode(from.charCodeAt(from.length - 1) - 1)}~`;

/** Reads ranges side by side, in key order. */
export async function readListRows(
  table: Table,
  organisation: string,
  ranges: readonly KeyRange[],
): Promise<ListRow[]> {
  const { pk } = organisationKey(organisation);
  const parts = await Promise.all(ranges.map((span) => table.query({ pk, ...span, index: LIST_INDEX })));
  return parts.flat().map((item): ListRow => v.parse(StoredListRow, item));
}
