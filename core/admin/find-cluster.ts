/** Finds a cluster for an operator, also a moved or deleted one. It does not check the tenant. */

import * as v from "valibot";
import { type Cluster, clusterEntity, type Pointer, tombstoneEntity } from "../cluster/entity.ts";
import type { ClusterPath } from "../cluster/operations/get.ts";
import { readPointer } from "../cluster/store/pointer.ts";
import type { Services } from "../context.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { nodePoolsOf } from "../node-pool/items.ts";
import { AppError, notFound } from "../shared/errors.ts";
import { uuid } from "../shared/schemas.ts";
import { isOrganisationSlug, isSlug } from "../shared/slug.ts";
import { hasTtlExpired } from "../shared/time.ts";
import { clusterKey, type Key, keyText, organisationKey, tombstonePrefix } from "../table/keys.ts";

/** Reference to a cluster: its identity, or its present or last path. */
export type ClusterRef = { identity: string } | ClusterPath;

/** Cluster with its pointer and pools. */
export interface ClusterRecord {
  pointer: Pointer;
  cluster: Cluster & Key;
  /** All pools, including deleting ones; of a deleted cluster only those that were not being deleted. */
  pools: readonly NodePool[];
  /** RFC 3339; undefined for a cluster that is not deleted. */
  deletedAt: string | undefined;
}

/**
 * Finds a cluster or its tombstone. A path refers to the present owner of the slug, or else to the cluster that was deleted there.
 *
 * @returns items read one after the other: the pointer, the cluster, its pools
 * @throws AppError notFound; conflict if several clusters were deleted at a path; unavailable if the database cannot be reached
 */
export async function findCluster(
  services: Pick<Services, "table" | "clock">,
  ref: ClusterRef,
): Promise<ClusterRecord> {
  const identity = "identity" in ref ? ref.identity.toLowerCase() : await identityAt(services, ref);
  const found = v.is(uuid, identity) ? await followPointer(services, identity) : undefined;
  if (found === undefined) throw notFound("cluster.missing", `There is no cluster with the identity "${identity}".`);
  return found;
}

async function followPointer({ table }: Pick<Services, "table">, identity: string): Promise<ClusterRecord | undefined> {
  for (let before: string | undefined; ; ) {
    const pointer = await readPointer({ table }, identity);
    // The same path again has no item: the tombstone expired before its pointer.
    if (pointer === undefined || pointer.path === before) return undefined;
    const key = { pk: organisationKey(pointer.organisation).pk, sk: pointer.path };
    const item = (await table.get([key])).get(keyText(key));
    if (item?.entity === tombstoneEntity.name) {
      const tombstone = tombstoneEntity.read(item);
      return { pointer, cluster: tombstone, pools: tombstone.nodePools, deletedAt: tombstone.deletedAt };
    }
    const cluster = item && clusterEntity.read(item);
    if (cluster?.identity === identity) {
      return { pointer, cluster, pools: await nodePoolsOf(table, identity), deletedAt: undefined };
    }
    // The cluster was moved between the two reads; the pointer has its new path.
    before = pointer.path;
  }
}

async function identityAt({ table, clock }: Pick<Services, "table" | "clock">, path: ClusterPath): Promise<string> {
  const { organisation, environment, cluster: slug } = path;
  const isPath = isOrganisationSlug(organisation) && isSlug(environment) && isSlug(slug);
  if (!isPath) throw clusterNotFound(path);
  const key = clusterKey(organisation, environment, slug);
  const owner = (await table.get([key])).get(keyText(key));
  if (owner !== undefined) return clusterEntity.read(owner).identity;
  const tombstones = await table.query({ pk: key.pk, prefix: tombstonePrefix(environment, slug) });
  const deleted = tombstones
    .map((item) => tombstoneEntity.read(item))
    .filter((tombstone) => !hasTtlExpired(tombstone, clock()));
  const [only, ...others] = deleted;
  if (only === undefined) throw clusterNotFound(path);
  if (others.length === 0) return only.identity;
  throw new AppError("conflict", "cluster.multiple_deleted", [
    `Several clusters "${slug}" in environment "${environment}" were deleted; select one by its identity:`,
    ...deleted.map(({ identity, deletedAt }) => `${identity} was deleted at ${deletedAt}`),
  ]);
}

const clusterNotFound = ({ organisation, environment, cluster }: ClusterPath): AppError =>
  notFound(
    "cluster.missing",
    `There is no cluster "${cluster}" in environment "${environment}" of organisation "${organisation}", and none was deleted there in the last 30 days.`,
  );
