/** Node pools as they are stored. */

import * as v from "valibot";
import { freeNames } from "../shared/schemas.ts";
import { defineEntity } from "../table/entity.ts";
import { ClusterNodePoolResponse, securityUpdates } from "./schema.ts";

/** Node pool: the properties of the response, and internal ones. */
export interface NodePool extends ClusterNodePoolResponse {
  clusterIdentity: string;
  /** Version of its nodes at the last observation; absent before the first. */
  runningVersion?: string | undefined;
  revision: number;
}

/** Schema of a stored node pool. */
export const StoredNodePool = v.object({
  ...ClusterNodePoolResponse.entries,
  autoScaling: v.optional(v.boolean(), false),
  enableNodeAutoReplacement: v.optional(v.boolean(), true),
  enableNodeReboots: v.optional(v.boolean(), false),
  annotations: freeNames<string>(),
  labels: freeNames<string>(),
  /** Absent in pools that were stored before this property existed. */
  securityUpdatesOnJoin: v.optional(v.picklist(securityUpdates), "OFF"),
  clusterIdentity: v.string(),
  runningVersion: v.optional(v.string()),
  revision: v.number(),
});

/** Entity of a node pool. */
export const nodePoolEntity = defineEntity("node-pool", 2, StoredNodePool, {
  attributes: ["revision"],
  migrations: {
    1: (pool) => ({
      ...pool,
      annotations: JSON.parse(String(pool.annotations)),
      labels: JSON.parse(String(pool.labels)),
    }),
  },
});
