/** Reservation of a cluster's slug in an environment, with the bucket of the page index that counts the cluster. */

import type { Context } from "../../context.ts";
import { bucketOf, type Chunk, incrementBucket, readChunkOf } from "../../listing/page-index.ts";
import { splitBucket, splitChunk } from "../../listing/page-index-split.ts";
import { type AppError, conflict } from "../../shared/errors.ts";
import type { Deadline } from "../../shared/retry.ts";
import { clusterKey, pointerKey } from "../../table/keys.ts";
import type { Transaction } from "../../table/transaction.ts";
import type { Cluster } from "../entity.ts";
import { slugTakenMessage } from "../rules/slug-taken.ts";
import { isDeleting } from "../rules/transitions.ts";
import { clusterItem, supersededClusterItem } from "./items.ts";

/** Maximum number of deleting clusters with the same slug. */
const MAX_DELETING_OWNERS = 32;

/** Delay before a client retries while a deletion finishes, in seconds. */
export const DELETION_SECONDS = 30;

/** Location of a slug. */
export interface SlugLocation {
  organisation: string;
  environment: string;
  slug: string;
}

/** Context of a slug, read in parallel with its owner. */
export interface SlugContext {
  /** Identities of deleting clusters that were displaced from the slug and still exist. */
  superseded: readonly string[];
  /** Part of the page index; undefined if the environment does not exist any more. */
  chunk: Chunk | undefined;
}

/** State of a slug at the time of the read. */
export interface SlugState extends SlugContext {
  owner: Cluster | undefined;
}

/** Labels of conditions that fail if a slug's state changed since the read. */
export const SLUG_LABELS: readonly string[] = ["cluster", "displaced", "holder", "index"];

/** Reads the context of a slug. */
export async function readSlugContext(
  context: Context,
  { organisation, environment, slug }: SlugLocation,
): Promise<SlugContext> {
  const { pk, sk } = clusterKey(organisation, environment, slug);
  const [chunk, displaced] = await Promise.all([
    readChunkOf(context.table, organisation, environment, slug),
    context.table.query({ pk, prefix: `${sk}#`, keysOnly: true, limit: MAX_DELETING_OWNERS }),
  ]);
  return { chunk, superseded: displaced.map((key) => key.sk.slice(sk.length + 1)) };
}

/**
 * Refuses a slug that a cluster that is not deleting owns, or that too many deleting clusters have.
 *
 * @param path path of the property with the slug
 * @throws AppError conflict
 */
export function requireAvailable({ owner, superseded }: SlugState, path: string): void {
  if (owner === undefined) return;
  if (!isDeleting(owner)) throw slugTaken(owner, path);
  if (superseded.length >= MAX_DELETING_OWNERS) {
    throw conflict(
      "cluster.too_many_deleting",
      `${path}: ${MAX_DELETING_OWNERS} clusters with the slug "${owner.slug}" are still being deleted; wait until one is deleted`,
      DELETION_SECONDS,
    );
  }
}

const slugTaken = (holder: Cluster, path: string): AppError =>
  conflict("cluster.slug_held", slugTakenMessage(holder, path));

/**
 * Adds the reservation of a free slug to a transaction: the cluster's item, the displaced owner's item, and the count in the page
 * index, with the split of a full bucket.
 *
 * @param chunk chunk of the slug as read
 * @returns false after a concurrent change: then the slug's state must be read again
 */
export async function reserveSlug(
  context: Context,
  transaction: Transaction,
  cluster: Cluster,
  holder: Cluster | undefined,
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
  putCluster(transaction, cluster, holder);
  if (isFull) return splitBucket(table, organisation, transaction, "index", chunk, slug, ids, pageIndex);
  incrementBucket(transaction, "index", chunk, bucket, pageIndex);
  return true;
}

/**
 * Puts the cluster at its key, and moves a deleting owner to another key, on condition that the owner is unchanged since the
 * read.
 */
function putCluster(transaction: Transaction, cluster: Cluster, holder: Cluster | undefined): void {
  if (holder === undefined) {
    transaction.create("cluster", clusterItem(cluster));
    return;
  }
  const displaced = supersededClusterItem(holder);
  transaction
    .put("cluster", clusterItem(cluster), {
      condition: "#identity = :holder AND #revision = :revision",
      values: { ":holder": holder.identity, ":revision": holder.revision },
    })
    .create("displaced", displaced)
    .update("holder", pointerKey(holder.identity), "SET #path = :path", {
      condition: "attribute_exists(#pk)",
      values: { ":path": displaced.sk },
    });
}
