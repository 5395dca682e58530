/** A cluster's place: the slug it holds in an environment, and the bucket of the page index it is counted in. */

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

/** At most this many deleting clusters of one slug. */
const MAX_DELETING_OWNERS = 32;

/** How long a client may wait for a deletion to finish, in seconds. */
export const DELETION_SECONDS = 30;

/** Where a place is. */
export interface SlugLocation {
  organisation: string;
  environment: string;
  slug: string;
}

/** What is known of a place beside its holder, read while the holder is. */
export interface SlugContext {
  /** Identities of deleting clusters that were displaced from the slug and are not gone yet. */
  superseded: readonly string[];
  /** The part of the page index; undefined where the environment is gone. */
  chunk: Chunk | undefined;
}

/** A place as it was read. */
export interface SlugState extends SlugContext {
  owner: Cluster | undefined;
}

/** Labels of conditions whose failure means that a place is not any more as it was read. */
export const SLUG_LABELS: readonly string[] = ["cluster", "displaced", "holder", "index"];

/** Reads what lies around a place. */
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
 * Refuses a place that cannot be taken: its slug is held by a cluster that is not deleting, or too many are being deleted.
 *
 * @param path of the property that named it
 * @throws AppError conflict
 */
export function requireAvailable({ owner, superseded }: SlugState, path: string): void {
  if (owner === undefined) return;
  if (!isDeleting(owner)) throw slugTaken(owner, path);
  if (superseded.length >= MAX_DELETING_OWNERS) {
    throw conflict(
      "cluster.too_many_deleting",
      `${path}: ${MAX_DELETING_OWNERS} clusters with the slug "${owner.slug}" are still being deleted; wait for one to go`,
      DELETION_SECONDS,
    );
  }
}

const slugTaken = (holder: Cluster, path: string): AppError =>
  conflict("cluster.slug_held", slugTakenMessage(holder, path));

/**
 * Adds to a transaction what puts a cluster at a free place: its item, the displaced holder's, and the count of the page
 * index with the split of a full bucket.
 *
 * @param chunk of the place as it was read
 * @returns whether the transaction can go ahead; false where the place was read before a change and has to be read again
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

/** Puts the cluster at its path; a deleting holder makes room, on condition that it still is the one that was read. */
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
