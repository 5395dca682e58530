/** Replaces the SDK's request for the region of an EC2 instance. Lambda states the region in the environment. */

/** Returns that there is no such region, so that the client fails with "Region is missing". */
export const getInstanceMetadataRegion = (): Promise<undefined> => Promise.resolve(undefined);
