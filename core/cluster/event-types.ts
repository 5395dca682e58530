/** Catalogue of events with their changes, and upgrades of events that older versions stored. */

import type { NodePool } from "../node-pool/entity.ts";
import { type NodePoolPath, type NodePoolSettings, nodePoolPath } from "../node-pool/rules.ts";
import { parseJson } from "../shared/json.ts";
import type { Properties } from "../table/entity.ts";
import type { Change, Cluster } from "./entity.ts";
import type { UpdateCluster } from "./schema.ts";

/** All types of events: a noun and a verb in the past tense. */
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
] as const;

/** The type of an event. */
type EventType = (typeof eventTypes)[number];

/** Name of a property that users can change, in requests and events. */
export type TrackedName = keyof UpdateCluster | "desiredStatus" | "environmentPrometheusRules";

/** Change of the progress of a cluster or of a node pool. */
export type ProgressChange =
  | Change<"status", Cluster["status"]>
  | Change<"provisionStatus", Cluster["provisionStatus"]>
  | NodePoolStatusChange
  | FailureChange;

type NodePoolStatusChange = Change<`${NodePoolPath}.provisionStatus`, NodePool["provisionStatus"]>;

/** Operation that failed, and why. */
type FailureChange = Change<"conditions[Reconciled]", string>;

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
}

/** Event of one of the given types, with its changes. */
export type EventOf<Type extends EventType = EventType> = {
  [Each in Type]: { type: Each; changes: readonly EventChanges[Each][] };
}[Type];

/** Types that were renamed in version 2 of stored events. */
const RENAMED: Readonly<Record<string, EventType>> = {
  "cluster.deletion-asked": "cluster.deletion-requested",
  "node-pool.deletion-asked": "node-pool.deletion-requested",
};

const POSITION = /^nodePools\[[0-9]+\]$/;
const LABEL = /^nodePools\["([a-z0-9-]+)"(?: in (.+))?\]\.provisionStatus$/;

/** Converts the path of a node pool's change to the current form. */
function renamedPath(change: Change, isCreation: boolean): Change {
  const [, name, availabilityZone] = LABEL.exec(change.path) ?? [];
  if (name !== undefined) return { ...change, path: `${nodePoolPath({ name, availabilityZone })}.provisionStatus` };
  // A creation identified pools by position. In other events, a path such as nodePools[0] contains the name "0".
  if (!isCreation || !POSITION.test(change.path)) return change;
  return { ...change, path: nodePoolPath(change.to as Parameters<typeof nodePoolPath>[0]) };
}

/**
 * Converts the attributes of an event from version 1 to version 2: renamed types, and one form of node pool paths.
 *
 * @param item an event of version 1
 */
export function upgradeEvent(item: Properties): Readonly<Record<string, unknown>> {
  const type = String(item.type);
  const changes = parseJson<Change[]>(String(item.changes));
  return {
    ...item,
    type: RENAMED[type] ?? type,
    changes: JSON.stringify(changes.map((change) => renamedPath(change, type === "cluster.created"))),
  };
}
