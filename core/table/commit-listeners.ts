/** Telling the rest of this process what was written: what a table's stream tells other processes. */

import type { Key } from "./keys.ts";

/** Who wants to know. It must not throw, for what was written is written. @param keys of every item of one transaction */
export type CommitListener = (keys: readonly Key[]) => void;

/**
 * Tells listeners of every transaction of this process that is known to be committed. One whose answer was lost may be missing,
 * so nobody may rely on being told.
 */
export class CommitListeners {
  readonly #listeners = new Set<CommitListener>();

  /** Begins to tell. @returns what ends it */
  subscribe(listener: CommitListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Tells everybody who listens. */
  notify(keys: readonly Key[]): void {
    for (const listener of this.#listeners) listener(keys);
  }
}
