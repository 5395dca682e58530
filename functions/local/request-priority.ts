/** Gives requests priority over the reconciler of the same process, with which they share a processor and the engine. */

/** Limits of the reconciler's work. */
export interface PriorityLimits {
  /** Maximum number of iterations at a time without requests. */
  idle: number;
  /** Maximum number of iterations at a time beside requests. */
  busy: number;
  /** Time after the end of a request in which another one is expected, in milliseconds. */
  lingerMs: number;
  /** Longest time for which one request takes priority, in milliseconds: a request that waits for a status takes up to ten seconds. */
  requestMs: number;
  /** Longest time for which one iteration keeps others waiting, in milliseconds: a provisioner may take ten seconds for a call. */
  iterationMs: number;
}

const DEFAULTS: PriorityLimits = { idle: 16, busy: 2, lingerMs: 20, requestMs: 500, iterationMs: 1_000 };

/** Order of the reconciler's iterations, first come, first served. While requests are in flight, fewer run at a time. */
export class RequestPriority {
  readonly #limits: PriorityLimits;
  readonly #waiting = new Set<() => void>();
  #running = 0;
  #requests = 0;

  constructor(limits: PriorityLimits = DEFAULTS) {
    this.#limits = limits;
  }

  /** Counts a request. @returns function to call at its end; a repeated call has no effect */
  beginRequest(): () => void {
    const { requestMs, lingerMs } = this.#limits;
    this.#requests++;
    let isEnded = false;
    const end = () => {
      if (isEnded) return;
      isEnded = true;
      clearTimeout(longest);
      setTimeout(() => {
        this.#requests--;
        this.#startNext();
      }, lingerMs).unref();
    };
    const longest = setTimeout(end, requestMs).unref();
    return end;
  }

  /** Runs an iteration when it is its turn. */
  async run<T>(iteration: () => Promise<T>): Promise<T> {
    if (this.#waiting.size > 0 || !this.#isFree()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
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
    return this.#running < (this.#requests > 0 ? this.#limits.busy : this.#limits.idle);
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
