/** Replaces the SDK's SHA-256 in JavaScript, which it uses if Node was built without OpenSSL. Lambda's Node has OpenSSL. */

/** Part of the hash that the SDK refers to. */
export class Sha256Js {
  /** @throws Error always: Node has no native SHA-256 */
  constructor() {
    throw new Error("SHA-256 in JavaScript is not in this bundle: Node needs OpenSSL");
  }
}
