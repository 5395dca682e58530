/**
 * What stands in for Node's module of the process: importing that looks at everything it exports, which loads inspectors,
 * reports and workers that nobody uses here.
 */

/** As much as the SDK reads of it. */
export const { env, versions } = process;
