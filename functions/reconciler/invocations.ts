/**
 * How AWS invokes the reconciler's functions: what the stream's filter lets through, how many invocations run side by side, and
 * what is reserved for them. No code of the functions: the stacks, the alarms and the tests read it.
 */

/**
 * The stream's filter. A record passes where a user's or an operator's write asks for work and no worker has the cluster. The
 * reconciler's own writes do not pass: while a lease lasts `leaseUntil` is there, and the write that ends it removes `requestedAt`.
 * AWS documents filters of DynamoDB streams for the key `dynamodb` alone, and a removed item has no `NewImage`.
 */
export const STREAM_FILTER = {
  dynamodb: {
    NewImage: {
      entity: { S: ["pointer"] },
      requestedAt: { S: [{ exists: true }] },
      leaseUntil: { S: [{ exists: false }] },
    },
  },
};

/** Batches of one shard of the stream that are worked on side by side: others need not wait for a batch's slowest cluster. */
const BATCHES_PER_STREAM_SHARD = 4;

/**
 * Shards of the stream, one for each partition of the table, for which concurrency is reserved. A new table on demand takes
 * 4,000 write units a second, and a partition 1,000: it has 4. A table of 1,000,000 clusters (40 GB, some 3,000 write units a
 * second at rest) is expected to have up to 8.
 */
const STREAM_SHARDS = 8;

/** The stream's function. */
export const streamInvocations = {
  parallelizationFactor: BATCHES_PER_STREAM_SHARD,
  /** As many as there are batches side by side: none of them is throttled. */
  reservedConcurrency: BATCHES_PER_STREAM_SHARD * STREAM_SHARDS,
} as const;

/** Invocations of one sweep side by side: one may still wait for its last clusters when the next minute's begins. */
const INVOCATIONS_PER_SWEEP = 2;

/**
 * Returns how many sweeps a stage runs each minute, and what is reserved for them.
 *
 * @param isEphemeral whether the stage comes and goes: it has few clusters, and one sweep
 */
export function sweepInvocations(isEphemeral: boolean): { count: number; reservedConcurrency: number } {
  const count = isEphemeral ? 1 : 16;
  return { count, reservedConcurrency: count * INVOCATIONS_PER_SWEEP };
}

/** What a schedule passes to its sweep. */
export interface SweepEvent {
  /** From 0 to one less than `count`. */
  index: number;
  count: number;
  /** When the sweep was due, RFC 3339. */
  scheduledAt: string;
}

/**
 * Builds what each schedule passes to its sweep.
 *
 * @param count how many sweeps there are
 */
export const sweepEvents = (count: number): SweepEvent[] =>
  // EventBridge Scheduler puts the time in the keyword's place.
  Array.from({ length: count }, (_, index) => ({ index, count, scheduledAt: "<aws.scheduler.scheduled-time>" }));
