/** What stands in for the cache of discovered endpoints: DynamoDB's client makes one and, since discovery is off, keeps it empty. */

/** As much of the cache as that takes. */
export default class EmptyCache {
  /** Holds nothing. */
  has(): false {
    return false;
  }

  /** @throws Error always: somebody switched endpoint discovery on */
  set(): never {
    throw new Error("endpoint discovery is not in this bundle");
  }
}
