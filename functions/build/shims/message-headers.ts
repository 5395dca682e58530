/** Replaces the SDK's formatter of the headers of event stream messages. Signing a request does not use it. */

/** As much of the formatter as a signer creates. */
export class HeaderFormatter {
  /** Fails. @throws Error always: a message of an event stream is signed */
  format(): never {
    throw new Error("event streams are not in this bundle");
  }
}

/** As much of the number as the package exports. */
export class Int64 {
  /** @throws Error always: only headers of messages use it */
  constructor() {
    throw new Error("event streams are not in this bundle");
  }
}
