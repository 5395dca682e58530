/** Notifies other code of this process about commits, as the table's stream notifies other processes. */

import type { Key } from "./keys.ts";

/** Listener for commits. It must not throw, because the commit is already done. @param keys keys of all items of one transaction */
type CommitListener = (keys: readonly Key[]) => void;

/**
 * Notifies listeners about every transaction of this process that is known to be committed. A commit whose response was lost may be
 * missing, so listeners must not depend on completeness.
 */
export class CommitListeners {
  readonly #listeners = new Set<CommitListener>();

  /** Adds a listener. @returns a function that removes it */
  subscribe(listener: CommitListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Calls every listener. */
  notify(keys: readonly Key[]): void {
    for (const listener of this.#listeners) listener(keys);
  }
}
