/** From which version to which a cluster can go. Pure rules. */

import { type ClusterVersion, clusterVersions, compareVersions, parseVersion } from "../../catalogue/index.ts";
import type { Cluster } from "../entity.ts";

/** The properties of a cluster that decide where its version can go. */
export type Versioned = Pick<Cluster, "version" | "rollbackVersion" | "runningVersion" | "plannedVersion">;

/** The minor version: 34 of `v1.34.4-u-ame.2`, 0 of a malformed version. */
export const minorOf = (version: string): number => parseVersion(version)?.minor ?? 0;

/**
 * Lists the versions that the control plane may run now: the observed one, and the planned one while a change is under way.
 * Before the first plan nothing runs, and the version that was asked for counts.
 */
export function controlPlaneVersions({ version, runningVersion, plannedVersion }: Versioned): string[] {
  const known = [runningVersion, plannedVersion].filter((each) => each !== undefined);
  return known.length === 0 ? [version] : [...new Set(known)];
}

/** Returns the oldest of some versions, of which there is at least one. */
export const oldestOf = (first: string, ...rest: readonly string[]): string =>
  rest.reduce((oldest, each) => (compareVersions(each, oldest) < 0 ? each : oldest), first);

/**
 * Returns the newest version that a machine may install to become a node now: no kubelet may be newer than the API server
 * (https://kubernetes.io/releases/version-skew-policy/). During an upgrade that is the version the control plane comes from,
 * and on the way down the version that was asked for, because nodes go down first.
 *
 * @param observed the version of the control plane in a later observation, where there is one
 */
export const nodeVersionOf = (cluster: Versioned, observed?: string): string =>
  oldestOf(cluster.version, ...controlPlaneVersions(cluster), ...(observed === undefined ? [] : [observed]));

/**
 * Whether a control plane can go from one version to another in one step: up by at most one minor, down within the minor, or
 * back to the version before a minor upgrade.
 *
 * @param rollbackVersion the version before a minor upgrade, as long as no other version was accepted since
 */
export function isStep(from: string, to: string, rollbackVersion: string | undefined): boolean {
  const [source, target] = [parseVersion(from), parseVersion(to)];
  if (source === undefined || target === undefined) return false;
  return to === rollbackVersion || target.minor === source.minor || target.minor === source.minor + 1;
}

/**
 * Whether a cluster can be asked for a version now: the version is one step away from every version that the control plane may
 * run. What was asked for before and is not planned yet makes no difference.
 *
 * @param to another version than the one that was asked for
 */
export const isReachable = (cluster: Versioned, to: string): boolean =>
  controlPlaneVersions(cluster).every((from) => from === to || isStep(from, to, cluster.rollbackVersion));

/** Lists every version in the catalogue that a cluster can be asked for now, ascending. */
export function reachableVersions(cluster: Versioned): string[] {
  return clusterVersions
    .filter(({ available, version }) => available && version !== cluster.version && isReachable(cluster, version))
    .map(({ version }) => version)
    .sort(compareVersions);
}

/**
 * Returns the version that the way back leads to once another version is accepted: what the control plane ran before a minor
 * upgrade. The next accepted version closes the way back. Going back keeps it, because the reconciler plans that step by it.
 */
export function rollbackAfter(cluster: Versioned, to: string): string | undefined {
  if (to === cluster.rollbackVersion) return to;
  const before = cluster.plannedVersion ?? cluster.version;
  const isMinorUpgrade = minorOf(to) > minorOf(before) && minorOf(to) > minorOf(cluster.version);
  return isMinorUpgrade ? before : undefined;
}

/**
 * Returns the newest version of a minor: an available one where there is one.
 *
 * @param offered the catalogue's versions
 */
export function newestOfMinor(minor: number, offered: readonly ClusterVersion[] = clusterVersions): string | undefined {
  const versions = offered.filter(({ version }) => minorOf(version) === minor);
  const available = versions.filter((each) => each.available);
  return (available.length > 0 ? available : versions)
    .map(({ version }) => version)
    .sort(compareVersions)
    .at(-1);
}
