/** The life of a cluster as data: what can follow what, and what users may ask for when. Used by the API and the reconciler. */

import type { clusterStatuses, desiredStatuses } from "../schema.ts";

/** Where a cluster is. */
export type ClusterStatus = (typeof clusterStatuses)[number];

/** What a user last asked of it. */
export type DesiredStatus = (typeof desiredStatuses)[number];

/** What can follow each state, beside what `canFollow` adds for all of them. */
export const transitions: Readonly<Record<ClusterStatus, readonly ClusterStatus[]>> = {
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

/** What may be observed next of a cluster that could not be told, by what was last asked of it. */
const AFTER_UNKNOWN: Readonly<Record<DesiredStatus, readonly ClusterStatus[]>> = {
  starting: ["new", "provisioning", "provisioned", "starting", "started"],
  stopping: ["started", "stopping", "stopped"],
  deleting: ["deleting", "deleted"],
};

/**
 * Whether a state may follow another. Deleting and unknown may follow any but deleted, and whatever was asked for may be
 * observed after unknown.
 *
 * @param desired what was last asked for
 */
export function canFollow(from: ClusterStatus, to: ClusterStatus, desired: DesiredStatus): boolean {
  if (from === "unknown") return to === "deleting" || AFTER_UNKNOWN[desired].includes(to);
  if (transitions[from].includes(to)) return true;
  if (from === "deleted") return false;
  return to === "unknown" || (to === "deleting" && from !== "deleting");
}

/** Whether a cluster's deletion was accepted, also while nobody can tell where it is. */
export const isDeleting = ({ status, desiredStatus }: { status: string; desiredStatus: string }): boolean =>
  status === "deleting" || (status === "unknown" && desiredStatus === "deleting");

/** States in which a wish is fulfilled or under way: asking again changes nothing. */
const FULFILLED: Readonly<Record<DesiredStatus, readonly ClusterStatus[]>> = {
  starting: ["new", "provisioning", "provisioned", "starting", "started"],
  stopping: ["stopping", "stopped"],
  deleting: ["deleting"],
};

/** States from which a wish is taken up. */
const ACCEPTED: Readonly<Record<DesiredStatus, readonly ClusterStatus[]>> = {
  starting: ["stopped"],
  stopping: ["started"],
  deleting: ["new", "provisioning", "provisioned", "starting", "started", "stopping", "stopped", "unknown"],
};

/**
 * Judges a wish.
 *
 * @param status where the cluster is
 * @param desired what was last asked for, which is what counts while nobody can tell where it is
 * @returns whether it is taken up, changes nothing, or cannot be now
 */
export function evaluateStatusRequest(
  status: ClusterStatus,
  desired: DesiredStatus,
  wish: DesiredStatus,
): "accepted" | "unchanged" | "refused" {
  if (FULFILLED[wish].includes(status) || (status === "unknown" && desired === wish)) return "unchanged";
  return ACCEPTED[wish].includes(status) ? "accepted" : "refused";
}
