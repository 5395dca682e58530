/**
 * Gives requests priority over the reconciler. It has a thread of its own, but shares the processors and the engine, which responds to
 * calls one after the other.
 */

/** Limits of the priority of requests. */
export interface RequestLimits {
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

/** Limits of the reconciler's work. */
export interface IterationLimits {
  /** Maximum number of iterations at a time without requests. */
  idle: number;
  /** Maximum number of iterations at a time beside requests. */
  busy: number;
  /** Longest time for which one iteration keeps others waiting, in milliseconds: a provisioner may take ten seconds for a call. */
  iterationMs: number;
}

const ITERATION_LIMITS: IterationLimits = { idle: 16, busy: Number(process.env.BUSY ?? 4), iterationMs: 1_000 };

/** Order of the reconciler's iterations, first come, first served. Beside requests, fewer run at a time. */
export class IterationQueue {
  readonly #requests: Pick<RequestCounter, "isBusy">;
  readonly #limits: IterationLimits;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(requests: Pick<RequestCounter, "isBusy">, limits: IterationLimits = ITERATION_LIMITS) {
    this.#requests = requests;
    this.#limits = limits;
  }

  /** Runs an iteration when it is its turn. Without requests, those that wait start at the end of an iteration. */
  async run<T>(iteration: () => Promise<T>): Promise<T> {
    if (this.#waiting.size > 0 || !this.#isFree()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      this.#startNext();
      await promise;
    } else this.#running++;
    const end = this.#beginIteration();
    try {
      return await iteration();
    } finally {
      end();
    }
  }

  /** @returns function that ends the turn; a repeated call has no effect */
  #beginIteration(): () => void {
    let isEnded = false;
    const end = () => {
      if (isEnded) return;
      isEnded = true;
      clearTimeout(longest);
      this.#running--;
      this.#startNext();
    };
    const longest = setTimeout(end, this.#limits.iterationMs).unref();
    return end;
  }

  #isFree(): boolean {
    return this.#running < (this.#requests.isBusy ? this.#limits.busy : this.#limits.idle);
  }

  #startNext(): void {
    for (const start of this.#waiting) {
      if (!this.#isFree()) return;
      this.#waiting.delete(start);
      this.#running++;
      start();
    }
  }
}
