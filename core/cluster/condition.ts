/** Conditions of a cluster in the shape of Kubernetes conditions. */

import * as v from "valibot";
import { dateTime, int64 } from "../shared/schemas.ts";

/** Types of conditions. Each is True when there is nothing to wait for or to do. */
export const conditionTypes = ["Provisioned", "Ready", "NodePoolsReady", "UpToDate", "Reconciled"] as const;

/** Reasons of conditions. */
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
