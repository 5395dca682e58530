/** Descriptions of operations for the OpenAPI document: those on clusters and node pools, and the list of all. */

import type { OperationId, OperationIdOf } from "../api/routes.ts";
import { cloudAccountDescriptions } from "./cloud-accounts.ts";
import { configurationDescriptions } from "./configurations.ts";
import { observabilityDescriptions } from "./observability.ts";
import { type Descriptions, READ, UNCHANGED, WRITE } from "./operation.ts";
import { organisationDescriptions } from "./organisations.ts";
import { referenceDescriptions, serviceDescriptions } from "./references.ts";

const page = {
  description: "A page of clusters.",
  headers: ["Link"],
} as const;
const cluster = {
  description: "The cluster.",
  headers: ["ETag"],
} as const;
const nodePool = {
  description: "The node pool.",
  headers: ["ETag"],
} as const;

const clusterDescriptions: Descriptions<OperationIdOf<"Clusters">> = {
  listOrganisationClusters: {
    tag: "Clusters",
    summary: "List clusters of an organisation",
    description:
      "All clusters that the caller can access, by environment and cluster slug unless another order is requested. Other orders and filters read an index that can be some seconds out of date.",
    successes: { 200: page },
    errors: READ,
  },
  listEnvironmentClusters: {
    tag: "Clusters",
    summary: "List clusters of an environment",
    description: "The clusters of one environment, in the same orders and with the same filters.",
    successes: { 200: page },
    errors: READ,
  },
  createCluster: {
    tag: "Clusters",
    summary: "Create cluster",
    description:
      "Creates a cluster inside an environment, with its node pools. Every problem is reported at once. IP ranges can also be sent as plain strings.",
    successes: {
      200: { ...cluster, description: "The new cluster.", headers: ["ETag", "Location", "Idempotency-Replayed"] },
    },
    errors: WRITE,
  },
  getCluster: {
    tag: "Clusters",
    summary: "Get cluster",
    description:
      "The cluster that has the slug now. With includeDetails the response is never a 304. With waitFor and `Prefer: wait=N` the response can take N seconds. If too many requests wait already, the response comes at once, with the current cluster and `Retry-After`.",
    successes: {
      200: { ...cluster, headers: ["ETag", "Retry-After"] },
      304: { ...UNCHANGED, headers: ["ETag", "Retry-After"] },
    },
    errors: READ,
  },
  updateCluster: {
    tag: "Clusters",
    summary: "Update cluster",
    description:
      "Changes the properties in the body: all of them or none. `status` starts, stops and deletes; `environmentSlug` moves; `maintenanceScheduleIdentity` and `updateChannel` are cleared by an empty string.",
    successes: { 200: { ...cluster, description: "The changed cluster." } },
    errors: [...WRITE, 412],
  },
  moveCluster: {
    tag: "Clusters",
    summary: "Move cluster",
    description:
      "Moves a cluster to another environment; its slug and identity do not change. Requires the role admin in both environments.",
    successes: {
      200: { ...cluster, description: "The moved cluster.", headers: ["ETag", "Idempotency-Replayed"] },
    },
    errors: [...WRITE, 412],
  },
  updatePrometheusRulesInheritance: {
    tag: "Clusters",
    summary: "Update Prometheus rules inheritance",
    description: "Sets whether a cluster inherits its environment's Prometheus rules.",
    request: { oneOf: [{ type: "boolean" }, { $ref: "#/components/schemas/UpdatePrometheusRules" }] },
    successes: {
      200: {
        description: "The current setting as text.",
        headers: ["ETag", "Idempotency-Replayed"],
      },
    },
    errors: WRITE,
  },
  undeleteCluster: {
    tag: "Clusters",
    summary: "Undelete cluster",
    description:
      "Restores a cluster that was deleted within the last 30 days, with the same identity, settings and node pools; it is provisioned again. If several clusters with the slug were deleted, `identity` selects one; the 409 lists them. Requires the role admin.",
    successes: {
      200: { ...cluster, description: "The changed cluster.", headers: ["ETag", "Idempotency-Replayed"] },
    },
    errors: WRITE,
  },
  getClusterUpgrades: {
    tag: "Clusters",
    summary: "Get upgrade path",
    description:
      "The versions to which the cluster can change now, the chain of versions to each newer one, and what blocks each.",
    successes: {
      200: {
        description: "The reachable and the newer versions.",
      },
    },
    errors: READ,
  },
  listClusterEvents: {
    tag: "Clusters",
    summary: "List events of a cluster",
    description:
      "Events of the cluster that has the slug now, newest first, also from other environments. `Link` contains the next page; the last page has no such link.",
    successes: {
      200: {
        description: "A page of events.",
        headers: ["Link"],
      },
    },
    errors: READ,
  },
};

