/** Makes calls to an API server with a concurrency limit, a time limit, retries after Retry-After and a circuit breaker. */

import { createCallLimit } from "./call-limit.ts";
import { createCircuitBreaker } from "./circuit-breaker.ts";
import { createCredentials } from "./credentials.ts";
import { KubernetesError, unavailableError } from "./errors.ts";
import type { CallOptions } from "./interface.ts";
import type { Kubeconfig } from "./kubeconfig.ts";
import { type HttpResponse, parseResponse } from "./response.ts";
import { createTransport, type Request } from "./transport.ts";

/** Settings of calls. Times are in milliseconds. */
export interface CallSettings {
  /** Name of the server in errors. Default "the management cluster". */
  server?: string;
  clock: () => Date;
  /** Environment variables for a command of the kubeconfig that prints credentials. */
  environment?: Readonly<Record<string, string | undefined>>;
  /** Time limit of one request, without the wait in the queue. Default 5 s. */
  callTimeoutMs?: number;
  /** Time limit of a command that prints credentials. Default 10 s. */
  commandTimeoutMs?: number;
  /** Maximum number of calls in flight. Default 16. */
  maxInFlight?: number;
  /** Maximum number of calls in the queue. Default 500. */
  maxWaiting?: number;
  /** Maximum time in the queue. Default 30 s. */
  maxWaitMs?: number;
  /** Number of consecutive outages after which the circuit breaker stops calls. Default 5. */
  failureThreshold?: number;
  /** Delay before the first probe. Default 1 s. */
  firstDelayMs?: number;
  /** Maximum delay before a probe. Default 60 s. */
  maxDelayMs?: number;
  /** Returns a number from 0 to 1, for the jitter of probes. */
  random?: () => number;
  /** Called with the problem when the circuit breaker stops calls, and with undefined when the server answers again. */
  onOutage?: (problem: string | undefined) => void;
}

const DEFAULTS = {
  server: "the management cluster",
  environment: {},
  callTimeoutMs: 5_000,
  commandTimeoutMs: 10_000,
  maxInFlight: 16,
  maxWaiting: 500,
  maxWaitMs: 30_000,
  failureThreshold: 5,
  firstDelayMs: 1_000,
  maxDelayMs: 60_000,
  random: Math.random,
};

/**
 * Share of the calls in flight that may write objects of one kind. If the webhook of a provider does not answer, calls of its kinds last
 * until their time limit. A cluster has at most four such kinds, and the calls of other providers need the rest.
 */
const SHARE_OF_KIND = 1 / 5;

/** Time limit of a probe, in milliseconds. */
const PROBE_MS = 3_000;

/** Calls to one API server. */
export interface Calls {
  /**
   * Sends a request and returns the JSON of its response.
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
  const options = { ...DEFAULTS, ...settings };
  const transport = createTransport(access, createCredentials(access.credential, options), options.maxInFlight);
  const { maxInFlight } = options;
  const limit = createCallLimit({ ...options, maxOfGroup: Math.max(1, Math.floor(maxInFlight * SHARE_OF_KIND)) });
  const breaker = createCircuitBreaker(options);

  /** A server that starts answers /version before it knows its CRDs; /readyz waits for them. */
  async function probe(): Promise<void> {
    const limitMs = Math.min(PROBE_MS, options.callTimeoutMs);
    const { status } = await transport.send(
      { method: "GET", path: "/readyz" },
      AbortSignal.timeout(2 * PROBE_MS),
      limitMs,
    );
    if (status >= 500) throw unavailableError("GET /readyz", `the server is not ready (status ${status})`, { status });
  }

  /** Sends a request, and repeats it after the delay of Retry-After if the delay fits into the time limit. */
  async function attempt(request: Request, signal: AbortSignal, secrets: readonly string[]) {
    const call = `${request.method} ${request.path}`;
    const end = performance.now() + options.callTimeoutMs;
    for (;;) {
      const response = await sendOnce(request, signal, end - performance.now());
      const pauseMs = response.status === 429 ? response.retryAfterMs : undefined;
      if (pauseMs === undefined || performance.now() + pauseMs >= end) return parseResponse(call, response, secrets);
      await pause(pauseMs, signal);
    }
  }

  /** Sends a request. A late abort counts as an outage, because the caller's own time limit may be shorter than this one. */
  async function sendOnce(request: Request, signal: AbortSignal, timeoutMs: number): Promise<HttpResponse> {
    const start = performance.now();
    try {
      return await transport.send(request, signal, timeoutMs);
    } catch (error) {
      if (error instanceof KubernetesError || !signal.aborted) throw error;
      if (performance.now() - start < options.callTimeoutMs / 2) throw error;
      throw unavailableError(`${request.method} ${request.path}`, "no response within the caller's time limit");
    }
  }

  async function call(request: Request, { signal }: CallOptions, secrets: readonly string[] = []) {
    signal.throwIfAborted();
    breaker.requireClosed();
    const send = () => breaker.run(() => attempt(request, signal, secrets), probe);
    return await limit.run(signal, send, request.written);
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
