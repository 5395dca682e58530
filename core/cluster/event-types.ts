/** Catalogue of the events of clusters with their changes. */

import type { Change } from "../events/entity.ts";
import type { NodePool } from "../node-pool/entity.ts";
import type { NodePoolPath, NodePoolSettings } from "../node-pool/rules.ts";
import type { Cluster } from "./entity.ts";
import type { UpdateUndocumentedCluster } from "./undocumented.ts";
import type { ScheduledClusterUpgradeResponse } from "./upgrade-schema.ts";

/** All types of events of clusters: a noun and a verb in the past tense. */
export const eventTypes = [
  "cluster.created",
  "cluster.updated",
  "cluster.moved",
  "cluster.deletion-requested",
  "cluster.deleted",
  "cluster.forgotten",
  "cluster.undeleted",
  "cluster.status-changed",
  "cluster.phase-reached",
  "cluster.step-failed",
  "cluster.join-config-issued",
  "node-pool.created",
  "node-pool.updated",
  "node-pool.deletion-requested",
  "node-pool.status-changed",
  "scheduled-upgrade.requested",
  "scheduled-upgrade.rescheduled",
  "scheduled-upgrade.cancelled",
  "scheduled-upgrade.status-changed",
] as const;

/** The type of an event. */
type EventType = (typeof eventTypes)[number];

/** Name of a property that users can change, in requests and events. */
export type TrackedName = keyof UpdateUndocumentedCluster | "desiredStatus" | "environmentPrometheusRules";

/** Change of the progress of a cluster or of a node pool. */
export type ProgressChange =
  | Change<"status", Cluster["status"]>
  | Change<"provisionStatus", Cluster["provisionStatus"]>
  | NodePoolStatusChange
  | FailureChange;

type NodePoolStatusChange = Change<`${NodePoolPath}.provisionStatus`, NodePool["provisionStatus"]>;

/** Operation that failed, and why. */
type FailureChange = Change<"conditions[Reconciled]", string>;

/** Properties of a scheduled upgrade in events, by their names in responses. */
export type UpgradeProperty = Extract<
  keyof ScheduledClusterUpgradeResponse,
  | "automatic"
  | "ignoreMaintenanceSchedule"
  | "reason"
  | "scheduleRequestDate"
  | "status"
  | "toClusterVersion"
  | "windowEnd"
  | "windowStart"
>;

/** Change of a scheduled upgrade, or of the cluster's version when the upgrade starts. */
export type UpgradeChange =
  | Change<`scheduledUpgrades[${string}].${UpgradeProperty}`, string | boolean>
  | Change<"version", string>;

/** Changes of each type of event. */
interface EventChanges {
  "cluster.created": Change<keyof Cluster | NodePoolPath>;
  "cluster.updated": Change<TrackedName>;
  "cluster.moved": Change<TrackedName>;
  "cluster.deletion-requested": Change<TrackedName>;
  "cluster.deleted": Change<"status", Cluster["status"]>;
  "cluster.forgotten": Change<"status", Cluster["status"]>;
  "cluster.undeleted": Change<TrackedName>;
  "cluster.status-changed": ProgressChange;
  "cluster.phase-reached": ProgressChange;
  "cluster.step-failed": FailureChange;
  /** Ids of tokens that were issued and revoked, and the identity of the pool that the machine joins. */
  "cluster.join-config-issued": Change<"bootstrapToken" | "nodePool", string>;
  "node-pool.created": Change<NodePoolPath, NodePoolSettings>;
  "node-pool.updated": Change<`${NodePoolPath}.${keyof NodePoolSettings}`>;
  "node-pool.deletion-requested": NodePoolStatusChange;
  "node-pool.status-changed": ProgressChange;
  "scheduled-upgrade.requested": UpgradeChange;
  "scheduled-upgrade.rescheduled": UpgradeChange;
  "scheduled-upgrade.cancelled": UpgradeChange;
  "scheduled-upgrade.status-changed": UpgradeChange;
}

/** Event of one of the given types, with its changes. */
export type EventOf<Type extends EventType = EventType> = {
  [Each in Type]: { type: Each; changes: readonly EventChanges[Each][] };
}[Type];
