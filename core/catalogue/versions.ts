/** Versions that a cluster can run, written `v1.33.4-u-ame.2`, and update channels: shapes, syntax and order. */

/** Numbers in a cluster version. */
export interface ParsedVersion {
  readonly major: 1;
  readonly minor: number;
  readonly patch: number;
  /** Build of the same Kubernetes patch; a higher one replaces a lower one. */
  readonly build: number;
}

/** Version in the catalogue. Clusters may still run an unavailable version, but none can change to it. */
export interface ClusterVersion {
  readonly version: string;
  /** Upstream version of Kubernetes, such as `v1.33.4`. */
  readonly kubernetes: string;
  readonly available: boolean;
}

/** Key of machine images in place of a region's slug: all regions of the provider without an image of their own. */
export const ALL_REGIONS = "*";

/** Name for a version that changes with each release, such as `v1.34` for the newest version of that minor. */
export interface UpdateChannel {
  readonly name: string;
  readonly available: boolean;
  /** Version with which clusters on this channel are created. */
  readonly kubernetesClusterVersion: string;
}

// No leading zeros, so that equal versions are equal texts. At most four digits, so that numbers are exact.
const VERSION = /^v1\.(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})-u-ame\.(0|[1-9]\d{0,3})$/;

/**
 * Parses a cluster version.
 *
 * @param text a complete version, `v1.<minor>.<patch>-u-ame.<build>`, without spaces around it
 * @returns its numbers, or undefined for any other format; the catalogue need not contain the version
 */
export function parseVersion(text: string): ParsedVersion | undefined {
  const match = VERSION.exec(text);
  if (match === null) return undefined;
  const [, minor, patch, build] = match;
  return { major: 1, minor: Number(minor), patch: Number(patch), build: Number(build) };
}

/**
 * Compares cluster versions by minor, then patch, then build. Malformed versions come first.
 *
 * @param a a version
 * @param b a version
 * @returns below zero if `a` is older than `b`, above zero if newer, zero if equal; for `sort`
 */
export function compareVersions(a: string, b: string): number {
  const left = parseVersion(a);
  const right = parseVersion(b);
  if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined);
  return left.minor - right.minor || left.patch - right.patch || left.build - right.build;
}
