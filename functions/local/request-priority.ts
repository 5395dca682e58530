/**
 * Gives requests priority over the reconciler, and reads over writes. They share the processors and the engine, which responds to calls
 * one after the other.
 */

import { ConcurrencyLimit } from "./concurrency-limit.ts";

/** Limits of the priority of requests. */
interface RequestLimits {
  /** Time after the end of a request in which another one is expected, in milliseconds. */
  lingerMs: number;
  /** Longest time for which one request takes priority, in milliseconds: a request that waits for a status takes up to ten seconds. */
  requestMs: number;
}

const REQUEST_LIMITS: RequestLimits = { lingerMs: 20, requestMs: 500 };

/** Counts the requests that take priority. The threads of a process share the number. */
export class RequestCounter {
  /** Memory of the number, for a counter in another thread. */
  readonly memory: SharedArrayBuffer;
  readonly #count: Int32Array;
  readonly #limits: RequestLimits;

  constructor(limits: RequestLimits = REQUEST_LIMITS, memory = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#count = new Int32Array(memory);
    this.#limits = limits;
  }

  /** True if there are requests, or another one is expected. */
  get isBusy(): boolean {
    return Atomics.load(this.#count, 0) > 0;
  }

  /** Counts a request. @returns function to call at its end; a repeated call has no effect */
  begin(): () => void {
    const { requestMs, lingerMs } = this.#limits;
    Atomics.add(this.#count, 0, 1);
    let isEnded = false;
    const end = () => {
      if (isEnded) return;
      isEnded = true;
      clearTimeout(longest);
      setTimeout(() => Atomics.sub(this.#count, 0, 1), lingerMs).unref();
    };
    const longest = setTimeout(end, requestMs).unref();
    return end;
  }
}

/** Maximum numbers of the reconciler's iterations at a time. */
interface IterationLimits {
  /** Without requests. */
  idle: number;
  /** Beside requests. */
  busy: number;
}

const ITERATION_LIMITS: IterationLimits = { idle: 16, busy: 1 };

/** Longest time for which one iteration keeps others waiting, in milliseconds: a provisioner may take ten seconds for a call. */
const ITERATION_MS = 1_000;

/** Creates the limit of the reconciler's iterations. Beside requests, fewer run at a time. */
export const limitIterations = (
  requests: Pick<RequestCounter, "isBusy">,
  { idle, busy }: IterationLimits = ITERATION_LIMITS,
  iterationMs: number = ITERATION_MS,
): ConcurrencyLimit => new ConcurrencyLimit(() => (requests.isBusy ? busy : idle), iterationMs);

/** Maximum number of requests that write at a time: enough to keep the engine busy. Reads do not wait for those above. */
const WRITES = 2;

/** Longest time for which one writing request keeps others waiting, in milliseconds: it may retry a transaction for several seconds. */
const WRITE_MS = 1_000;

/** Creates the limit of the requests that write. */
export const limitWrites = (writes: number = WRITES, writeMs: number = WRITE_MS): ConcurrencyLimit =>
  new ConcurrencyLimit(() => writes, writeMs);
