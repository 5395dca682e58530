/** Waits until a cluster has a status. */

import type { Context } from "../../context.ts";
import { deadlineIn } from "../../shared/retry.ts";
import type { Table } from "../../table/client.ts";
import type { Key } from "../../table/keys.ts";
import type { Cluster } from "../entity.ts";

/** Maximum wait of a request, in seconds: well below the timeouts of gateways and clients. */
export const MAX_WAIT_SECONDS = 10;

/** Delay before a caller that could not wait retries, in seconds. */
const RETRY_AFTER_SECONDS = 5;

type Status = Cluster["status"];

/** Part of a cluster that decides whether a wait is over. */
export type Awaitable = Pick<Cluster, "status" | "conditions" | "generation">;

/**
 * Returns whether a cluster has the awaited status. A final status (started, stopped) counts only once the reconciler has
 * observed every accepted write, because it may belong to the previous change.
 */
export function hasStatus({ status, conditions, generation }: Awaitable, awaited: string): boolean {
  if (status !== awaited) return false;
  const isAtRest = status === "started" || status === "stopped";
  return !isAtRest || conditions.every(({ observedGeneration }) => observedGeneration >= generation);
}

/** Wait of a request for a status of a cluster. */
interface Wait<Read> {
  /** Undefined if the caller does not wait. */
  status: Status | undefined;
  /** Key of the cluster. */
  cluster: Key;
  /** Items that authorize the request, in addition to the cluster's own. */
  authorizedBy: readonly Key[];
  /** Start of the request, by `performance.now()`: the wait counts from then. */
  startedAt: number;
  /** Aborted when the client disconnects. */
  signal: AbortSignal | undefined;
  /** Authorizes the request and reads the cluster. @param table table to read from */
  read(table: Table): Promise<Read>;
}

/**
 * Waits until a cluster has a status, at most for the time that the caller allows and `MAX_WAIT_SECONDS`. Returns early if
 * no more requests may wait or the process shuts down; the response then contains the time of the next attempt.
 *
 * @param tokenId id of the caller's token, which was verified
 * @param first result of the first read
 * @returns result of the last read
 * @throws AppError as `read`
 */
export async function waitForStatus<Read extends { cluster: Awaitable }>(
  { waitSeconds, responseMetadata, statusWatcher, table }: Context,
  tokenId: string,
  first: Read,
  { status, startedAt, read, ...awaited }: Wait<Read>,
): Promise<Read> {
  if (status === undefined || waitSeconds === 0) return first;
  const seconds = Math.min(waitSeconds, MAX_WAIT_SECONDS);
  const isReached = ({ cluster }: Read) => hasStatus(cluster, status);
  const release = isReached(first) ? undefined : statusWatcher.reserve(tokenId);
  if (isReached(first) || release !== undefined) responseMetadata.waitedSeconds = seconds;
  else responseMetadata.retryAfterSeconds = RETRY_AFTER_SECONDS;
  if (release === undefined) return first;
  const deadline = deadlineIn(Math.max(1, startedAt + seconds * 1_000 - performance.now()));
  try {
    for (;;) {
      const timeoutMs = Math.ceil(deadline.remaining() * deadline.totalMs);
      await statusWatcher.change({ ...awaited, table, status, timeoutMs });
      // The client disconnected, so the answer is not sent.
      if (awaited.signal?.aborted === true) return first;
      const present = await read(statusWatcher.sharedTable(table));
      if (isReached(present) || deadline.expired()) return present;
      if (statusWatcher.isClosed) {
        responseMetadata.retryAfterSeconds = RETRY_AFTER_SECONDS;
        return present;
      }
    }
  } finally {
    release();
  }
}
