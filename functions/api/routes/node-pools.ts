import {
  CHANGE,
  CHANGE_WITH_MANIFESTS,
  CLUSTER,
  NEW_WITH_MANIFESTS,
  PLAIN,
  POOL,
  READS,
  type RouteRow,
  WRITES,
} from "./row.ts";

/** Rows of the operations on node pools. */
export const nodePools = {
  listNodePools: {
    group: "NodePools",
    method: "GET",
    path: `${CLUSTER}/pools`,
    parameters: PLAIN,
    success: "ClusterNodePoolResponse[]",
    grant: READS,
  },
  createNodePool: {
    group: "NodePools",
    method: "POST",
    path: `${CLUSTER}/pools`,
    parameters: NEW_WITH_MANIFESTS,
    body: "CreateNodePool",
    success: "ClusterNodePoolResponse",
    grant: WRITES,
  },
  getNodePool: {
    group: "NodePools",
    method: "GET",
    path: POOL,
    parameters: ["ifNoneMatch", "prefer"],
    success: "ClusterNodePoolResponse",
    grant: READS,
  },
  updateNodePool: {
    group: "NodePools",
    method: "PUT",
    path: POOL,
    parameters: CHANGE_WITH_MANIFESTS,
    body: "UpdateNodePool",
    success: "ClusterNodePoolResponse",
    grant: WRITES,
  },
  deleteNodePool: {
    group: "NodePools",
    method: "DELETE",
    path: POOL,
    parameters: CHANGE,
    grant: WRITES,
  },
} as const satisfies Record<string, RouteRow>;
