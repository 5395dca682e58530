/** Cache in memory with a limit of bytes. */

/** Removes the least recently used values when its values are larger than the limit. */
export class LruCache<Value> {
  readonly #maxBytes: number;
  /** In the order of their last use, the oldest first. */
  readonly #entries = new Map<string, { value: Value; bytes: number }>();
  #bytes = 0;

  /** @param maxBytes maximum sum of the sizes of the values */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Sum of the sizes of the values, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the value of a key, and counts that as its use; undefined if there is none. */
  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Stores a value instead of an earlier one of its key. A value over the limit is not stored. @param bytes its size */
  set(key: string, value: Value, bytes: number): void {
    this.#delete(key);
    if (bytes > this.#maxBytes) return;
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#delete(oldest);
    }
  }

  #delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }
}
