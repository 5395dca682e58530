/** Stored shape of environments. */

import * as v from "valibot";
import { defineEntity, sameProperties } from "../table/entity.ts";

/** Types of environments of the API documentation. */
export const environmentTypes = ["production", "staging", "development", "demo", "other"] as const;

const StoredEnvironment = v.object({
  identity: v.string(),
  /** Numeric id, which some published clients use. */
  id: v.number(),
  slug: v.string(),
  name: v.string(),
  purpose: v.string(),
  type: v.picklist(environmentTypes),
  description: v.string(),
  /** Clusters that are not deleting, and the minimum resources of their pools: cpu in cores, memory in MiB. */
  totalClusters: v.number(),
  totalCpu: v.number(),
  totalMemory: v.number(),
  /** All clusters, including deleting ones: an environment is removed only when this is 0. */
  heldClusters: v.number(),
  createdAt: v.string(),
  modifiedAt: v.string(),
  /** Set if it was deleted while it contained deleting clusters: it is hidden, and removed with the last of them. */
  deletedAt: v.optional(v.string()),
  revision: v.number(),
});

/** Environment: a group of clusters within an organisation. */
export type Environment = v.InferOutput<typeof StoredEnvironment>;

/** Entity of an environment. */
export const environmentEntity = defineEntity("environment", 2, StoredEnvironment, {
  attributes: [
    "identity",
    "totalClusters",
    "totalCpu",
    "totalMemory",
    "heldClusters",
    "modifiedAt",
    "deletedAt",
    "revision",
  ],
  migrations: { 1: sameProperties },
});
