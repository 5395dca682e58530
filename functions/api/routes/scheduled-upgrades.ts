import { CHANGE, GETS, MOVES, NEW, ORGANISATION, READS, type RouteRow, UPDATES } from "./row.ts";

const UPGRADES = `${ORGANISATION}/scheduled-cluster-upgrades`;

/** Rows of the operations on scheduled upgrades. */
export const scheduledUpgrades = {
  listScheduledClusterUpgrades: {
    group: "ScheduledUpgrades",
    method: "GET",
    path: UPGRADES,
    parameters: ["clusterIdentities", "statuses", "page", "prefer"],
    success: "PageScheduledClusterUpgradeResponse",
    grant: READS,
  },
  requestScheduledClusterUpgrade: {
    group: "ScheduledUpgrades",
    method: "POST",
    path: UPGRADES,
    parameters: NEW,
    body: "RequestScheduledClusterUpgrade",
    success: "ScheduledClusterUpgradeResponse",
    grant: MOVES,
  },
  getScheduledClusterUpgrade: {
    group: "ScheduledUpgrades",
    method: "GET",
    path: `${UPGRADES}/{upgrade}`,
    parameters: ["ifNoneMatch", "prefer"],
    success: "ScheduledClusterUpgradeResponse",
    grant: GETS,
  },
  cancelScheduledClusterUpgrade: {
    group: "ScheduledUpgrades",
    method: "DELETE",
    path: `${UPGRADES}/{upgrade}`,
    parameters: CHANGE,
    success: "ScheduledClusterUpgradeResponse",
    grant: UPDATES,
  },
} as const satisfies Record<string, RouteRow>;
