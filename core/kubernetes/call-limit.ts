/** Limits the calls in flight to one API server. Others wait in order. */

import { KubernetesError } from "./errors.ts";

/** Limit of calls. */
export interface CallLimit {
  /** Calls in flight. */
  readonly running: number;
  /** Calls that wait. */
  readonly waiting: number;
  /**
   * Makes a call when it is its turn.
   *
   * @throws KubernetesError `unavailable` if too many calls wait or its turn does not come in time; the reason of the signal if it aborts
   *   the wait; otherwise the error of the call
   */
  run<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T>;
}

/**
 * Creates a limit.
 *
 * @param limits calls in flight, calls that wait, and the longest wait in milliseconds
 */
export function createCallLimit({
  inFlight,
  maxWaiting,
  waitMs,
}: {
  inFlight: number;
  maxWaiting: number;
  waitMs: number;
}): CallLimit {
  let running = 0;
  const queue = new Set<() => void>();

  function waitForTurn(signal: AbortSignal): Promise<void> {
    if (queue.size >= maxWaiting) {
      const text = `${running} calls to the management cluster are in progress and ${queue.size} wait; try again later`;
      throw new KubernetesError("unavailable", text);
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const begin = () => {
      running += 1;
      resolve();
    };
    const leave = (error: unknown) => {
      if (queue.delete(begin)) reject(error);
    };
    const abort = () => leave(signal.reason);
    const timer = setTimeout(() => {
      leave(new KubernetesError("unavailable", `no call to the management cluster ended within ${waitMs / 1_000} s`));
    }, waitMs);
    queue.add(begin);
    signal.addEventListener("abort", abort, { once: true });
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    });
  }

  function startNext(): void {
    for (const begin of queue) {
      if (running >= inFlight) return;
      queue.delete(begin);
      begin();
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
      if (running < inFlight) running += 1;
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
