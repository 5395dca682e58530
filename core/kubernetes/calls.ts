/** Makes calls to an API server: in turn, with a time limit, with pauses that the server asks for, and through a circuit breaker. */

import { type Answer, readAnswer } from "./answer.ts";
import { createCallLimit } from "./call-limit.ts";
import { createCircuitBreaker } from "./circuit-breaker.ts";
import { createCredentials } from "./credentials.ts";
import { KubernetesError, noAnswer } from "./errors.ts";
import type { CallOptions } from "./interface.ts";
import type { Kubeconfig } from "./kubeconfig.ts";
import { createTransport, type Request } from "./transport.ts";

/** Settings of calls. Times are in milliseconds. */
export interface CallSettings {
  /** Name of the server in errors. Default "the management cluster". */
  server?: string;
  clock: () => Date;
  /** Variables for a command of the kubeconfig that prints credentials. */
  environment?: Readonly<Record<string, string | undefined>>;
  /** Time limit of one request, without the wait for its turn. Default 5 s. */
  callMs?: number;
  /** Time limit of a command that prints credentials. Default 10 s. */
  commandMs?: number;
  /** Calls in flight. Default 16. */
  inFlight?: number;
  /** Calls that wait for their turn. Default 500. */
  maxWaiting?: number;
  /** Longest wait for a turn. Default 30 s. */
  waitMs?: number;
  /** Consecutive outages after which calls are stopped. Default 5. */
  failures?: number;
  /** Delay before the first probe. Default 1 s. */
  firstDelayMs?: number;
  /** Longest delay before a probe. Default 60 s. */
  maxDelayMs?: number;
  /** Returns a number from 0 to 1, for the jitter of probes. */
  random?: () => number;
}

const DEFAULTS = {
  server: "the management cluster",
  environment: {},
  callMs: 5_000,
  commandMs: 10_000,
  inFlight: 16,
  maxWaiting: 500,
  waitMs: 30_000,
  failures: 5,
  firstDelayMs: 1_000,
  maxDelayMs: 60_000,
  random: Math.random,
};

/** Time limit of a probe, in milliseconds. */
const PROBE_MS = 3_000;

/** Calls to one API server. */
export interface Calls {
  /**
   * Sends a request and returns the JSON of its answer.
   *
   * @param secrets texts that no error may contain
   * @throws KubernetesError; the reason of the signal if it aborted the call
   */
  call(request: Request, options: CallOptions, secrets?: readonly string[]): Promise<Record<string, unknown>>;
  /** Closes all connections. */
  close(): void;
}

/** Creates the calls to the API server of a kubeconfig. It connects at the first call. */
export function createCalls(access: Kubeconfig, settings: CallSettings): Calls {
  const given = { ...DEFAULTS, ...settings };
  const transport = createTransport(access, createCredentials(access.credential, given), given.inFlight);
  const limit = createCallLimit(given);
  const breaker = createCircuitBreaker({ ...given, server: given.server });

  /** A server that starts answers /version before it knows its CRDs; /readyz waits for them. */
  async function probe(): Promise<void> {
    const limitMs = Math.min(PROBE_MS, given.callMs);
    const { status } = await transport.send(
      { method: "GET", path: "/readyz" },
      AbortSignal.timeout(2 * PROBE_MS),
      limitMs,
    );
    if (status >= 500) throw noAnswer("GET /readyz", `the server is not ready (status ${status})`, { status });
  }

  /** Sends a request, and again after a pause that the server asked for, if the pause fits into the time limit. */
  async function attempt(request: Request, signal: AbortSignal, secrets: readonly string[]) {
    const call = `${request.method} ${request.path}`;
    const end = performance.now() + given.callMs;
    for (;;) {
      const answer = await sendOnce(request, signal, end - performance.now());
      const pauseMs = answer.status === 429 ? answer.retryAfterMs : undefined;
      if (pauseMs === undefined || performance.now() + pauseMs >= end) return readAnswer(call, answer, secrets);
      await pause(pauseMs, signal);
    }
  }

  /** Sends a request. A caller who gives up late counts as a missing answer: its own time limit may be the shorter one. */
  async function sendOnce(request: Request, signal: AbortSignal, timeoutMs: number): Promise<Answer> {
    const start = performance.now();
    try {
      return await transport.send(request, signal, timeoutMs);
    } catch (error) {
      if (error instanceof KubernetesError || !signal.aborted) throw error;
      if (performance.now() - start < given.callMs / 2) throw error;
      throw noAnswer(`${request.method} ${request.path}`, "no answer within the caller's time limit");
    }
  }

  async function call(request: Request, { signal }: CallOptions, secrets: readonly string[] = []) {
    signal.throwIfAborted();
    breaker.requireClosed();
    return await limit.run(signal, () => breaker.run(() => attempt(request, signal, secrets), probe));
  }

  return { call, close: () => transport.close() };
}

/** Waits. @throws the reason of the signal */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason);
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", abort, { once: true });
  try {
    signal.throwIfAborted();
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
