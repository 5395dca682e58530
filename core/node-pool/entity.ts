/** Node pools as they are stored. */

import * as v from "valibot";
import { defineEntity } from "../table/entity.ts";
import { ClusterNodePoolResponse, securityUpdates } from "./schema.ts";

/** Node pool: the properties of the response, and internal ones. */
export interface NodePool extends ClusterNodePoolResponse {
  clusterIdentity: string;
  /** Version of its nodes at the last observation; absent before the first. */
  runningVersion?: string | undefined;
  revision: number;
}

const StoredNodePool = v.object({
  ...ClusterNodePoolResponse.entries,
  /** JSON, as for labels: the SDK's marshaller fails on a map with a name such as `constructor`. */
  annotations: v.string(),
  labels: v.string(),
  /** Absent in pools that were stored before this property existed. */
  securityUpdatesOnJoin: v.optional(v.picklist(securityUpdates), "OFF"),
  clusterIdentity: v.string(),
  runningVersion: v.optional(v.string()),
  revision: v.number(),
});

/** Entity of a node pool. */
export const nodePoolEntity = defineEntity("node-pool", 1, StoredNodePool);
