/** Rules for changes of a cluster's version. Pure functions. */

import { type ClusterVersion, clusterVersions, compareVersions, parseVersion } from "../../catalogue/index.ts";
import type { Cluster } from "../entity.ts";

/** Properties of a cluster that decide which versions are reachable. */
export type Versioned = Pick<Cluster, "version" | "rollbackVersion" | "runningVersion" | "plannedVersion">;

/** Returns the minor version: 34 for `v1.34.4-u-ame.2`, 0 for a malformed version. */
export const minorOf = (version: string): number => parseVersion(version)?.minor ?? 0;

/**
 * Lists the versions that the control plane may run now: the observed one, and the planned one while a change is in progress.
 * Before the first plan no control plane runs, and the requested version counts. A planned version that is more than a minor older than
 * the observed one is of a table that was restored from a backup: no plan leads from there.
 */
export function controlPlaneVersions({ version, runningVersion, plannedVersion }: Versioned): string[] {
  const isOutdated =
    runningVersion !== undefined &&
    plannedVersion !== undefined &&
    minorOf(runningVersion) > minorOf(plannedVersion) + 1;
  const known = [runningVersion, isOutdated ? undefined : plannedVersion].filter((each) => each !== undefined);
  return known.length === 0 ? [version] : [...new Set(known)];
}

/** Returns the oldest of at least one version. */
export const oldestOf = (first: string, ...rest: readonly string[]): string =>
  rest.reduce((oldest, each) => (compareVersions(each, oldest) < 0 ? each : oldest), first);

/**
 * Returns the newest version that a machine may install to become a node now: no kubelet may be newer than the API server
 * (https://kubernetes.io/releases/version-skew-policy/). During an upgrade it is the old version of the control plane, and during
 * a downgrade the requested version, because nodes are downgraded first.
 *
 * @param observed version of the control plane in a later observation, if there is one
 */
export const nodeVersionOf = (cluster: Versioned, observed?: string): string =>
  oldestOf(cluster.version, ...controlPlaneVersions(cluster), ...(observed === undefined ? [] : [observed]));

/**
 * Returns whether a control plane can change from one version to another in one step: up by at most one minor, down within the
 * minor, or back to the version before a minor upgrade.
 *
 * @param rollbackVersion version before a minor upgrade; undefined once another version was accepted
 */
export function isStep(from: string, to: string, rollbackVersion: string | undefined): boolean {
  const [source, target] = [parseVersion(from), parseVersion(to)];
  if (source === undefined || target === undefined) return false;
  return to === rollbackVersion || target.minor === source.minor || target.minor === source.minor + 1;
}

/**
 * Returns whether a version can be requested now: it is one step away from every version that the control plane may run. A
 * requested version that is not planned yet does not matter.
 *
 * @param to a version other than the requested one
 */
export const isReachable = (cluster: Versioned, to: string): boolean =>
  controlPlaneVersions(cluster).every((from) => from === to || isStep(from, to, cluster.rollbackVersion));

/** Lists every version in the catalogue that can be requested for a cluster now, ascending. */
export function reachableVersions(cluster: Versioned): string[] {
  return clusterVersions
    .filter(({ available, version }) => available && version !== cluster.version && isReachable(cluster, version))
    .map(({ version }) => version)
    .sort(compareVersions);
}

/**
 * Returns the rollback version once another version is accepted: the version that the control plane ran before a minor upgrade.
 * The next accepted version removes it. A rollback itself keeps it, because the reconciler needs it to plan that step.
 */
export function rollbackAfter(cluster: Versioned, to: string): string | undefined {
  if (to === cluster.rollbackVersion) return to;
  const before = cluster.plannedVersion ?? cluster.version;
  const isMinorUpgrade = minorOf(to) > minorOf(before) && minorOf(to) > minorOf(cluster.version);
  return isMinorUpgrade ? before : undefined;
}

/**
 * Returns the newest version of a minor: an available one if there is one.
 *
 * @param offered versions of the catalogue
 */
export function newestOfMinor(
  minor: number,
  offered: readonly Omit<ClusterVersion, "kubernetes">[] = clusterVersions,
): string | undefined {
  const versions = offered.filter(({ version }) => minorOf(version) === minor);
  const available = versions.filter((each) => each.available);
  return (available.length > 0 ? available : versions)
    .map(({ version }) => version)
    .sort(compareVersions)
    .at(-1);
}
