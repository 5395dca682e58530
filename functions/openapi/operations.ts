/** The table of operations: on clusters and node pools here, on what they refer to beside it. */

import { configurationOperations } from "./configurations.ts";
import { type Operation, READ, UNCHANGED, WRITE } from "./operation.ts";
import {
  clusterFilters,
  clusterPage,
  dryRun,
  eventsPage,
  idempotencyKey,
  ifMatch,
  ifNoneMatch,
  includeDetails,
  prefer,
  preferWait,
  showCompute,
  waitFor,
} from "./parameters.ts";
import { referenceOperations, serviceOperations } from "./references.ts";

const ORGANISATION = "/api/v1/orgs/{organisationSlug}/clusters";
const ENVIRONMENT = `${ORGANISATION}/{environmentSlug}`;
const CLUSTER = `${ENVIRONMENT}/{clusterSlug}`;
const POOLS = `${CLUSTER}/pools`;

const page = {
  description: "A page of clusters.",
  body: { schema: "PageClusterResponse" },
  headers: ["Link", "Content-Encoding", "Vary"],
} as const;
const cluster = {
  description: "The cluster.",
  body: { schema: "ClusterResponse" },
  headers: ["ETag"],
} as const;
const nodePool = {
  description: "The node pool.",
  body: { schema: "ClusterNodePoolResponse" },
  headers: ["ETag"],
} as const;

const clusterOperations: readonly Operation[] = [
  {
    operationId: "listOrganisationClusters",
    method: "GET",
    path: ORGANISATION,
    tag: "Clusters",
    summary: "List clusters of an organisation",
    description:
      "All clusters in the caller's sight, by environment and cluster slug unless another order is asked for. Other orders and filters read an index that may lag by seconds.",
    parameters: [...clusterFilters, showCompute, includeDetails, ...clusterPage, prefer],
    successes: { 200: page },
    errors: READ,
  },
  {
    operationId: "listEnvironmentClusters",
    method: "GET",
    path: ENVIRONMENT,
    tag: "Clusters",
    summary: "List clusters of an environment",
    description: "The clusters of one environment, in the same orders and with the same filters.",
    parameters: [...clusterFilters, showCompute, includeDetails, ...clusterPage, prefer],
    successes: { 200: page },
    errors: READ,
  },
  {
    operationId: "createCluster",
    method: "POST",
    path: ENVIRONMENT,
    tag: "Clusters",
    summary: "Create cluster",
    description:
      "Creates a cluster inside an environment, with its node pools. Every problem is reported at once. IP ranges may also be sent as plain strings.",
    parameters: [dryRun, idempotencyKey, prefer],
    request: { schema: "CreateCluster" },
    successes: {
      200: { ...cluster, description: "The new cluster.", headers: ["ETag", "Location", "Idempotency-Replayed"] },
    },
    errors: WRITE,
  },
  {
    operationId: "getCluster",
    method: "GET",
    path: CLUSTER,
    tag: "Clusters",
    summary: "Get cluster",
    description:
      "The present holder of the slug. With includeDetails the answer is never a 304. With waitFor and `Prefer: wait=N` the answer may take N seconds. Where the server has no place for another request that waits, it answers at once, with the cluster as it is and `Retry-After`.",
    parameters: [showCompute, includeDetails, waitFor, ifNoneMatch, preferWait],
    successes: {
      200: { ...cluster, headers: ["ETag", "Retry-After"] },
      304: { ...UNCHANGED, headers: ["ETag", "Retry-After"] },
    },
    errors: READ,
  },
  {
    operationId: "updateCluster",
    method: "PATCH",
    path: CLUSTER,
    tag: "Clusters",
    summary: "Update cluster",
    description:
      "Changes what the body holds: all of it or nothing. `status` starts, stops and deletes; `environmentSlug` moves; `maintenanceScheduleIdentity` and `updateChannel` are cleared by an empty string.",
    parameters: [dryRun, ifMatch, prefer],
    request: { schema: "UpdateCluster" },
    successes: { 200: { ...cluster, description: "The cluster as it is now." } },
    errors: [...WRITE, 412],
  },
  {
    operationId: "moveCluster",
    method: "POST",
    path: `${ORGANISATION}/{clusterSlug}/move`,
    tag: "Clusters",
    summary: "Move cluster",
    description: "Moves a cluster to another environment: slug and identity stay. Needs the role admin in both.",
    parameters: [dryRun, ifMatch, idempotencyKey, prefer],
    request: { schema: "MoveCluster" },
    successes: {
      200: { ...cluster, description: "The cluster where it is now.", headers: ["ETag", "Idempotency-Replayed"] },
    },
    errors: [...WRITE, 412],
  },
  {
    operationId: "updatePrometheusRulesInheritance",
    method: "POST",
    path: `${CLUSTER}/prometheus-rules-inheritance`,
    tag: "Clusters",
    summary: "Update Prometheus rules inheritance",
    description: "Sets whether a cluster inherits its environment's Prometheus rules.",
    parameters: [dryRun, idempotencyKey, prefer],
    request: {
      schema: { oneOf: [{ type: "boolean" }, { $ref: "#/components/schemas/UpdatePrometheusRules" }] },
    },
    successes: {
      200: {
        description: "What holds now, in words.",
        body: { schema: "MessageResponse" },
        headers: ["ETag", "Idempotency-Replayed"],
      },
    },
    errors: WRITE,
  },
  {
    operationId: "undeleteCluster",
    method: "POST",
    path: `${CLUSTER}/undelete`,
    tag: "Clusters",
    summary: "Undelete cluster",
    description:
      "Brings back a cluster that was deleted within 30 days: the same identity, settings and node pools, built anew. Where several of the slug were deleted, `identity` says which; the 409 names them. Needs the role admin.",
    parameters: [dryRun, idempotencyKey, prefer],
    request: { schema: "UndeleteCluster" },
    bodyIsOptional: true,
    successes: {
      200: { ...cluster, description: "The cluster as it is now.", headers: ["ETag", "Idempotency-Replayed"] },
    },
    errors: WRITE,
  },
  {
    operationId: "getClusterUpgrades",
    method: "GET",
    path: `${CLUSTER}/upgrades`,
    tag: "Clusters",
    summary: "Get upgrade path",
    description: "The versions reachable now, the chain to each newer one, and what blocks each.",
    parameters: [prefer],
    successes: {
      200: {
        description: "Where the version can go.",
        body: { schema: "ClusterUpgradesResponse" },
      },
    },
    errors: READ,
  },
  {
    operationId: "listClusterEvents",
    method: "GET",
    path: `${CLUSTER}/events`,
    tag: "Clusters",
    summary: "List events of a cluster",
    description:
      "What happened to the present holder of the slug, newest first, wherever it was then. The link to the next page is in `Link`; there is none on the last.",
    parameters: [...eventsPage, prefer],
    successes: {
      200: {
        description: "A page of events.",
        body: { schema: "ClusterEventsResponse" },
        headers: ["Link", "Content-Encoding", "Vary"],
      },
    },
    errors: READ,
  },
];

