/** Rules that prevent the restoration of a deleted cluster. Pure functions. */

import { isAvailableVersion } from "../../catalogue/index.ts";
import type { RawItem } from "../../table/entity.ts";
import type { Environment } from "../../tenancy/environment.ts";
import { MAX_CLUSTERS, ORGANISATION_FULL_MESSAGE, totalEntity } from "../../tenancy/organisation.ts";
import type { References } from "../../tenancy/references-entity.ts";
import type { Cluster, Tombstone } from "../entity.ts";
import { slugTakenMessage } from "./slug-taken.ts";
import { isDeleting } from "./transitions.ts";

/** Current state of the tenant. */
export interface CurrentState {
  environment: Environment | undefined;
  references: References;
  /** Counters of the organisation. */
  total: RawItem | undefined;
}

/**
 * Finds everything that a cluster needs and that is missing or taken.
 *
 * @param holder cluster that owns the slug now
 * @returns one message for each, with the property first, if there is one
 */
export function restoreBlockers(tombstone: Tombstone, holder: Cluster | undefined, present: CurrentState): string[] {
  const { environment, references, total } = present;
  const obstacles: string[] = [];
  if (holder !== undefined && !isDeleting(holder)) obstacles.push(slugTakenMessage(holder, "slug"));
  if (environment?.identity !== tombstone.environmentIdentity) {
    obstacles.push(
      `environmentIdentity: the cluster's environment "${tombstone.environment}" was deleted; an environment of the same name is not the same one`,
    );
  }
  const { cloudAccountIdentity: account, maintenanceScheduleIdentity: schedule, version } = tombstone;
  const accountNow = Object.hasOwn(references.accounts, account) ? references.accounts[account] : undefined;
  if (accountNow === undefined)
    obstacles.push(`cloudAccountIdentity: the cloud account "${account}" does not exist any more`);
  else if (!accountNow.enabled) {
    obstacles.push(`cloudAccountIdentity: the cloud account "${accountNow.displayName}" is disabled`);
  }
  if (schedule !== undefined && !Object.hasOwn(references.schedules, schedule)) {
    obstacles.push(`maintenanceScheduleIdentity: the maintenance schedule "${schedule}" does not exist any more`);
  }
  if (!isAvailableVersion(version)) obstacles.push(`version: ${version} is not available any more`);
  if (total !== undefined && totalEntity.read(total).clusters >= MAX_CLUSTERS)
    obstacles.push(ORGANISATION_FULL_MESSAGE);
  return obstacles;
}
