/** Replaces the cache of discovered endpoints: DynamoDB's client creates one and leaves it empty, because discovery is off. */

/** Used part of the cache. */
export default class EmptyCache {
  /** Returns that the cache is empty. */
  has(): false {
    return false;
  }

  /** @throws Error always: endpoint discovery was switched on */
  set(): never {
    throw new Error("endpoint discovery is not in this bundle");
  }
}
