/**
 * Replaces the SDK's table of AWS partitions. Only its endpoint rules read the table, and `endpoint.ts` replaces those. The user agent
 * needs its prefix, which is empty by default.
 */

/** Returns the prefix of the user agent, which is empty without other partitions. */
export const getUserAgentPrefix = (): string => "";

/** Fails. @throws Error always: no client in a bundle needs a partition */
export function partition(): never {
  throw new Error("the table of AWS partitions is not in this bundle");
}

/** Fails as `partition`. */
export const setPartitionInfo = partition;

/** Fails as `partition`. */
export const useDefaultPartitionInfo = partition;
