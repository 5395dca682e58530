/** Rules for the slug of a cluster in its environment. Pure functions. */

import { type AppError, conflict } from "../../shared/errors.ts";
import type { Cluster } from "../entity.ts";
import { isDeleting } from "./transitions.ts";

/** Maximum number of deleting clusters with the same slug. */
export const MAX_DELETING_OWNERS = 32;

/** Delay before a client retries while a deletion finishes, in seconds. */
export const DELETION_SECONDS = 30;

/** Clusters that have a slug. */
export interface SlugOwners {
  /** Cluster that owns the slug now. */
  owner: Cluster | undefined;
  /** Identities of deleting clusters that were displaced from the slug and still exist. */
  superseded: readonly string[];
}

/** Builds the message for a taken slug. @param path path of the property with the slug */
export const slugTakenMessage = ({ name, environment, slug }: Cluster, path: string): string =>
  `${path}: the slug "${slug}" is already used by the cluster "${name}" in environment "${environment}"`;

/**
 * Returns the conflict over a slug: a cluster that is not deleting owns it, or too many deleting clusters have it.
 *
 * @param path path of the property with the slug
 * @returns undefined if the slug is available
 */
export function slugConflict({ owner, superseded }: SlugOwners, path: string): AppError | undefined {
  if (owner === undefined) return undefined;
  if (!isDeleting(owner)) return conflict("cluster.slug_taken", slugTakenMessage(owner, path));
  if (superseded.length < MAX_DELETING_OWNERS) return undefined;
  return conflict(
    "cluster.too_many_deleting",
    `${path}: ${MAX_DELETING_OWNERS} clusters with the slug "${owner.slug}" are still being deleted; wait until one is deleted`,
    DELETION_SECONDS,
  );
}
