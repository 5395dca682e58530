/** Stops calls to an API server that does not answer any call, until a probe succeeds. */

import { KubernetesError } from "./errors.ts";

/** Settings of a circuit breaker. Times are in milliseconds. */
export interface BreakerOptions {
  /** Name of the server in errors. */
  server: string;
  clock: () => Date;
  /** Number of consecutive failures after which it opens, if a probe fails too. */
  failureThreshold: number;
  /** Delay before the first probe. It doubles after each failed probe. */
  firstDelayMs: number;
  maxDelayMs: number;
  /** Returns a number from 0 to 1; shortens each delay by up to half, so that several processes do not probe at once. */
  random: () => number;
  /** Called with the problem when calls are stopped, and with undefined when the server answers again. */
  onOutage?: (problem: string | undefined) => void;
}

/** Circuit breaker. */
export interface CircuitBreaker {
  /** Throws if a call would fail at once. @throws KubernetesError `unavailable` with the delay until the next probe */
  requireClosed(): void;
  /**
   * Makes a call, after a probe if one is due. Calls that begin meanwhile wait for the result of the same probe. The failure that reaches
   * the threshold is followed by a probe: if only the webhook of one kind does not answer, calls for other kinds must not stop.
   *
   * @param probe fails with an outage if the server does not answer; any other error shows that it does
   * @throws KubernetesError `unavailable` if the breaker is open or if the probe failed; otherwise the error of the call
   */
  run<T>(call: () => Promise<T>, probe: () => Promise<unknown>): Promise<T>;
}

const isOutage = (error: unknown): boolean => error instanceof KubernetesError && error.isOutage;

/** Creates a closed circuit breaker. */
export function createCircuitBreaker(options: BreakerOptions): CircuitBreaker {
  const { server, clock, failureThreshold, firstDelayMs, maxDelayMs, random, onOutage } = options;
  let failureCount = 0;
  let open: { until: Date; delayMs: number; probing: Promise<void> | undefined; problem: string } | undefined;
  // A result counts only if the breaker has not opened or closed since the call began.
  let generation = 0;
  // True during the probe that decides whether the breaker opens.
  let isDeciding = false;

  function trip(delayMs: number, problem: string): void {
    const until = new Date(clock().getTime() + delayMs * (1 - random() / 2));
    if (open === undefined) onOutage?.(problem);
    open = { until, delayMs, probing: undefined, problem };
    generation += 1;
  }

  function close(): void {
    if (open !== undefined) onOutage?.(undefined);
    open = undefined;
    failureCount = 0;
    generation += 1;
  }

  function openError(): KubernetesError {
    const { until, problem } = open ?? { until: clock(), problem: "" };
    const text = `${server} does not answer; calls are stopped until a probe succeeds; last problem: ${problem}`;
    const retryAfterMs = Math.max(firstDelayMs, until.getTime() - clock().getTime());
    // Not an outage: no request was sent.
    return new KubernetesError("unavailable", text, { retryAfterMs });
  }

  async function runProbe(probe: () => Promise<unknown>, state: NonNullable<typeof open>): Promise<void> {
    try {
      await probe();
    } catch (error) {
      if (isOutage(error)) {
        trip(Math.min(maxDelayMs, state.delayMs * 2), error instanceof Error ? error.message : String(error));
        throw openError();
      }
    }
    close();
  }

  /** Opens the breaker, unless a probe shows that the server answers. */
  async function decide(probe: () => Promise<unknown>, problem: string): Promise<void> {
    isDeciding = true;
    try {
      await probe();
      close();
    } catch (error) {
      if (isOutage(error)) trip(firstDelayMs, problem);
      else close();
    } finally {
      isDeciding = false;
    }
  }

  const isStopped = () => open !== undefined && open.probing === undefined && clock() < open.until;

  return {
    requireClosed() {
      if (isStopped()) throw openError();
    },
    async run(call, probe) {
      if (isStopped()) throw openError();
      if (open !== undefined) {
        open.probing ??= runProbe(probe, open);
        await open.probing;
      }
      const started = generation;
      try {
        const result = await call();
        if (started === generation) failureCount = 0;
        return result;
      } catch (error) {
        if (started === generation && isOutage(error)) {
          failureCount += 1;
          if (failureCount >= failureThreshold && !isDeciding)
            await decide(probe, error instanceof Error ? error.message : String(error));
        } else if (started === generation && error instanceof KubernetesError && error.status !== undefined) {
          failureCount = 0;
        }
        throw error;
      }
    },
  };
}
