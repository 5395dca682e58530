/** Replaces the SDK's SHA-256 in JavaScript, which it uses where Node was built without OpenSSL. Lambda's Node has it. */

/** As much of the hash as the SDK refers to. */
export class Sha256Js {
  /** @throws Error always: Node has no SHA-256 of its own */
  constructor() {
    throw new Error("SHA-256 in JavaScript is not in this bundle: Node needs OpenSSL");
  }
}
