/** Taking turns inside one process: whoever would be cancelled for meeting another waits for it instead. */

import { type Deadline, waitUntil } from "../shared/retry.ts";

/**
 * Hands out turns on keys, first come, first served. Two that share no key never wait for each other. Everybody waits only
 * for those who came before, so nobody waits for ever.
 *
 * A server that lives long sends many transactions at once, and DynamoDB cancels those that overlap; a Lambda sends one, for
 * which this costs nothing. Between processes the database alone decides, and cancelled transactions are tried again.
 */
export class KeyedMutex {
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Waits for a turn on all keys and does the work in it.
   *
   * @returns undefined where the deadline passed before the turn came; then the work was not begun
   */
  async runExclusive<T>(
    keys: readonly string[],
    deadline: Deadline,
    work: () => Promise<T>,
  ): Promise<{ done: T } | undefined> {
    const before = Promise.all(keys.map((key) => this.#last.get(key)));
    let leave = () => {};
    const turn = new Promise<void>((resolve) => {
      leave = resolve;
    });
    for (const key of keys) this.#last.set(key, turn);
    const forget = () => {
      leave();
      for (const key of keys) if (this.#last.get(key) === turn) this.#last.delete(key);
    };
    if (!(await waitUntil(before, deadline))) {
      // Those behind us still wait for those before us.
      void before.then(forget);
      return undefined;
    }
    try {
      return { done: await work() };
    } finally {
      forget();
    }
  }
}
