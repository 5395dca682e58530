/** Replaces what lists the SDK's features in use for the header `User-Agent`. AWS counts them, and no answer depends on them. */

/** Adds no feature. */
export const checkFeatures = (): Promise<void> => Promise.resolve();
