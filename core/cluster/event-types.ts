/** Types of events, and upgrades of events that older versions stored. */

import { nodePoolPath } from "../node-pool/rules.ts";
import { parseJson } from "../shared/json.ts";
import type { Properties } from "../table/entity.ts";
import type { Change } from "./entity.ts";

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
export type EventType = (typeof eventTypes)[number];

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
