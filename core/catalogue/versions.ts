/** Kubernetes versions a cluster can run, written `v1.33.4-u-ame.2`, and the update channels that follow them. */

/** The numbers in a cluster version. */
export interface ParsedVersion {
  readonly major: 1;
  readonly minor: number;
  readonly patch: number;
  /** Build of the same Kubernetes patch; a higher one replaces a lower one. */
  readonly build: number;
}

/** A version as it is offered. Unavailable ones may still run, but no cluster can be brought to them. */
export interface ClusterVersion {
  readonly version: string;
  readonly available: boolean;
}

/** A name for the newest version of a minor, such as `v1.34`. */
export interface UpdateChannel {
  readonly name: string;
  readonly available: boolean;
  /** The version that clusters on this channel are made with. */
  readonly kubernetesClusterVersion: string;
}

// No leading zeros, so that equal versions are equal texts; four digits, so that numbers stay exact.
const VERSION = /^v1\.(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})-u-ame\.(0|[1-9]\d{0,3})$/;

/**
 * Reads a cluster version.
 *
 * @param text a whole version, `v1.<minor>.<patch>-u-ame.<build>`, no spaces around it
 * @returns its numbers, or undefined when the text is written in any other way; whether the version exists in the
 *   catalogue makes no difference
 */
export function parseVersion(text: string): ParsedVersion | undefined {
  const match = VERSION.exec(text);
  if (match === null) return undefined;
  const [, minor, patch, build] = match;
  return { major: 1, minor: Number(minor), patch: Number(patch), build: Number(build) };
}

/**
 * Orders cluster versions by number: minor, then patch, then build. Texts that are no versions come first.
 *
 * @param a a version
 * @param b a version
 * @returns below zero when `a` is older than `b`, above zero when newer, zero when equal; fit for `sort`
 */
export function compareVersions(a: string, b: string): number {
  const left = parseVersion(a);
  const right = parseVersion(b);
  if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined);
  return left.minor - right.minor || left.patch - right.patch || left.build - right.build;
}

const row = (version: string, available = true): ClusterVersion => ({ version, available });

/** Every version, oldest first. What nodes install is pinned by checksum, so a version needs those before a row. */
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

// Versions ascend, so the last one that sets a channel is the newest available of its minor.
const newest = new Map(
  clusterVersions
    .filter((each) => each.available)
    .map(({ version }): [string, string] => [`v1.${parseVersion(version)?.minor}`, version]),
);

/** One channel for each minor, oldest first; it leads to the newest available version of that minor. */
export const updateChannels: readonly UpdateChannel[] = Array.from(newest, ([name, kubernetesClusterVersion]) => ({
  name,
  available: true,
  kubernetesClusterVersion,
}));
