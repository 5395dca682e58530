/**
 * Limits the concurrent calls to one API server, and those of one group among them. Further calls wait in a FIFO queue, in which a call
 * overtakes those whose group is at its limit.
 */

import { KubernetesError } from "./errors.ts";

/** Concurrency limit with a queue. */
export interface CallLimit {
  /** Number of calls in flight. */
  readonly running: number;
  /** Number of calls in the queue. */
  readonly waiting: number;
  /**
   * Makes a call as soon as the limits allow it.
   *
   * @param group name of the group of the call; undefined if only the limit of all calls applies
   * @throws KubernetesError `unavailable` if the queue is full or the wait takes too long; the reason of the signal if it aborts the wait;
   *   otherwise the error of the call
   */
  run<T>(signal: AbortSignal, call: () => Promise<T>, group?: string): Promise<T>;
}

/**
 * Creates a limit.
 *
 * @param limits name of the API server in errors; maximum numbers of calls in flight, of those of one group, and of calls in the queue;
 *   maximum wait in milliseconds
 */
export function createCallLimit({
  server,
  maxInFlight,
  maxOfGroup = maxInFlight,
  maxWaiting,
  maxWaitMs,
}: {
  server: string;
  maxInFlight: number;
  /** Default: no limit for groups. */
  maxOfGroup?: number;
  maxWaiting: number;
  maxWaitMs: number;
}): CallLimit {
  let running = 0;
  const runningOf = new Map<string, number>();
  const queue = new Set<{ start: () => void; group: string | undefined }>();

  const isAllowed = (group: string | undefined) =>
    running < maxInFlight && (group === undefined || (runningOf.get(group) ?? 0) < maxOfGroup);

  function count(group: string | undefined, change: 1 | -1): void {
    running += change;
    if (group === undefined) return;
    const number = (runningOf.get(group) ?? 0) + change;
    if (number === 0) runningOf.delete(group);
    else runningOf.set(group, number);
  }

  function waitForTurn(signal: AbortSignal, group: string | undefined): Promise<void> {
    if (queue.size >= maxWaiting) {
      const text = `${running} calls to ${server} are in progress and ${queue.size} wait; try again later`;
      throw new KubernetesError("unavailable", text);
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry = { start: resolve, group };
    const leave = (error: unknown) => {
      if (queue.delete(entry)) reject(error);
    };
    const abort = () => leave(signal.reason);
    const timer = setTimeout(() => {
      leave(
        new KubernetesError(
          "unavailable",
          `the calls to ${server} in progress did not end within ${maxWaitMs / 1_000} s`,
        ),
      );
    }, maxWaitMs);
    queue.add(entry);
    signal.addEventListener("abort", abort, { once: true });
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    });
  }

  function startNext(): void {
    for (const entry of queue) {
      if (running >= maxInFlight) return;
      if (!isAllowed(entry.group)) continue;
      queue.delete(entry);
      count(entry.group, 1);
      entry.start();
    }
  }

  return {
    get running() {
      return running;
    },
    get waiting() {
      return queue.size;
    },
    async run(signal, call, group) {
      signal.throwIfAborted();
      if (isAllowed(group)) count(group, 1);
      else await waitForTurn(signal, group);
      try {
        return await call();
      } finally {
        count(group, -1);
        startNext();
      }
    },
  };
}
