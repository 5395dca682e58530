/** Counts what calls consume. */

/** What DynamoDB says a call consumed. */
interface Consumed {
  CapacityUnits?: number | undefined;
}

/**
 * Adds up what calls consumed, in DynamoDB's capacity units. Calls that failed are not in it, since DynamoDB does not say
 * what they consumed.
 */
export class Meter {
  #readUnits = 0;
  #writeUnits = 0;

  /** Read units: each 4 KB of a strongly consistent read, or 8 KB of an index. */
  get readUnits(): number {
    return this.#readUnits;
  }

  /** Write units: two for each 1 KB of an item in a transaction, and one for each 1 KB of an index's row. */
  get writeUnits(): number {
    return this.#writeUnits;
  }

  /** Counts a read. */
  read(consumed: readonly (Consumed | undefined)[] | undefined): void {
    this.#readUnits += sum(consumed);
  }

  /** Counts a write. */
  wrote(consumed: readonly (Consumed | undefined)[] | undefined): void {
    this.#writeUnits += sum(consumed);
  }
}

const sum = (consumed: readonly (Consumed | undefined)[] = []) =>
  consumed.reduce((units, each) => units + (each?.CapacityUnits ?? 0), 0);
