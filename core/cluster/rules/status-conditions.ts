/** Conditions that depend only on the status of a cluster. */

import { ACCEPTED, type ConditionInput } from "./conditions.ts";
import type { ClusterStatus } from "./transitions.ts";

type ConditionBody = Omit<ConditionInput, "type">;

/** Messages for states in which a cluster is not provisioned, or cannot be observed. */
export const BUILDING: Partial<Record<ClusterStatus, ConditionBody>> = {
  new: ACCEPTED,
  provisioning: { status: "False", reason: "Provisioning", message: "The cluster is being provisioned." },
  deleting: { status: "False", reason: "Deleting", message: "The cluster is being deleted." },
  unknown: {
    status: "Unknown",
    reason: "StateUnknown",
    message:
      "The provisioner cannot determine the state of the cluster; it retries. The condition Reconciled shows the error.",
  },
};

/** Messages of `Ready` for the states of a provisioned cluster. */
export const SERVING: Partial<Record<ClusterStatus, ConditionBody>> = {
  started: { status: "True", reason: "Started", message: "The cluster is running." },
  provisioned: {
    status: "False",
    reason: "Starting",
    message: "The cluster is provisioned; its control plane is starting.",
  },
  starting: { status: "False", reason: "Starting", message: "The cluster is starting." },
  stopping: { status: "False", reason: "Stopping", message: "The cluster is stopping, as requested." },
  stopped: {
    status: "False",
    reason: "Stopped",
    message: 'The cluster is stopped; send "status": "starting" to start it.',
  },
};

/**
 * Builds the conditions that a status determines: all except Reconciled while the cluster is new, provisioning, deleting or
 * unknown, otherwise Ready, and NodePoolsReady for a cluster that stops or is stopped.
 */
export function conditionsOfStatus(status: ClusterStatus): ConditionInput[] {
  const early = BUILDING[status];
  if (early !== undefined) {
    return (["Provisioned", "Ready", "NodePoolsReady", "UpToDate"] as const).map((type) => ({ type, ...early }));
  }
  const serving = SERVING[status];
  if (serving === undefined) return [];
  const isDown = status === "stopped" || status === "stopping";
  return [{ type: "Ready", ...serving }, ...(isDown ? [{ type: "NodePoolsReady" as const, ...serving }] : [])];
}
