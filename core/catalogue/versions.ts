/** Kubernetes versions a cluster can run, written `v1.33.4-u-ame.2`, and the update channels that follow them. */

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
  readonly available: boolean;
}

/** Name for the newest version of a minor, such as `v1.34`. */
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

const row = (version: string, available = true): ClusterVersion => ({ version, available });

/** All versions, oldest first. Add a version's checksums for the node software before its row. */
export const clusterVersions: readonly ClusterVersion[] = [
  row("v1.33.4-u-ame.1"),
  row("v1.33.4-u-ame.2"),
  row("v1.33.8-u-ame.1"),
  row("v1.34.3-u-ame.1"),
  row("v1.34.4-u-ame.1"),
  row("v1.34.4-u-ame.2"),
  row("v1.35.0-u-ame.1"),
  row("v1.35.1-u-ame.1"),
].sort((a, b) => compareVersions(a.version, b.version));

// Versions ascend, so the last version of a minor wins: the newest available one.
const newest = new Map(
  clusterVersions
    .filter((each) => each.available)
    .map(({ version }): [string, string] => [`v1.${parseVersion(version)?.minor}`, version]),
);

/** One channel for each minor, oldest first, with the newest available version of that minor. */
export const updateChannels: readonly UpdateChannel[] = Array.from(newest, ([name, kubernetesClusterVersion]) => ({
  name,
  available: true,
  kubernetesClusterVersion,
}));
