/** Limits how much work runs at a time. */

/** Order of work, first come, first served, with a maximum number at a time. */
export class ConcurrencyLimit {
  readonly #limit: () => number;
  readonly #turnMs: number;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  /**
   * Creates a limit.
   *
   * @param limit returns the present maximum, at least 1. If it grows, work that waits starts when other work ends or arrives
   * @param turnMs longest time for which one piece of work keeps others waiting, in milliseconds
   */
  constructor(limit: () => number, turnMs: number) {
    this.#limit = limit;
    this.#turnMs = turnMs;
  }

  /** Runs work when it is its turn. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const { promise: turn, resolve: start } = Promise.withResolvers<void>();
    this.#waiting.add(start);
    this.#startNext();
    await turn;
    const end = this.#beginTurn();
    try {
      return await work();
    } finally {
      end();
    }
  }

  /** @returns function that ends the turn; a repeated call has no effect */
  #beginTurn(): () => void {
    let isEnded = false;
    const end = () => {
      if (isEnded) return;
      isEnded = true;
      clearTimeout(longest);
      this.#running--;
      this.#startNext();
    };
    const longest = setTimeout(end, this.#turnMs).unref();
    return end;
  }

  #startNext(): void {
    for (const start of this.#waiting) {
      if (this.#running >= this.#limit()) return;
      this.#waiting.delete(start);
      this.#running++;
      start();
    }
  }
}
