/** Limits the concurrent calls to one API server. Further calls wait in a FIFO queue. */

import { KubernetesError } from "./errors.ts";

/** Concurrency limit with a queue. */
export interface CallLimit {
  /** Number of calls in flight. */
  readonly running: number;
  /** Number of calls in the queue. */
  readonly waiting: number;
  /**
   * Makes a call as soon as the limit allows it.
   *
   * @throws KubernetesError `unavailable` if the queue is full or the wait takes too long; the reason of the signal if it aborts the wait;
   *   otherwise the error of the call
   */
  run<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T>;
}

/**
 * Creates a limit.
 *
 * @param limits name of the API server in errors; maximum numbers of calls in flight and in the queue; maximum wait in milliseconds
 */
export function createCallLimit({
  server,
  maxInFlight,
  maxWaiting,
  maxWaitMs,
}: {
  server: string;
  maxInFlight: number;
  maxWaiting: number;
  maxWaitMs: number;
}): CallLimit {
  let running = 0;
  const queue = new Set<() => void>();

  function waitForTurn(signal: AbortSignal): Promise<void> {
    if (queue.size >= maxWaiting) {
      const text = `${running} calls to ${server} are in progress and ${queue.size} wait; try again later`;
      throw new KubernetesError("unavailable", text);
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const start = () => {
      running += 1;
      resolve();
    };
    const leave = (error: unknown) => {
      if (queue.delete(start)) reject(error);
    };
    const abort = () => leave(signal.reason);
    const timer = setTimeout(() => {
      leave(new KubernetesError("unavailable", `no call to ${server} ended within ${maxWaitMs / 1_000} s`));
    }, maxWaitMs);
    queue.add(start);
    signal.addEventListener("abort", abort, { once: true });
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    });
  }

  function startNext(): void {
    for (const start of queue) {
      if (running >= maxInFlight) return;
      queue.delete(start);
      start();
    }
  }

  return {
    get running() {
      return running;
    },
    get waiting() {
      return queue.size;
    },
    async run(signal, call) {
      signal.throwIfAborted();
      if (running < maxInFlight) running += 1;
      else await waitForTurn(signal);
      try {
        return await call();
      } finally {
        running -= 1;
        startNext();
      }
    },
  };
}
