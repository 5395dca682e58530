/**
 * Replaces Node's process module. Importing it reads all its exports, and so loads inspectors, reports and workers that are not used
 * here.
 */

/** Properties that the SDK reads. */
export const { env, versions } = process;
