/**
 * Replaces the bindings of members to parts of HTTP requests, which REST protocols use. DynamoDB and KMS speak JSON-RPC: every
 * member is in the body, and no operation has a prefix of the host.
 */

/** As much of an operation's schema as tells whether it has bindings. */
interface Operation {
  traits?: unknown;
}

/** Returns an operation's bindings: none. @throws Error where the operation has traits, of which bindings are a part */
export function getHttpOperationBindings({ traits }: Operation): readonly never[] {
  if (typeof traits === "object" && traits !== null && ("http" in traits || "endpoint" in traits)) {
    throw new Error("HTTP bindings are not in this bundle");
  }
  return [];
}

/** As much of the bindings of a schema as the SDK refers to. */
export const HttpBindingNormalizedSchema = {
  /** Fails. @throws Error always: an operation has a prefix of the host or another binding */
  of(): never {
    throw new Error("HTTP bindings are not in this bundle");
  },
};
