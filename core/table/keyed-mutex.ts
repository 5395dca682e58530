/** Serialises work by key inside one process, so that transactions on the same items do not cancel each other. */

import { type Deadline, waitUntil } from "../shared/retry.ts";

/**
 * FIFO mutex for each key. Calls without a common key run in parallel. A call waits only for earlier calls, so there is no deadlock.
 *
 * A server sends many transactions at once, and DynamoDB cancels those that overlap. A Lambda function sends one at a time, for which
 * the mutex costs nothing. Between processes only the database decides, and cancelled transactions are retried.
 */
export class KeyedMutex {
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Acquires all keys and runs the work.
   *
   * @returns undefined if the deadline expired before the keys were free; then the work did not start
   */
  async runExclusive<T>(
    keys: readonly string[],
    deadline: Deadline,
    work: () => Promise<T>,
  ): Promise<{ result: T } | undefined> {
    const before = Promise.all(keys.map((key) => this.#last.get(key)));
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    for (const key of keys) this.#last.set(key, released);
    const unlock = () => {
      release();
      for (const key of keys) if (this.#last.get(key) === released) this.#last.delete(key);
    };
    if (!(await waitUntil(before, deadline))) {
      // Later calls still wait for earlier ones.
      void before.then(unlock);
      return undefined;
    }
    try {
      return { result: await work() };
    } finally {
      unlock();
    }
  }
}
