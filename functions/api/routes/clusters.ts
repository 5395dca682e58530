import { LIST_INDEX, PREVIOUS_LIST_INDEX } from "#core/table/definition.ts";
import type { Grant } from "../grants.ts";
import { CHANGE, CLUSTER, CLUSTERS, EVENTS, GETS, MOVES, NEW, PLAIN, READS, type RouteRow, WRITES } from "./row.ts";

const LISTS = { table: ["BatchGetItem", "Query"], indexes: [LIST_INDEX, PREVIOUS_LIST_INDEX] } as const satisfies Grant;
const CLUSTER_LIST = [
  "maintenanceSchedule",
  "status",
  "cloudProvider",
  "region",
  "version",
  "name",
  "show-compute",
  "includeDetails",
  "sortedPage",
  "prefer",
] as const;

/** Rows of the operations on clusters. */
export const clusters = {
  listOrganisationClusters: {
    group: "Clusters",
    method: "GET",
    path: CLUSTERS,
    parameters: CLUSTER_LIST,
    success: "PageClusterResponse",
    grant: LISTS,
  },
  listEnvironmentClusters: {
    group: "Clusters",
    method: "GET",
    path: `${CLUSTERS}/{environment}`,
    parameters: CLUSTER_LIST,
    success: "PageClusterResponse",
    grant: LISTS,
  },
  createCluster: {
    group: "Clusters",
    method: "POST",
    path: `${CLUSTERS}/{environment}`,
    parameters: NEW,
    body: "CreateCluster",
    success: "ClusterResponse",
    grant: WRITES,
  },
  getCluster: {
    group: "Clusters",
    method: "GET",
    path: CLUSTER,
    parameters: ["show-compute", "includeDetails", "waitFor", "ifNoneMatch", "preferWait"],
    success: "ClusterResponse",
    grant: GETS,
  },
  updateCluster: {
    group: "Clusters",
    method: "PATCH",
    path: CLUSTER,
    parameters: CHANGE,
    body: "UpdateCluster",
    success: "ClusterResponse",
    grant: MOVES,
  },
  moveCluster: {
    group: "Clusters",
    method: "POST",
    path: `${CLUSTERS}/{cluster}/move`,
    parameters: ["dryRun", "ifMatch", "idempotencyKey", "prefer"],
    body: "MoveCluster",
    success: "ClusterResponse",
    grant: MOVES,
  },
  updatePrometheusRulesInheritance: {
    group: "Clusters",
    method: "POST",
    path: `${CLUSTER}/prometheus-rules-inheritance`,
    parameters: NEW,
    body: "UpdatePrometheusRules",
    success: "MessageResponse",
    grant: WRITES,
  },
  undeleteCluster: {
    group: "Clusters",
    method: "POST",
    path: `${CLUSTER}/undelete`,
    parameters: NEW,
    body: "UndeleteCluster",
    isBodyOptional: true,
    success: "ClusterResponse",
    grant: MOVES,
  },
  getClusterUpgrades: {
    group: "Clusters",
    method: "GET",
    path: `${CLUSTER}/upgrades`,
    parameters: PLAIN,
    success: "ClusterUpgradesResponse",
    grant: GETS,
  },
  listClusterEvents: {
    group: "Clusters",
    method: "GET",
    path: `${CLUSTER}/events`,
    parameters: EVENTS,
    success: "ClusterEventsResponse",
    grant: READS,
  },
} as const satisfies Record<string, RouteRow>;
