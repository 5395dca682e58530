/** Environments as they are stored. */

import * as v from "valibot";
import { defineEntity } from "../table/entity.ts";

/** The documentation's kinds of environment. */
export const environmentTypes = ["production", "staging", "development", "demo", "other"] as const;

const StoredEnvironment = v.object({
  identity: v.string(),
  /** The numeric id some published clients know it by. */
  id: v.number(),
  slug: v.string(),
  name: v.string(),
  purpose: v.string(),
  type: v.picklist(environmentTypes),
  description: v.string(),
  /** Clusters that are not deleting, and what their pools ask for: cpu in cores, memory in MiB. */
  totalClusters: v.number(),
  totalCpu: v.number(),
  totalMemory: v.number(),
  /** Every cluster that is still there, deleting ones too: an environment goes only when it is 0. */
  heldClusters: v.number(),
  createdAt: v.string(),
  modifiedAt: v.string(),
  /** Set when it was deleted with deleting clusters in it: it is hidden, and goes with the last of them. */
  deletedAt: v.optional(v.string()),
  revision: v.number(),
});

/** An environment: a group of clusters within an organisation. */
export type Environment = v.InferOutput<typeof StoredEnvironment>;

/** How an environment is stored. */
export const environmentEntity = defineEntity("environment", 1, StoredEnvironment);
