/** Replaces the list of used SDK features in the header `User-Agent`. AWS counts them, and no response depends on them. */

/** Adds no feature to the header. */
export const checkFeatures = (): Promise<void> => Promise.resolve();
