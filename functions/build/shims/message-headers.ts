/** Replaces the SDK's header formatter of event stream messages. Request signing does not use it. */

/** Part of the formatter that a signer creates. */
export class HeaderFormatter {
  /** Fails. @throws Error always: a message of an event stream is signed */
  format(): never {
    throw new Error("event streams are not in this bundle");
  }
}

/** Part of the number class that the package exports. */
export class Int64 {
  /** @throws Error always: only headers of messages use it */
  constructor() {
    throw new Error("event streams are not in this bundle");
  }
}
