/**
 * Invocation of the reconciler's functions by AWS: the stream's filter, the number of concurrent invocations, and the reserved
 * concurrency. The stacks, the alarms and the tests import it; the functions do not.
 */

/**
 * Filter of the stream. A record passes if a user or an operator requested a reconciliation and no worker has the lease. The
 * reconciler's own writes do not pass: during a lease there is a `leaseUntil`, and the write that ends it removes `requestedAt`.
 * AWS documents filters of DynamoDB streams only for the key `dynamodb`, and a deleted item has no `NewImage`.
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

/** Number of concurrent batches for one shard of the stream, so that records do not wait for the slowest cluster of a batch. */
const BATCHES_PER_STREAM_SHARD = 4;

/**
 * Number of shards of the stream for which concurrency is reserved. There is one for each partition of the table. A new on-demand
 * table takes 4,000 write units a second, and a partition 1,000, so it has 4. A table of 1,000,000 clusters (40 GB, some 3,000
 * write units a second without changes by users) is expected to have up to 8.
 */
const STREAM_SHARDS = 8;

/** Invocations of the stream's function. */
export const streamInvocations = {
  parallelizationFactor: BATCHES_PER_STREAM_SHARD,
  /** Equal to the number of concurrent batches, so that none is throttled. */
  reservedConcurrency: BATCHES_PER_STREAM_SHARD * STREAM_SHARDS,
} as const;

/** Concurrent invocations of one sweep: one may still wait for its last clusters when the one of the next minute starts. */
const INVOCATIONS_PER_SWEEP = 2;

/**
 * Returns the number of sweeps that a stage runs each minute, and the reserved concurrency.
 *
 * @param isEphemeral true for a temporary stage, which has few clusters
 */
export function sweepInvocations(isEphemeral: boolean): { count: number; reservedConcurrency: number } {
  const count = isEphemeral ? 1 : 16;
  return { count, reservedConcurrency: count * INVOCATIONS_PER_SWEEP };
}

/** Event that a schedule passes to its sweep. */
interface SweepEvent {
  /** From 0 to one less than `count`. */
  index: number;
  count: number;
  /** Scheduled time of the sweep, RFC 3339. */
  scheduledAt: string;
}

/**
 * Builds the events of all schedules.
 *
 * @param count number of sweeps
 */
export const sweepEvents = (count: number): SweepEvent[] =>
  // EventBridge Scheduler replaces the keyword by the scheduled time.
  Array.from({ length: count }, (_, index) => ({ index, count, scheduledAt: "<aws.scheduler.scheduled-time>" }));
