/** Descriptions of operations for the OpenAPI document: on clusters and node pools here, the others beside. */

import type { OperationId, OperationIdOf } from "../api/routes.ts";
import { configurationDescriptions } from "./configurations.ts";
import { type Descriptions, READ, UNCHANGED, WRITE } from "./operation.ts";
import { referenceDescriptions, serviceDescriptions } from "./references.ts";

const page = {
  description: "A page of clusters.",
  headers: ["Link", "Content-Encoding", "Vary"],
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
      "All clusters in the caller's sight, by environment and cluster slug unless another order is asked for. Other orders and filters read an index that may lag by seconds.",
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
      "Creates a cluster inside an environment, with its node pools. Every problem is reported at once. IP ranges may also be sent as plain strings.",
    successes: {
      200: { ...cluster, description: "The new cluster.", headers: ["ETag", "Location", "Idempotency-Replayed"] },
    },
    errors: WRITE,
  },
  getCluster: {
    tag: "Clusters",
    summary: "Get cluster",
    description:
      "The present holder of the slug. With includeDetails the answer is never a 304. With waitFor and `Prefer: wait=N` the answer may take N seconds. Where the server has no place for another request that waits, it answers at once, with the cluster as it is and `Retry-After`.",
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
      "Changes what the body holds: all of it or nothing. `status` starts, stops and deletes; `environmentSlug` moves; `maintenanceScheduleIdentity` and `updateChannel` are cleared by an empty string.",
    successes: { 200: { ...cluster, description: "The cluster as it is now." } },
    errors: [...WRITE, 412],
  },
  moveCluster: {
    tag: "Clusters",
    summary: "Move cluster",
    description: "Moves a cluster to another environment: slug and identity stay. Needs the role admin in both.",
    successes: {
      200: { ...cluster, description: "The cluster where it is now.", headers: ["ETag", "Idempotency-Replayed"] },
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
        description: "What holds now, in words.",
        headers: ["ETag", "Idempotency-Replayed"],
      },
    },
    errors: WRITE,
  },
  undeleteCluster: {
    tag: "Clusters",
    summary: "Undelete cluster",
    description:
      "Brings back a cluster that was deleted within 30 days: the same identity, settings and node pools, built anew. Where several of the slug were deleted, `identity` says which; the 409 names them. Needs the role admin.",
    successes: {
      200: { ...cluster, description: "The cluster as it is now.", headers: ["ETag", "Idempotency-Replayed"] },
    },
    errors: WRITE,
  },
  getClusterUpgrades: {
    tag: "Clusters",
    summary: "Get upgrade path",
    description: "The versions reachable now, the chain to each newer one, and what blocks each.",
    successes: {
      200: {
        description: "Where the version can go.",
      },
    },
    errors: READ,
  },
  listClusterEvents: {
    tag: "Clusters",
    summary: "List events of a cluster",
    description:
      "What happened to the present holder of the slug, newest first, wherever it was then. The link to the next page is in `Link`; there is none on the last.",
    successes: {
      200: {
        description: "A page of events.",
        headers: ["Link", "Content-Encoding", "Vary"],
      },
    },
    errors: READ,
  },
};

const nodePoolDescriptions: Descriptions<OperationIdOf<"NodePools">> = {
  listNodePools: {
    tag: "Node pools",
    summary: "List node pools",
    description: "All node pools of a cluster, oldest first, those being deleted too.",
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
    description: "Changes a node pool; what the body leaves out stays. Name and availability zone cannot change.",
    successes: { 200: { ...nodePool, description: "The node pool as it is now." } },
    errors: [...WRITE, 412],
  },
  deleteNodePool: {
    tag: "Node pools",
    summary: "Delete node pool",
    description: "Frees the pool's name at once; the pool is listed as DELETING until it is gone.",
    successes: {
      200: {
        description: "Only to a dry run: what would be.",
        schema: "DryRunResponse",
      },
      204: { description: "It is being deleted." },
    },
    errors: [...READ, 412, 422],
  },
};

/** Descriptions of every operation by its id. */
export const descriptions: Descriptions<OperationId> = {
  ...clusterDescriptions,
  ...nodePoolDescriptions,
  ...configurationDescriptions,
  ...referenceDescriptions,
  ...serviceDescriptions,
};
