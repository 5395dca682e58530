/** Waiting until a cluster has a status. */

import type { Context } from "../../context.ts";
import type { Parameter } from "../../request/query.ts";
import { deadlineIn } from "../../shared/retry.ts";
import type { Table } from "../../table/client.ts";
import type { Key } from "../../table/keys.ts";
import type { Cluster } from "../entity.ts";
import { clusterStatuses } from "../schema.ts";
import { type Awaitable, hasStatus } from "./status-watcher.ts";

/** The longest a request waits, in seconds: well below what gateways and clients give an answer. */
export const MAX_WAIT_SECONDS = 10;

/** After how many seconds a caller that could not wait should ask again. */
export const RETRY_AFTER_SECONDS = 5;

type Status = Cluster["status"];

/** Every status in the words of `waitFor`. */
const AWAITED: ReadonlyMap<string, Status> = new Map(clusterStatuses.map((status) => [`status:${status}`, status]));

/** What `waitFor` may be. */
export const awaitable: readonly string[] = [...AWAITED.keys()];

/** The status a caller waits for, as `status:started`. */
export const awaitedStatus: Parameter<Status | undefined> = {
  defaultValue: undefined,
  parse(text) {
    const value = AWAITED.get(text);
    return value === undefined ? { wrong: `must be one of ${awaitable.join(", ")}` } : { value };
  },
};

/** What a request waits for, and how. */
export interface Wait<Read> {
  /** Undefined where the caller waits for none. */
  status: Status | undefined;
  /** Where the cluster is. */
  cluster: Key;
  /** Items that authorize the request beside what belongs to the cluster. */
  authorizedBy: readonly Key[];
  /** When the request came, by `performance.now()`: the caller's time runs from then. */
  startedAt: number;
  /** Aborted when the client disconnects. */
  signal: AbortSignal | undefined;
  /** Authorizes the request and reads the cluster. @param table what to read with */
  read(table: Table): Promise<Read>;
}

/**
 * Waits until a cluster has a status, as long as the caller would wait and no longer than `MAX_WAIT_SECONDS`. Where no more
 * requests may wait, or the process shuts down, it returns early, and the answer says when to ask again.
 *
 * @param tokenId of the caller's token, which was verified
 * @param first what was read already
 * @returns what was read last
 * @throws AppError as `read`
 */
export async function untilStatus<Read extends { cluster: Awaitable }>(
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
      const timeoutMs = Math.ceil(deadline.remainingMs() * deadline.totalMs);
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
