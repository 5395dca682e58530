/** Upgrades of events of clusters that older versions stored. */

import { nodePoolPath } from "../node-pool/rules.ts";
import { parseJson } from "../shared/json.ts";
import type { Properties } from "../table/entity.ts";

/** Changed property as version 1 stored it. */
interface StoredChange {
  path: string;
  to?: unknown;
}

/** Types that were renamed in version 2 of stored events. */
const RENAMED: Readonly<Record<string, string>> = {
  "cluster.deletion-asked": "cluster.deletion-requested",
  "node-pool.deletion-asked": "node-pool.deletion-requested",
};

const POSITION = /^nodePools\[[0-9]+\]$/;
const LABEL = /^nodePools\["([a-z0-9-]+)"(?: in (.+))?\]\.provisionStatus$/;

/** Converts the path of a node pool's change to the current form. */
function renamedPath(change: StoredChange, isCreation: boolean): StoredChange {
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
  const changes = parseJson<StoredChange[]>(String(item.changes));
  return {
    ...item,
    type: RENAMED[type] ?? type,
    changes: JSON.stringify(changes.map((change) => renamedPath(change, type === "cluster.created"))),
  };
}
