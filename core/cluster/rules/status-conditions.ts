/** Conditions that depend only on the status of a cluster. */

import { ACCEPTED, type ConditionInput } from "./conditions.ts";
import type { ClusterStatus } from "./transitions.ts";

type ConditionBody = Omit<ConditionInput, "type">;

/** Conditions of states in which a cluster is not provisioned, or cannot be observed. */
export const BUILDING: Partial<Record<ClusterStatus, ConditionBody>> = {
  new: ACCEPTED,
  provisioning: { status: "False", reason: "Provisioning" },
  deleting: { status: "False", reason: "Deleting" },
  unknown: {
    status: "Unknown",
    reason: "StateUnknown",
  },
};

/** Condition `Ready` in the states of a provisioned cluster. */
export const SERVING: Partial<Record<ClusterStatus, ConditionBody>> = {
  started: { status: "True", reason: "Started" },
  provisioned: {
    status: "False",
    reason: "Starting",
  },
  starting: { status: "False", reason: "Starting" },
  stopping: { status: "False", reason: "Stopping" },
  stopped: {
    status: "False",
    reason: "Stopped",
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
