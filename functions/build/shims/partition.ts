/**
 * What stands in for the SDK's table of AWS partitions: only its rules for endpoints read the table, and `endpoint.ts` stands in
 * for those. The user agent asks for its prefix, which is empty by default.
 */

/** Returns the prefix of the user agent, which is empty unless other partitions are set. */
export const getUserAgentPrefix = (): string => "";

/** Fails. @throws Error always: no client in a bundle asks for a partition */
export function partition(): never {
  throw new Error("the table of AWS partitions is not in this bundle");
}

/** Fails as `partition`. */
export const setPartitionInfo = partition;

/** Fails as `partition`. */
export const useDefaultPartitionInfo = partition;
