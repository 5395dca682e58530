/** Counts consumed capacity. */

/** Consumed capacity in a response of DynamoDB. */
interface Consumed {
  CapacityUnits?: number | undefined;
}

/**
 * Sums the consumed capacity of calls, in capacity units. Failed calls are not included, because DynamoDB does not report their
 * consumption.
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

  /** Adds the consumption of a read. */
  countRead(consumed: readonly (Consumed | undefined)[] | undefined): void {
    this.#readUnits += sum(consumed);
  }

  /** Adds the consumption of a write. */
  countWrite(consumed: readonly (Consumed | undefined)[] | undefined): void {
    this.#writeUnits += sum(consumed);
  }
}

const sum = (consumed: readonly (Consumed | undefined)[] = []) =>
  consumed.reduce((units, each) => units + (each?.CapacityUnits ?? 0), 0);
