/** From which version to which a cluster can go. Pure rules. */

import { clusterVersions, compareVersions, parseVersion } from "../cloud/catalogue/index.ts";
import type { Cluster } from "./stored.ts";

/** What of a cluster decides where it can go. */
export type Versioned = Pick<Cluster, "version" | "rollbackVersion">;

/**
 * Whether a cluster can be brought to a version in one step: up by at most one minor, down within the minor, or back to the
 * version before a minor upgrade as long as none was accepted since.
 *
 * @param to another version than the present one
 */
export function isReachable(cluster: Versioned, to: string): boolean {
  const [from, target] = [parseVersion(cluster.version), parseVersion(to)];
  if (from === undefined || target === undefined) return false;
  if (to === cluster.rollbackVersion) return true;
  return target.minor === from.minor || target.minor === from.minor + 1;
}

/** Every version in the catalogue that a cluster can be brought to in one step, ascending. */
export function reachableVersions(cluster: Versioned): string[] {
  return clusterVersions
    .filter(({ available, version }) => available && version !== cluster.version && isReachable(cluster, version))
    .map(({ version }) => version)
    .sort(compareVersions);
}

/** What stands open after a version was accepted: the way back, if it was a minor upgrade. */
export function rollbackAfter(from: string, to: string): string | undefined {
  return (parseVersion(to)?.minor ?? 0) > (parseVersion(from)?.minor ?? 0) ? from : undefined;
}
