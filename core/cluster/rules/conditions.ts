/** Conditions of a cluster in the format of Kubernetes, for people and tools. */

import * as v from "valibot";
import { dateTime, int64 } from "../../shared/schemas.ts";

/** Types of conditions. Each is True if there is nothing to wait for or to do. */
export const conditionTypes = ["Provisioned", "Ready", "NodePoolsReady", "UpToDate", "Reconciled"] as const;

/** All reasons of conditions. */
export const conditionReasons = [
  "Accepted",
  "Provisioning",
  "Provisioned",
  "Starting",
  "Started",
  "Stopping",
  "Stopped",
  "Deleting",
  "StateUnknown",
  "NodePoolsUpdating",
  "NodePoolsReady",
  "NodePoolFailed",
  "ControlPlaneUpgrading",
  "NodePoolsUpgrading",
  "VersionReached",
  "ConfigurationPending",
  "Reconciled",
  "PreparationFailed",
  "OidcRegistrationInDoubt",
  "OidcClientSecretExpired",
  "ProvisionerFailed",
  "ProvisionerTimedOut",
] as const;

/** Condition in the format of Kubernetes. */
export const Condition = v.object({
  type: v.picklist(conditionTypes),
  status: v.picklist(["True", "False", "Unknown"]),
  reason: v.picklist(conditionReasons),
  message: v.string(),
  lastTransitionTime: v.pipe(dateTime, v.description("When the status last changed.")),
  observedGeneration: v.pipe(int64, v.description("Generation of the cluster that this condition describes.")),
});
export type Condition = v.InferOutput<typeof Condition>;

/** Condition without its time and generation. */
export type ConditionInput = Pick<Condition, "type" | "status" | "reason" | "message">;

/**
 * Builds the conditions of a cluster before its first reconciliation.
 *
 * @param now RFC 3339
 * @param generation generation of the cluster; above 1 for an undeleted one
 */
export const initialConditions = (now: string, generation = 1): Condition[] =>
  withTransitionTimes(
    [],
    conditionTypes.map((type) => ({
      type,
      status: type === "Reconciled" ? "Unknown" : "False",
      reason: "Accepted",
      message: "The cluster was accepted; provisioning has not started.",
    })),
    generation,
    now,
  );

/**
 * Adds transition times to new conditions: the earlier time if the status did not change.
 *
 * @param generation generation of the cluster that was observed
 * @param now RFC 3339
 */
export function withTransitionTimes(
  before: readonly Condition[],
  told: readonly ConditionInput[],
  generation: number,
  now: string,
): Condition[] {
  return told.map((each) => {
    const old = before.find(({ type }) => type === each.type);
    const lastTransitionTime = old?.status === each.status ? old.lastTransitionTime : now;
    return { ...each, lastTransitionTime, observedGeneration: generation };
  });
}
