/** Waiting until a cluster has a status. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../context.ts";
import type { Parameter } from "../query.ts";
import { deadlineIn } from "../table/pause.ts";
import { clusterStatuses } from "./schema.ts";
import type { Cluster } from "./stored.ts";

/** The longest a request waits, in seconds: well below what gateways and clients give an answer. */
export const MAX_WAIT_SECONDS = 10;

/** How long it is between two looks at a cluster, in milliseconds: first, and at most. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 1_000;

type Status = Cluster["status"];

/** Every status in the words of `waitFor`. */
const AWAITED: ReadonlyMap<string, Status> = new Map(clusterStatuses.map((status) => [`status:${status}`, status]));

/** What `waitFor` may be. */
export const awaitable: readonly string[] = [...AWAITED.keys()];

/** The status a caller waits for, as `status:started`. */
export const awaitedStatus: Parameter<Status | undefined> = {
  absent: undefined,
  parse(text) {
    const value = AWAITED.get(text);
    return value === undefined ? { wrong: `must be one of ${awaitable.join(", ")}` } : { value };
  },
};

/**
 * Whether a cluster has a status that is waited for. A status at which a cluster comes to rest counts only once the reconciler
 * has observed every accepted write: it may be the end of the change before.
 */
function hasStatus({ status, conditions, generation }: Awaitable, awaited: Status): boolean {
  if (status !== awaited) return false;
  const isAtRest = status === "started" || status === "stopped";
  return !isAtRest || conditions.every(({ observedGeneration }) => observedGeneration >= generation);
}

type Awaitable = Pick<Cluster, "status" | "conditions" | "generation">;

/**
 * Reads a cluster again until it has a status, as long as the caller would wait and no longer than `MAX_WAIT_SECONDS`.
 *
 * @param first what was read already
 * @param status undefined where the caller waits for none
 * @param read reads it anew, checking everything that has to be checked of a request
 * @returns what was read last
 * @throws AppError as `read`
 */
export async function untilStatus<Read extends { cluster: Awaitable }>(
  { waitSeconds, outcome }: Pick<Context, "waitSeconds" | "outcome">,
  first: Read,
  status: Status | undefined,
  read: () => Promise<Read>,
): Promise<Read> {
  if (status === undefined || waitSeconds === 0) return first;
  outcome.waitedSeconds = Math.min(waitSeconds, MAX_WAIT_SECONDS);
  const deadline = deadlineIn(outcome.waitedSeconds * 1_000);
  let present = first;
  let pauseMs = FIRST_PAUSE_MS;
  while (!hasStatus(present.cluster, status) && !deadline.passed()) {
    // Up to the deadline, so that the last look is at what is there when time is up.
    await sleep(Math.min(pauseMs, Math.ceil(deadline.left() * deadline.total)));
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    present = await read();
  }
  return present;
}
