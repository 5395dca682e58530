/** How finely the page index cuts an organisation's clusters. */

/** Sizes of the page index. Tests make them small, to walk every split with few clusters. */
export interface PageIndexLimits {
  /** Clusters a bucket, at most. 64 of the largest fit into the 1 MB that one query may read. */
  readonly bucket: number;
  /** Buckets a chunk item, at most. */
  readonly chunk: number;
}

/** The sizes in use. */
export const pageIndexLimits: PageIndexLimits = { bucket: 64, chunk: 64 };
