/** From a page number to the keys of the page. Pure: prefix sums over the buckets a caller may see. */

import { type Chunk, type KeyRange, keyRange } from "./page-index.ts";

/** What to read of one bucket: `limit` items from one of its ends, of which `skip` are not part of the page. */
export interface BucketRead {
  readonly span: KeyRange;
  readonly backward: boolean;
  readonly limit: number | undefined;
  readonly skip: number;
}

/** A page as it is to be read: buckets in ascending order, and how many elements the whole list has. */
export interface Slice {
  readonly reads: readonly BucketRead[];
  readonly total: number;
}

interface BucketPosition {
  span: KeyRange;
  n: number;
}

/**
 * Every bucket with where it ends, which its neighbour says. Chunks are read one after the other: when one was split in
 * between, what moved was read twice, and only the later reading counts.
 */
function positions(chunks: readonly Chunk[]): BucketPosition[] {
  const flat = chunks.flatMap(({ environment, buckets }, position) => {
    const next = chunks[position + 1];
    const end = next?.environment === environment ? next.lowerBound : undefined;
    return buckets
      .filter(({ bound }) => end === undefined || bound < end)
      .map(({ bound, n }) => ({ environment, bound, n }));
  });
  return flat.map(({ environment, bound, n }, position) => {
    const next = flat[position + 1];
    return { span: keyRange(environment, bound, next?.environment === environment ? next.bound : undefined), n };
  });
}

/**
 * Finds what to read for a page. A bucket of which only an end is needed is read from that end, so that a page costs what it
 * holds, wherever it lies.
 *
 * @param chunks of the environments in sight, in key order
 * @param offset how many elements come before the page, in the order asked for
 * @param size how many the page holds
 * @param descending whether the order is the exact reverse; the reads are ascending all the same
 */
export function slicePage(chunks: readonly Chunk[], offset: number, size: number, descending: boolean): Slice {
  const all = positions(chunks);
  const total = all.reduce((sum, { n }) => sum + n, 0);
  const first = descending ? Math.max(0, total - offset - size) : offset;
  const end = descending ? Math.max(0, total - offset) : Math.min(total, offset + size);
  const reads: BucketRead[] = [];
  let start = 0;
  for (const { span, n } of all) {
    const from = Math.max(first - start, 0);
    const to = Math.min(end - start, n);
    start += n;
    if (from >= to) continue;
    if (from === 0 && to === n) reads.push({ span, backward: false, limit: undefined, skip: 0 });
    else if (to <= n - from) reads.push({ span, backward: false, limit: to, skip: from });
    else reads.push({ span, backward: true, limit: n - from, skip: n - to });
  }
  return { reads, total };
}