const scheduledUpgradeDescriptions: Descriptions<OperationIdOf<"ScheduledUpgrades">> = {
  listScheduledClusterUpgrades: {
    tag: "Scheduled upgrades",
    summary: "List scheduled upgrades",
    description:
      "The newest five upgrades of each cluster that the caller can access, oldest first. Finished ones are kept 90 days.",
    successes: { 200: { description: "A page of upgrades.", headers: ["Link"] } },
    errors: READ,
  },
  requestScheduledClusterUpgrade: {
    tag: "Scheduled upgrades",
    summary: "Request scheduled upgrade",
    description:
      "Requests an upgrade of a cluster in its next maintenance window, or at the date if that is later. Without a maintenance schedule, or with ignoreMaintenanceSchedule, it starts at the date or now. It replaces an upgrade of the cluster that has not started, which becomes SUPERSEDED. Requires the role developer in the cluster's environment.",
    successes: {
      200: {
        description: "The new upgrade.",
        headers: ["ETag", "Location", "Idempotency-Replayed"],
      },
    },
    errors: WRITE,
  },
  getScheduledClusterUpgrade: {
    tag: "Scheduled upgrades",
    summary: "Get scheduled upgrade",
    description: "One scheduled upgrade.",
    successes: { 200: { description: "The upgrade.", headers: ["ETag"] }, 304: UNCHANGED },
    errors: READ,
  },
  cancelScheduledClusterUpgrade: {
    tag: "Scheduled upgrades",
    summary: "Cancel scheduled upgrade",
    description:
      "Cancels an upgrade that has not started: it becomes SUPERSEDED. An automatic one cannot be cancelled: change `enableAutoUpgrade` of the cluster, or request another upgrade in its place. Requires the role developer in the cluster's environment.",
    successes: { 200: { description: "The cancelled upgrade.", headers: ["ETag"] } },
    errors: [...READ, 409, 412, 422],
  },
};

const nodePoolDescriptions: Descriptions<OperationIdOf<"NodePools">> = {
  listNodePools: {
    tag: "Node pools",
    summary: "List node pools",
    description: "All node pools of a cluster, oldest first, including those that are being deleted.",
    successes: {
      200: {
        description: "The node pools.",
      },
    },
    errors: READ,
  },
  createNodePool: {
    tag: "Node pools",
    summary: "Create node pool",
    description: "Adds a node pool to a cluster. Its name is unique together with its availability zone.",
    successes: {
      200: { ...nodePool, description: "The new node pool.", headers: ["ETag", "Location", "Idempotency-Replayed"] },
    },
    errors: WRITE,
  },
  getNodePool: {
    tag: "Node pools",
    summary: "Get node pool",
    description: "One node pool of a cluster.",
    successes: { 200: nodePool, 304: UNCHANGED },
    errors: READ,
  },
  updateNodePool: {
    tag: "Node pools",
    summary: "Update node pool",
    description:
      "Changes a node pool; properties that the body omits do not change. Name and availability zone cannot change.",
    successes: { 200: { ...nodePool, description: "The changed node pool." } },
    errors: [...WRITE, 412],
  },
  deleteNodePool: {
    tag: "Node pools",
    summary: "Delete node pool",
    description:
      "Deletes a node pool. Its name is available at once; the pool is listed as DELETING until it is removed.",
    successes: {
      200: {
        description: "Result of a dry run.",
        schema: "DryRunResponse",
      },
      204: { description: "The node pool is being deleted." },
    },
    errors: [...READ, 412, 422],
  },
};

/** Descriptions of every operation by its id. */
export const descriptions: Descriptions<OperationId> = {
  ...clusterDescriptions,
  ...scheduledUpgradeDescriptions,
  ...nodePoolDescriptions,
  ...configurationDescriptions,
  ...organisationDescriptions,
  ...observabilityDescriptions,
  ...cloudAccountDescriptions,
  ...referenceDescriptions,
  ...serviceDescriptions,
};
