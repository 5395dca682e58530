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
