/** Conditions that depend on the status of a cluster alone. */

import type { ConditionInput } from "./conditions.ts";
import type { ClusterStatus } from "./transitions.ts";

type ConditionBody = Omit<ConditionInput, "type">;

/** Messages of states in which a cluster is not built, or cannot be observed. */
export const BUILDING: Partial<Record<ClusterStatus, ConditionBody>> = {
  new: { status: "False", reason: "Accepted", message: "The cluster was accepted; nothing was done for it yet." },
  provisioning: { status: "False", reason: "Provisioning", message: "The cluster is being built." },
  deleting: { status: "False", reason: "Deleting", message: "The cluster is being torn down." },
  unknown: {
    status: "Unknown",
    reason: "StateUnknown",
    message: "The provisioner cannot tell where the cluster is; it keeps trying. Reconciled says what went wrong.",
  },
};

/** Messages of `Ready` in the states of a built cluster. */
export const SERVING: Partial<Record<ClusterStatus, ConditionBody>> = {
  started: { status: "True", reason: "Started", message: "The cluster serves." },
  provisioned: { status: "False", reason: "Starting", message: "The cluster is built; its control plane comes up." },
  starting: { status: "False", reason: "Starting", message: "The cluster comes up." },
  stopping: { status: "False", reason: "Stopping", message: "The cluster goes down, as it was asked." },
  stopped: { status: "False", reason: "Stopped", message: "The cluster is stopped; ask for starting to bring it up." },
};

/** Builds the conditions that a status decides: where the cluster is deleted or unknown all but Reconciled, otherwise Ready and pools. */
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
