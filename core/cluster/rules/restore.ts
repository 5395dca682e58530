/** Rules that prevent the restoration of a deleted cluster. Pure functions. */

import { isAvailableVersion, providerBySlug, regionOf } from "../../catalogue/index.ts";
import type { ProvisionerTraits } from "../../context.ts";
import type { RawItem } from "../../table/entity.ts";
import type { Key } from "../../table/keys.ts";
import type { Environment } from "../../tenancy/environment.ts";
import { MAX_CLUSTERS, ORGANISATION_FULL_MESSAGE, totalEntity } from "../../tenancy/organisation.ts";
import type { References } from "../../tenancy/references-entity.ts";
import type { Cluster, Tombstone } from "../entity.ts";
import { initialConditions } from "./conditions.ts";
import { clusterNeedsCredentials } from "./credentials.ts";
import { slugTakenMessage } from "./slug.ts";
import { isDeleting } from "./transitions.ts";
import { restoreProblems } from "./unsupported.ts";

/** Current state of the tenant. */
interface CurrentState {
  environment: Environment | undefined;
  references: References;
  provisioner: ProvisionerTraits;
  /** Counters of the organisation. */
  total: RawItem | undefined;
}

/**
 * Finds everything that a cluster needs and that is missing or taken.
 *
 * @param owner cluster that owns the slug now
 * @returns one message for each, with the property first, if there is one
 */
export function restoreBlockers(tombstone: Tombstone, owner: Cluster | undefined, present: CurrentState): string[] {
  const { environment, references, provisioner, total } = present;
  const blockers: string[] = [];
  if (owner !== undefined && !isDeleting(owner)) blockers.push(slugTakenMessage(owner, "slug"));
  if (environment?.identity !== tombstone.environmentIdentity) {
    blockers.push(
      `environmentIdentity: the cluster's environment "${tombstone.environment}" was deleted; an environment of the same name is not the same one`,
    );
  }
  const { cloudAccountIdentity: account, maintenanceScheduleIdentity: schedule, version, region } = tombstone;
  const accountNow = Object.hasOwn(references.accounts, account) ? references.accounts[account] : undefined;
  if (accountNow === undefined)
    blockers.push(`cloudAccountIdentity: the cloud account "${account}" does not exist any more`);
  else if (!accountNow.enabled) {
    blockers.push(`cloudAccountIdentity: the cloud account "${accountNow.displayName}" is disabled`);
  } else if (
    accountNow.primaryCloudCredentialsIdentity === undefined &&
    clusterNeedsCredentials(provisioner, tombstone)
  ) {
    blockers.push(`cloudAccountIdentity: the cloud account "${accountNow.displayName}" has no primary credentials`);
  }
  if (schedule !== undefined && !Object.hasOwn(references.schedules, schedule)) {
    blockers.push(`maintenanceScheduleIdentity: the maintenance schedule "${schedule}" does not exist any more`);
  }
  // The cluster is built again, as a new one.
  const provider = providerBySlug(tombstone.cloudProvider);
  if (provider?.available !== true)
    blockers.push(`cloudProvider: ${tombstone.cloudProvider} is not available any more`);
  else if (regionOf(provider, region)?.available !== true) blockers.push(`region: ${region} is not available any more`);
  if (!isAvailableVersion(version)) blockers.push(`version: ${version} is not available any more`);
  for (const { path, message } of restoreProblems(tombstone, references, provisioner)) {
    if (!blockers.some((each) => each.startsWith(`${path}:`))) blockers.push(`${path}: ${message}`);
  }
  if (total !== undefined && totalEntity.read(total).clusters >= MAX_CLUSTERS) blockers.push(ORGANISATION_FULL_MESSAGE);
  return blockers;
}

/**
 * Builds the cluster as last requested, to be provisioned from the beginning.
 *
 * @param owner deleting cluster that owns the slug now
 * @param mutationId id of the change
 * @param now RFC 3339
 */
export function restoredCluster(
  tombstone: Tombstone & Key,
  owner: Cluster | undefined,
  mutationId: string,
  now: string,
): Cluster {
  // No control plane runs. It will be provisioned with the last requested version.
  const {
    nodePools: _,
    deletedAt: _deletedAt,
    ttl: _ttl,
    pk: _pk,
    sk: _sk,
    rollbackVersion: _back,
    runningVersion: _running,
    plannedVersion: _planned,
    ...settings
  } = tombstone;
  const generation = tombstone.generation + 1;
  return {
    ...settings,
    status: "new",
    desiredStatus: "starting",
    provisionStatus: "ACCEPTED",
    furthestPhase: "ACCEPTED",
    conditions: initialConditions(now, generation),
    generation,
    // Above the revisions of both clusters that had the slug, so that no two have the same entity tag.
    revision: Math.max(tombstone.revision, owner?.revision ?? 0) + 1,
    modifiedAt: now,
    writtenBy: mutationId,
  };
}
