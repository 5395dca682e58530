/** Rules of requests for scheduled upgrades. Pure functions. */

import { clusterVersions, compareVersions, isAvailableVersion, listAvailable } from "../../catalogue/index.ts";
import { type AppError, conflict, type Problem } from "../../shared/errors.ts";
import { DAY_MS } from "../../shared/time.ts";
import { type Draft, formatValue } from "../../shared/validation.ts";
import type { Cluster } from "../entity.ts";
import type { ScheduledUpgrade } from "../upgrade-entity.ts";
import type { RequestScheduledClusterUpgrade } from "../upgrade-schema.ts";
import { isDeleting } from "./transitions.ts";
import { invalidState, unreachableVersion } from "./update.ts";
import { upgradeIdentity } from "./upgrade-reference.ts";
import { isReachable } from "./versions.ts";

/** Maximum time from now to a requested date, in days. */
const MAX_AHEAD_DAYS = 366;

/** Well-formed parts of a request. */
type RequestDraft = Draft<Pick<RequestScheduledClusterUpgrade, "version" | "scheduleRequestDate">>;

/** Returns the problem of a cluster that does not exist in the organisation, or that the caller cannot see. */
export const unknownCluster = (identity: string): Problem => ({
  path: "clusterIdentity",
  message: `${formatValue(identity)} is not allowed: must be a cluster of the organisation`,
});

/**
 * Finds every problem of a request that does not depend on the status of the cluster.
 *
 * @param unsupported returns why the cluster cannot get a version; undefined if it can
 */
export function requestProblems(
  cluster: Cluster,
  { version, scheduleRequestDate }: RequestDraft,
  now: Date,
  unsupported: (version: string) => string | undefined,
): Problem[] {
  const problems: Problem[] = [];
  const refuse = (path: string, value: string, text: string) =>
    problems.push({ path, message: `${formatValue(value)} is not allowed: ${text}` });
  if (version !== undefined && !isAvailableVersion(version)) {
    refuse("version", version, `must be one of ${listAvailable(clusterVersions, (each) => each.version)}`);
  } else if (version !== undefined && compareVersions(version, cluster.version) <= 0) {
    refuse(
      "version",
      version,
      `must be newer than the cluster's version ${cluster.version}${olderAdvice(cluster, version)}`,
    );
  }
  const reason = version === undefined || problems.length > 0 ? undefined : unsupported(version);
  if (reason !== undefined) problems.push({ path: "version", message: reason });
  if (scheduleRequestDate !== undefined && Date.parse(scheduleRequestDate) > now.getTime() + MAX_AHEAD_DAYS * DAY_MS) {
    refuse("scheduleRequestDate", scheduleRequestDate, `must be at most ${MAX_AHEAD_DAYS} days ahead`);
  }
  return problems;
}

/** Returns what to do for a version that is not newer than the cluster's. */
function olderAdvice(cluster: Cluster, version: string): string {
  if (version === cluster.version) return "";
  if (isReachable(cluster, version)) return "; to change to this older version, send it in a PATCH of the cluster";
  return "; the cluster cannot change to this older version";
}

/** Finds the conflict of a request with the state of the cluster, or a version that is not reachable; undefined for none. */
export function requestConflict(cluster: Cluster, version: string): AppError | undefined {
  if (isDeleting(cluster)) return invalidState(cluster, "a cluster that is being deleted cannot be upgraded");
  if (cluster.scheduledUpgrade?.state === "started") {
    return conflict(
      "cluster.upgrade_in_progress",
      `The scheduled upgrade of the cluster "${cluster.name}" to ${cluster.version} is in progress; try again when it is finished.`,
      60,
    );
  }
  return unreachableVersion(cluster, { ...cluster, version });
}

/** Builds a requested upgrade, which has no window yet. @param now RFC 3339 */
export function requestedUpgrade(
  cluster: Cluster,
  request: RequestScheduledClusterUpgrade,
  now: string,
): ScheduledUpgrade {
  const { version, scheduleRequestDate, ignoreMaintenanceSchedule = false } = request;
  const number = (cluster.scheduledUpgrade?.number ?? 0) + 1;
  return {
    identity: upgradeIdentity(cluster.identity, number),
    organisation: cluster.organisation,
    clusterIdentity: cluster.identity,
    clusterSlug: cluster.slug,
    environment: cluster.environment,
    environmentIdentity: cluster.environmentIdentity,
    number,
    automatic: false,
    fromVersion: cluster.version,
    toVersion: version,
    status: "REQUESTED",
    ...(scheduleRequestDate === undefined ? {} : { scheduleRequestDate: new Date(scheduleRequestDate).toISOString() }),
    ignoreMaintenanceSchedule,
    requestedAt: now,
    createdAt: now,
    modifiedAt: now,
    revision: 1,
  };
}

/** Reason of an upgrade that its user cancelled. */
export const CANCELLED = "It was cancelled.";

/** Finds the conflict of a cancellation with the state of the upgrade; undefined for none. */
export function cancelConflict({ automatic, status, identity }: ScheduledUpgrade): AppError | undefined {
  const text = `The scheduled upgrade ${identity} cannot be cancelled:`;
  if (status === "SUCCEEDED" || status === "FAILED" || status === "MISSED") {
    return conflict("upgrade.finished", `${text} it is already ${status}.`);
  }
  if (status === "IN_PROGRESS") {
    return conflict(
      "upgrade.in_progress",
      `${text} it is IN_PROGRESS. To go back, request the version before it with a PATCH of the cluster.`,
    );
  }
  if (automatic && status !== "SUPERSEDED") {
    return conflict(
      "upgrade.automatic",
      `${text} it is automatic. Set enableAutoUpgrade of the cluster to false, or schedule another upgrade in its place.`,
    );
  }
  return undefined;
}
