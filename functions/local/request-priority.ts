/** Gives requests priority over the reconciler of the same process, with which they share a processor and the engine. */

/** Limits of the reconciler's work. */
export interface PriorityLimits {
  /** Maximum number of iterations at a time without requests. */
  idle: number;
  /** Maximum number of iterations at a time beside requests. */
  busy: number;
  /** Time after the end of a request in which another one is expected, in milliseconds. */
  lingerMs: number;
  /** Longest time for which one request takes priority, in milliseconds: a request that waits for a status takes a minute. */
  requestMs: number;
  /** Longest wait of an iteration for its turn, in milliseconds: the reconciler also makes progress beside constant requests. */
  waitMs: number;
}

const DEFAULTS: PriorityLimits = { idle: 16, busy: 1, lingerMs: 20, requestMs: 500, waitMs: 1_000 };

interface Waiting {
  start(): void;
}

/** RequestPriority of the reconciler's iterations, first come, first served. While requests are in flight, one iteration runs at a time. */
export class RequestPriority {
  readonly #limits: PriorityLimits;
  readonly #waiting = new Set<Waiting>();
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
    await this.#turn();
    try {
      return await iteration();
    } finally {
      this.#running--;
      this.#startNext();
    }
  }

  #isFree(): boolean {
    return this.#running < (this.#requests > 0 ? this.#limits.busy : this.#limits.idle);
  }

  async #turn(): Promise<void> {
    if (this.#waiting.size === 0 && this.#isFree()) {
      this.#running++;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting: Waiting = {
      start: () => {
        clearTimeout(longest);
        this.#waiting.delete(waiting);
        this.#running++;
        resolve();
      },
    };
    const longest = setTimeout(waiting.start, this.#limits.waitMs);
    this.#waiting.add(waiting);
    await promise;
  }

  #startNext(): void {
    for (const waiting of this.#waiting) {
      if (!this.#isFree()) return;
      waiting.start();
    }
  }
}
