/** Sizes of the parts of the page index. */

/** Sizes of the page index. Tests use small ones, to reach every split with few clusters. */
export interface PageIndexLimits {
  /** Maximum number of clusters in a bucket. 64 of the largest fit into the 1 MB that one query may read. */
  readonly bucket: number;
  /** Maximum number of buckets in a chunk item. */
  readonly chunk: number;
}

/** Sizes in use. */
export const pageIndexLimits: PageIndexLimits = { bucket: 64, chunk: 64 };
