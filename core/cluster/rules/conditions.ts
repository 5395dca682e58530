/** Why a cluster is as it is: conditions in Kubernetes' shape, which a person and a tool can both act on. */

import * as v from "valibot";
import { dateTime, int64 } from "../../shared/schemas.ts";

/** What is told of a cluster. Each is True when there is nothing to wait for or to do. */
export const conditionTypes = ["Provisioned", "Ready", "NodePoolsReady", "UpToDate", "Reconciled"] as const;

/** Every reason there is. */
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

/** One condition, as Kubernetes has them. */
export const Condition = v.object({
  type: v.picklist(conditionTypes),
  status: v.picklist(["True", "False", "Unknown"]),
  reason: v.picklist(conditionReasons),
  message: v.string(),
  lastTransitionTime: v.pipe(dateTime, v.description("When status was last another one.")),
  observedGeneration: v.pipe(int64, v.description("The generation of the cluster that this was told of.")),
});
export type Condition = v.InferOutput<typeof Condition>;

/** A condition before it is known since when it holds. */
export type ConditionInput = Pick<Condition, "type" | "status" | "reason" | "message">;

/**
 * What is told of a cluster that nobody has looked at yet.
 *
 * @param now RFC 3339
 * @param generation of the cluster; above 1 for one that was brought back
 */
export const initialConditions = (now: string, generation = 1): Condition[] =>
  withTransitionTimes(
    [],
    conditionTypes.map((type) => ({
      type,
      status: type === "Reconciled" ? "Unknown" : "False",
      reason: "Accepted",
      message: "The cluster was accepted; nothing was done for it yet.",
    })),
    generation,
    now,
  );

/**
 * Dates what is told now, by what was told before.
 *
 * @param generation of the cluster that was looked at
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
