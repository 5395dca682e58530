/** Maps a page number to the keys of the page, with prefix sums over the buckets that a caller can access. Pure functions. */

import { type Chunk, type KeyRange, keyRange } from "./page-index.ts";

/** Read of one bucket: `limit` items from one of its ends, of which the first `skip` are not part of the page. */
export interface BucketRead {
  readonly span: KeyRange;
  readonly backward: boolean;
  readonly limit: number | undefined;
  readonly skip: number;
}

/** Reads for a page: buckets in ascending order, and the number of elements in the whole list. */
interface Slice {
  readonly reads: readonly BucketRead[];
  readonly total: number;
}

interface BucketPosition {
  span: KeyRange;
  n: number;
}

/**
 * Lists every bucket with its end, which is the next bucket's bound. Chunks are read one after the other: if one was split in
 * between, the moved buckets were read twice, and only the later read counts.
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
 * Finds the reads for a page. If only one end of a bucket is needed, the bucket is read from that end, so the cost of a page
 * depends on its size and not on its position.
 *
 * @param chunks chunks of the environments that the caller can access, in key order
 * @param offset number of elements before the page, in the requested order
 * @param size number of elements in the page
 * @param descending true for the exact reverse order; the reads are ascending in both cases
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
