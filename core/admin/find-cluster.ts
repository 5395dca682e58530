/** Finding one cluster as an operator names it, whatever became of it. No tenant is checked here. */

import { type Cluster, clusterEntity, type Pointer, tombstoneEntity } from "../cluster/entity.ts";
import type { ClusterPath } from "../cluster/operations/get.ts";
import { readPointer } from "../cluster/store/pointer.ts";
import { poolsOf } from "../cluster/store/tombstone.ts";
import type { Services } from "../context.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { nodePoolsOf } from "../node-pool/items.ts";
import { AppError, notFound } from "../shared/errors.ts";
import { isOrganisationSlug, isSlug } from "../shared/slug.ts";
import { clusterKey, type Key, keyText, organisationKey, tombstonePrefix } from "../table/keys.ts";

/** Which cluster: by its identity, or by where it is or last was. */
export type ClusterRef = { identity: string } | ClusterPath;

/** A cluster with all that is kept of it but its events. */
export interface ClusterRecord {
  pointer: Pointer;
  cluster: Cluster & Key;
  /** Those that are being deleted too; of a deleted cluster only those that were not. */
  pools: readonly NodePool[];
  /** RFC 3339; undefined while the cluster is there. */
  deletedAt: string | undefined;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Finds a cluster, or its tombstone. A path leads to the slug's present holder, and without one to what was deleted there.
 *
 * @returns the pointer as it was before the cluster, and that as it was before its pools
 * @throws AppError missing; conflict where a path leads to several deleted clusters; unavailable where the database cannot be
 *   reached
 */
export async function findCluster(
  services: Pick<Services, "table" | "clock">,
  sought: ClusterRef,
): Promise<ClusterRecord> {
  const identity = "identity" in sought ? sought.identity.toLowerCase() : await identityAt(services, sought);
  const found = UUID.test(identity) ? await followPointer(services, identity) : undefined;
  if (found === undefined) throw notFound("cluster.missing", `There is no cluster of the identity "${identity}".`);
  return found;
}

async function followPointer({ table }: Pick<Services, "table">, identity: string): Promise<ClusterRecord | undefined> {
  for (let before: string | undefined; ; ) {
    const pointer = await readPointer({ table }, identity);
    // Nothing there at the second look either: the tombstone expired before its pointer.
    if (pointer === undefined || pointer.path === before) return undefined;
    const key = { pk: organisationKey(pointer.organisation).pk, sk: pointer.path };
    const item = (await table.get([key])).get(keyText(key));
    if (item?.identity === identity) {
      if (item.entity === tombstoneEntity.name) {
        const tombstone = tombstoneEntity.read(item);
        return { pointer, cluster: tombstone, pools: poolsOf(tombstone), deletedAt: tombstone.deletedAt };
      }
      const cluster = clusterEntity.read(item);
      return { pointer, cluster, pools: await nodePoolsOf(table, identity), deletedAt: undefined };
    }
    // It went elsewhere between the two readings, and the pointer says where.
    before = pointer.path;
  }
}

async function identityAt({ table, clock }: Pick<Services, "table" | "clock">, path: ClusterPath): Promise<string> {
  const { organisation, environment, cluster: slug } = path;
  const isPath = isOrganisationSlug(organisation) && isSlug(environment) && isSlug(slug);
  if (!isPath) throw clusterNotFound(path);
  const key = clusterKey(organisation, environment, slug);
  const holder = (await table.get([key])).get(keyText(key));
  if (holder !== undefined) return clusterEntity.read(holder).identity;
  const stones = await table.query({ pk: key.pk, prefix: tombstonePrefix(environment, slug) });
  const kept = stones.map((stone) => tombstoneEntity.read(stone)).filter(({ ttl }) => ttl > clock().getTime() / 1_000);
  const [only, ...others] = kept;
  if (only === undefined) throw clusterNotFound(path);
  if (others.length === 0) return only.identity;
  throw new AppError("conflict", "cluster.several_deleted", [
    `Several clusters "${slug}" in environment "${environment}" were deleted; say which by its identity:`,
    ...kept.map(({ identity, deletedAt }) => `${identity} was deleted at ${deletedAt}`),
  ]);
}

const clusterNotFound = ({ organisation, environment, cluster }: ClusterPath): AppError =>
  notFound(
    "cluster.missing",
    `There is no cluster "${cluster}" in environment "${environment}" of organisation "${organisation}", nor was one deleted there lately.`,
  );
