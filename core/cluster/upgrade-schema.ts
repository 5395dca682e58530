/** Contract of scheduled upgrades. */

import * as v from "valibot";
import { dateTime, identity, timestamp, uuid } from "../shared/schemas.ts";

/** Statuses of a scheduled upgrade in the order of its life; the last four end it. */
export const upgradeStatuses = [
  "REQUESTED",
  "SCHEDULED",
  "SCHEDULED_NOTIFIED",
  "IN_PROGRESS",
  "SUCCEEDED",
  "SUPERSEDED",
  "FAILED",
  "MISSED",
] as const;

/** Status of a scheduled upgrade. */
export type UpgradeStatus = (typeof upgradeStatuses)[number];

/** Request for an upgrade of a cluster at a later time. */
export const RequestScheduledClusterUpgrade = v.object({
  clusterIdentity: uuid,
  ignoreMaintenanceSchedule: v.optional(
    v.pipe(
      v.boolean(),
      v.description(
        "Whether the upgrade starts at its date, or now, instead of in the cluster's next maintenance window. Absent means false.",
      ),
    ),
  ),
  scheduleRequestDate: v.optional(
    v.pipe(timestamp, v.description("Earliest start; a date in the past, or none, means now.")),
  ),
  version: v.pipe(
    v.string(),
    v.maxLength(100),
    v.description("An available version that is newer than the cluster's version and one step from the running one."),
  ),
});
export type RequestScheduledClusterUpgrade = v.InferOutput<typeof RequestScheduledClusterUpgrade>;

/** Scheduled upgrade of a cluster. */
export const ScheduledClusterUpgradeResponse = v.object({
  automatic: v.pipe(
    v.boolean(),
    v.description("True if `autoUpgrade` of the cluster created it, false for a user's request."),
  ),
  clusterIdentity: identity,
  clusterSlug: v.string(),
  createdAt: dateTime,
  environmentSlug: v.string(),
  fromClusterVersion: v.string(),
  identity,
  ignoreMaintenanceSchedule: v.boolean(),
  modifiedAt: dateTime,
  organisationSlug: v.string(),
  reason: v.optional(v.pipe(v.string(), v.description("Why it waits inside of its window, or how it ended."))),
  scheduleRequestDate: v.optional(dateTime),
  status: v.pipe(
    v.picklist(upgradeStatuses),
    v.description(
      "REQUESTED: it has no window yet. SCHEDULED: it has one. SCHEDULED_NOTIFIED: the window begins within 24 hours. IN_PROGRESS: the cluster changes its version. SUCCEEDED: control plane and node pools run the version. SUPERSEDED: it was cancelled, or a change of the cluster or of its channel replaced it. FAILED: the cluster could not be upgraded during the window. MISSED: nothing processed the cluster during the window.",
    ),
  ),
  toClusterVersion: v.string(),
  windowEnd: v.optional(v.pipe(dateTime, v.description("Latest start."))),
  windowStart: v.optional(v.pipe(dateTime, v.description("Earliest start."))),
});
export type ScheduledClusterUpgradeResponse = v.InferOutput<typeof ScheduledClusterUpgradeResponse>;
