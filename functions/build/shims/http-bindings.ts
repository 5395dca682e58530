/**
 * Replaces the bindings of properties to parts of HTTP requests, which REST protocols use. DynamoDB and KMS use JSON-RPC: every
 * property is in the body, and no operation has a host prefix.
 */

/** Part of an operation's schema that shows whether it has bindings. */
interface Operation {
  traits?: unknown;
}

/** Returns an operation's bindings: none. @throws Error if the operation has traits that contain bindings */
export function getHttpOperationBindings({ traits }: Operation): readonly never[] {
  if (typeof traits === "object" && traits !== null && ("http" in traits || "endpoint" in traits)) {
    throw new Error("HTTP bindings are not in this bundle");
  }
  return [];
}

/** Part of the bindings of a schema that the SDK refers to. */
export const HttpBindingNormalizedSchema = {
  /** Fails. @throws Error always: an operation has a host prefix or another binding */
  of(): never {
    throw new Error("HTTP bindings are not in this bundle");
  },
};
