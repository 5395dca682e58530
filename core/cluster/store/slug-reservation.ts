/** Reservation of a cluster's slug in an environment, with the bucket of the page index that counts the cluster. */

import type { Context } from "../../context.ts";
import { bucketOf, type Chunk, incrementBucket, readChunkOf } from "../../listing/page-index.ts";
import { splitBucket, splitChunk } from "../../listing/page-index-split.ts";
import type { Deadline } from "../../shared/retry.ts";
import type { RawItem } from "../../table/entity.ts";
import { clusterKey, pointerKey } from "../../table/keys.ts";
import type { Transaction } from "../../table/transaction.ts";
import { type Cluster, clusterEntity } from "../entity.ts";
import { MAX_DELETING_OWNERS, type SlugOwners } from "../rules/slug.ts";
import { clusterItem, supersededClusterItem } from "./items.ts";

/** Location of a slug. */
interface SlugLocation {
  organisation: string;
  environment: string;
  slug: string;
}

/** Context of a slug, read in parallel with its owner. */
export interface SlugContext extends Pick<SlugOwners, "superseded"> {
  /** Part of the page index; undefined if the environment does not exist any more. */
  chunk: Chunk | undefined;
}

/** State of a slug at the time of the read. */
export interface SlugState extends SlugContext, SlugOwners {}

/** Labels of conditions that fail if a slug's state changed since the read. */
export const SLUG_LABELS: readonly string[] = ["cluster", "superseded", "owner", "index"];

/**
 * Combines the state of a slug from the parts of a read.
 *
 * @param owner item at the slug's key
 * @param context undefined if it was not read
 */
export const slugStateOf = (owner: RawItem | undefined, context: SlugContext | undefined): SlugState => ({
  owner: owner && clusterEntity.read(owner),
  superseded: context?.superseded ?? [],
  chunk: context?.chunk,
});

/** Reads the context of a slug. */
export async function readSlugContext(
  context: Context,
  { organisation, environment, slug }: SlugLocation,
): Promise<SlugContext> {
  const { pk, sk } = clusterKey(organisation, environment, slug);
  const [chunk, keys] = await Promise.all([
    readChunkOf(context.table, organisation, environment, slug),
    context.table.query({ pk, prefix: `${sk}#`, keysOnly: true, limit: MAX_DELETING_OWNERS }),
  ]);
  return { chunk, superseded: keys.map((key) => key.sk.slice(sk.length + 1)) };
}

/**
 * Adds the reservation of a free slug to a transaction: the cluster's item, the superseded owner's item, and the count in the page
 * index, with the split of a full bucket.
 *
 * @param chunk chunk of the slug as read
 * @returns false after a concurrent change: then the slug's state must be read again
 */
export async function reserveSlug(
  context: Context,
  transaction: Transaction,
  cluster: Cluster,
  owner: Cluster | undefined,
  chunk: Chunk,
  deadline: Deadline,
): Promise<boolean> {
  const { table, ids, pageIndex } = context;
  const { organisation, slug } = cluster;
  const bucket = bucketOf(chunk, slug);
  const isFull = bucket.n >= pageIndex.bucket;
  if (isFull && chunk.buckets.length >= pageIndex.chunk) {
    await splitChunk(table, organisation, chunk, deadline);
    return false;
  }
  putCluster(transaction, cluster, owner);
  if (isFull) return splitBucket(table, organisation, transaction, "index", chunk, slug, ids, pageIndex);
  incrementBucket(transaction, "index", chunk, bucket, pageIndex);
  return true;
}

/**
 * Puts the cluster at its key, and moves a deleting owner to another key, on condition that the owner is unchanged since the
 * read.
 */
function putCluster(transaction: Transaction, cluster: Cluster, owner: Cluster | undefined): void {
  if (owner === undefined) {
    transaction.create("cluster", clusterItem(cluster));
    return;
  }
  const superseded = supersededClusterItem(owner);
  transaction
    .put("cluster", clusterItem(cluster), {
      condition: "#identity = :owner AND #revision = :revision",
      values: { ":owner": owner.identity, ":revision": owner.revision },
    })
    .create("superseded", superseded)
    .update("owner", pointerKey(owner.identity), "SET #path = :path", {
      condition: "attribute_exists(#pk)",
      values: { ":path": superseded.sk },
    });
}
