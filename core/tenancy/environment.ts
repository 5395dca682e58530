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
  /** Raised by users' writes, not by changes of the totals. */
  revision: v.number(),
  /** Id of the last change by a user, by which an attempt recognises its own write. */
  writtenBy: v.optional(v.string()),
});

/** Environment: a group of clusters within an organisation. */
export type Environment = v.InferOutput<typeof StoredEnvironment>;

/** Entity of an environment. */
export const environmentEntity = defineEntity("environment", 3, StoredEnvironment, {
  attributes: [
    "identity",
    "name",
    "purpose",
    "type",
    "description",
    "totalClusters",
    "totalCpu",
    "totalMemory",
    "heldClusters",
    "modifiedAt",
    "deletedAt",
    "revision",
    "writtenBy",
  ],
  migrations: { 1: sameProperties, 2: sameProperties },
});

/** Returns the path of an environment in the changes of events. */
export const environmentPath = ({ slug }: Pick<Environment, "slug">) => `environments[${slug}]` as const;

/** Returns the properties of an environment that events of its creation and deletion contain. */
export const environmentSettings = ({ identity, name, type, purpose, description }: Environment) => ({
  identity,
  name,
  type,
  purpose,
  description,
});
