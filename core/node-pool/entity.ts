/** Node pools as they are stored. */

import * as v from "valibot";
import { defineEntity } from "../table/entity.ts";
import { ClusterNodePoolResponse, securityUpdates } from "./schema.ts";

/** A node pool: the properties of its response, and what is stored beside them. */
export interface NodePool extends ClusterNodePoolResponse {
  clusterIdentity: string;
  /** The version that its nodes ran when they were last observed; absent until then. */
  runningVersion?: string | undefined;
  revision: number;
}

const StoredNodePool = v.object({
  ...ClusterNodePoolResponse.entries,
  /** JSON, as labels: the SDK's marshaller fails on a map with a name such as `constructor`. */
  annotations: v.string(),
  labels: v.string(),
  /** Pools that are older than the property have none. */
  securityUpdatesOnJoin: v.optional(v.picklist(securityUpdates), "OFF"),
  clusterIdentity: v.string(),
  runningVersion: v.optional(v.string()),
  revision: v.number(),
});

/** A node pool as it is stored. */
export const nodePoolEntity = defineEntity("node-pool", 1, StoredNodePool);
