/** Conditions of a cluster in the shape of Kubernetes conditions. */

import * as v from "valibot";
import { dateTime, int64 } from "../shared/schemas.ts";

/** Types of conditions. Each is True if there is nothing to wait for or to do. */
export const conditionTypes = ["Provisioned", "Ready", "NodePoolsReady", "UpToDate", "Reconciled"] as const;

/** All reasons of conditions. */
export const conditionReasons = [
  "Accepted",
  "Provisioning",
  "Provisioned",
  "Starting",
  "Started",
  "Degraded",
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

/** Reason of a condition. */
export type ConditionReason = (typeof conditionReasons)[number];

const conditionStatuses = ["True", "False", "Unknown"] as const;

/** Condition in the format of Kubernetes. */
export const Condition = v.object({
  type: v.picklist(conditionTypes),
  status: v.picklist(conditionStatuses),
  reason: v.picklist(conditionReasons),
  message: v.string(),
  lastTransitionTime: v.pipe(dateTime, v.description("When the status last changed.")),
  observedGeneration: v.pipe(int64, v.description("Generation of the cluster that this condition describes.")),
});
export type Condition = v.InferOutput<typeof Condition>;

/** Condition of a stored cluster. Its message follows from the reason and the cluster (`rules/condition-messages.ts`). */
export interface ClusterCondition extends Omit<Condition, "message"> {
  /**
   * Fact in the message that the cluster does not contain: names of node pools, the observed version of the control plane, or the
   * text of an error.
   */
  detail?: string | undefined;
  /** Failed operation, if the reason is a failure. */
  operation?: string | undefined;
}

// Not made by the check itself: making them takes longer than everything else in the read of a cluster.
const [Status, Reason] = [v.picklist(conditionStatuses), v.picklist(conditionReasons)];

const StoredCondition = v.pipe(
  v.array(v.union([v.string(), v.number()])),
  v.check(
    ([status, reason, time, generation]) =>
      v.is(Status, status) && v.is(Reason, reason) && typeof time === "number" && typeof generation === "number",
  ),
);

/**
 * Conditions as stored: for each type, in the order of `conditionTypes`, its status, reason, time in milliseconds since 1970 and
 * generation; then the detail and the operation, if there are any. Names and repeated texts would be half of a cluster's item.
 */
export const StoredConditions = v.pipe(v.array(StoredCondition), v.length(conditionTypes.length));
type StoredConditions = v.InferOutput<typeof StoredConditions>;

/** Converts the conditions of a cluster to their stored form. @param conditions one of each type, in the order of `conditionTypes` */
export const storeConditions = (conditions: readonly ClusterCondition[]): StoredConditions =>
  conditions.map(({ status, reason, lastTransitionTime, observedGeneration, detail, operation }) => [
    status,
    reason,
    Date.parse(lastTransitionTime),
    observedGeneration,
    ...(detail === undefined ? [] : [detail]),
    ...(detail === undefined || operation === undefined ? [] : [operation]),
  ]);

/** Converts conditions from their stored form. */
export const readConditions = (stored: StoredConditions): ClusterCondition[] =>
  stored.map(([status, reason, time, observedGeneration, detail, operation], position) => ({
    type: conditionTypes[position] as Condition["type"],
    status: status as Condition["status"],
    reason: reason as ConditionReason,
    lastTransitionTime: new Date(Number(time)).toISOString(),
    observedGeneration: Number(observedGeneration),
    ...(detail === undefined ? {} : { detail: String(detail) }),
    ...(operation === undefined ? {} : { operation: String(operation) }),
  }));
