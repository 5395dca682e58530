/** State machine of a cluster as data: possible transitions, and requests that users may make. Used by API and reconciler. */

import type { clusterStatuses, desiredStatuses } from "../schema.ts";

/** Status of a cluster. */
export type ClusterStatus = (typeof clusterStatuses)[number];

/** Status that a user last requested. */
export type DesiredStatus = (typeof desiredStatuses)[number];

/** Statuses that can follow each status. `canFollow` adds rules for all of them. */
const transitions: Readonly<Record<ClusterStatus, readonly ClusterStatus[]>> = {
  new: ["provisioning"],
  provisioning: ["provisioned"],
  provisioned: ["starting"],
  starting: ["started"],
  started: ["stopping"],
  stopping: ["stopped"],
  stopped: ["starting"],
  deleting: ["deleted"],
  // By undelete only.
  deleted: ["new"],
  unknown: [],
};

/** Statuses that can follow `unknown`, by the last requested status. */
const AFTER_UNKNOWN: Readonly<Record<DesiredStatus, readonly ClusterStatus[]>> = {
  starting: ["new", "provisioning", "provisioned", "starting", "started"],
  stopping: ["started", "stopping", "stopped"],
  deleting: ["deleting", "deleted"],
};

/**
 * Returns whether a status may follow another. `deleting` and `unknown` may follow every status except `deleted`. After
 * `unknown`, every status on the way to the requested one may be observed.
 *
 * @param desired the last requested status
 */
export function canFollow(from: ClusterStatus, to: ClusterStatus, desired: DesiredStatus): boolean {
  if (from === "unknown") return to === "deleting" || AFTER_UNKNOWN[desired].includes(to);
  if (transitions[from].includes(to)) return true;
  if (from === "deleted") return false;
  return to === "unknown" || (to === "deleting" && from !== "deleting");
}

/** Returns whether the deletion of a cluster was accepted, also while its status is unknown. */
export const isDeleting = ({ status, desiredStatus }: { status: string; desiredStatus: string }): boolean =>
  status === "deleting" || (status === "unknown" && desiredStatus === "deleting");

/** Statuses in which a request is fulfilled or in progress: repeating it changes nothing. */
const FULFILLED: Readonly<Record<DesiredStatus, readonly ClusterStatus[]>> = {
  starting: ["new", "provisioning", "provisioned", "starting", "started"],
  stopping: ["stopping", "stopped"],
  deleting: ["deleting"],
};

/** Statuses in which a request is accepted. */
const ACCEPTED: Readonly<Record<DesiredStatus, readonly ClusterStatus[]>> = {
  starting: ["stopped"],
  stopping: ["started"],
  deleting: ["new", "provisioning", "provisioned", "starting", "started", "stopping", "stopped", "unknown"],
};

/**
 * Evaluates a requested status.
 *
 * @param status current status of the cluster
 * @param desired the last requested status, which decides while the current one is unknown
 * @returns whether the request is accepted, changes nothing, or is refused now
 */
export function evaluateStatusRequest(
  status: ClusterStatus,
  desired: DesiredStatus,
  requested: DesiredStatus,
): "accepted" | "unchanged" | "refused" {
  if (FULFILLED[requested].includes(status) || (status === "unknown" && desired === requested)) return "unchanged";
  return ACCEPTED[requested].includes(status) ? "accepted" : "refused";
}