const nodePoolOperations: readonly Operation[] = [
  {
    operationId: "listNodePools",
    method: "GET",
    path: POOLS,
    tag: "Node pools",
    summary: "List node pools",
    description: "All node pools of a cluster, oldest first, those being deleted too.",
    parameters: [prefer],
    successes: {
      200: {
        description: "The node pools.",
        body: { schema: { arrayOf: "ClusterNodePoolResponse" } },
      },
    },
    errors: READ,
  },
  {
    operationId: "createNodePool",
    method: "POST",
    path: POOLS,
    tag: "Node pools",
    summary: "Create node pool",
    description: "Adds a node pool to a cluster. Its name is unique together with its availability zone.",
    parameters: [dryRun, idempotencyKey, prefer],
    request: { schema: "CreateNodePool" },
    successes: {
      200: { ...nodePool, description: "The new node pool.", headers: ["ETag", "Location", "Idempotency-Replayed"] },
    },
    errors: WRITE,
  },
  {
    operationId: "getNodePool",
    method: "GET",
    path: `${POOLS}/{nodePoolId}`,
    tag: "Node pools",
    summary: "Get node pool",
    description: "One node pool of a cluster.",
    parameters: [ifNoneMatch, prefer],
    successes: { 200: nodePool, 304: UNCHANGED },
    errors: READ,
  },
  {
    operationId: "updateNodePool",
    method: "PUT",
    path: `${POOLS}/{nodePoolId}`,
    tag: "Node pools",
    summary: "Update node pool",
    description: "Changes a node pool; what the body leaves out stays. Name and availability zone cannot change.",
    parameters: [dryRun, ifMatch, prefer],
    request: { schema: "UpdateNodePool" },
    successes: { 200: { ...nodePool, description: "The node pool as it is now." } },
    errors: [...WRITE, 412],
  },
  {
    operationId: "deleteNodePool",
    method: "DELETE",
    path: `${POOLS}/{nodePoolId}`,
    tag: "Node pools",
    summary: "Delete node pool",
    description: "Frees the pool's name at once; the pool is listed as DELETING until it is gone.",
    parameters: [dryRun, ifMatch, prefer],
    successes: {
      200: {
        description: "Only to a dry run: what would be.",
        body: { schema: "DryRunResponse" },
      },
      204: { description: "It is being deleted." },
    },
    errors: [...READ, 412, 422],
  },
];

/** Every operation of the API, in the order of the document. */
export const operations: readonly Operation[] = [
  ...clusterOperations,
  ...nodePoolOperations,
  ...configurationOperations,
  ...referenceOperations,
  ...serviceOperations,
];
