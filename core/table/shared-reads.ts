/** Combines reads by key of many requests into few calls. */

import { setImmediate as yieldToEvents } from "node:timers/promises";
import { BATCH_GET_KEYS, type Table } from "./client.ts";
import type { RawItem } from "./entity.ts";
import { type Key, keyText } from "./keys.ts";

/**
 * Number of requests that continue after a read before the event loop handles other requests. One takes about half a
 * millisecond, so other requests are delayed by some 5 ms.
 */
const REQUESTS_PER_SLICE = 10;

interface PendingRead {
  table: Table;
  keys: ReadonlyMap<string, Key>;
  resolve(items: Map<string, RawItem>): void;
  reject(error: unknown): void;
}

/**
 * Queue of reads by key, for work that yields to other requests. At most one call is in flight. Each call reads the keys that are in
 * the queue when it is sent, up to 100 different ones, so requests that need the same items share them.
 */
export class SharedReads {
  #queue: PendingRead[] = [];
  #isDraining = false;

  /**
   * Returns a table whose `get` goes through this queue. Its reads are as consistent as those of the given table: a call is
   * sent after its reads were requested. Consumed capacity counts for the first request of a call.
   *
   * If the database is unavailable, every read in the queue fails, because each would fail after a timeout of its own.
   *
   * @param table table of one request
   */
  of(table: Table): Table {
    return {
      ...table,
      get: (keys) => {
        const { promise, resolve, reject } = Promise.withResolvers<Map<string, RawItem>>();
        this.#queue.push({ table, keys: new Map(keys.map((key) => [keyText(key), key])), resolve, reject });
        void this.#drain();
        return promise;
      },
    };
  }

  async #drain(): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    while (this.#queue.length > 0) {
      // Collects the reads of requests that continued at the same time.
      await yieldToEvents();
      const { batch, keys } = this.#takeBatch();
      try {
        const items = await batch[0]?.table.get([...keys.values()]);
        await distribute(batch, items ?? new Map());
      } catch (error) {
        for (const { reject } of [...batch, ...this.#queue.splice(0)]) reject(error);
      }
    }
    this.#isDraining = false;
  }

  #takeBatch(): { batch: PendingRead[]; keys: Map<string, Key> } {
    const keys = new Map<string, Key>();
    const batch: PendingRead[] = [];
    for (const read of this.#queue) {
      const added = [...read.keys].filter(([text]) => !keys.has(text));
      if (batch.length > 0 && keys.size + added.length > BATCH_GET_KEYS) break;
      for (const [text, key] of added) keys.set(text, key);
      batch.push(read);
    }
    this.#queue = this.#queue.slice(batch.length);
    return { batch, keys };
  }
}

/** Gives each read its own items, a slice of the reads at a time. */
async function distribute(batch: readonly PendingRead[], items: ReadonlyMap<string, RawItem>): Promise<void> {
  for (const [position, { keys, resolve }] of batch.entries()) {
    if (position > 0 && position % REQUESTS_PER_SLICE === 0) await yieldToEvents();
    const own = new Map<string, RawItem>();
    for (const text of keys.keys()) {
      const item = items.get(text);
      if (item !== undefined) own.set(text, item);
    }
    resolve(own);
  }
}
