/** Splitting the buckets and chunks of the page index. */

import type { IdGenerator, PageIndexLimits } from "../context.ts";
import type { Deadline } from "../shared/retry.ts";
import type { Table } from "../table/client.ts";
import { indexChunkKey, organisationKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import {
  type Bucket,
  bucketOf,
  type Chunk,
  chunkItem,
  keyRange,
  newBucketId,
  readChunk,
  readSlugs,
} from "./page-index.ts";

/** The lower bound of the chunk after this one, where the environment has one. */
async function nextBound(table: Table, organisation: string, chunk: Chunk): Promise<string | undefined> {
  const first = indexChunkKey(organisation, chunk.environment, "").sk;
  const [, next] = await table.query({
    pk: organisationKey(organisation).pk,
    from: chunk.key.sk,
    // `~` follows everything that a separator is made of.
    to: `${first}~`,
    limit: 2,
  });
  return next === undefined ? undefined : readChunk(next).lowerBound;
}

/**
 * Reads the slugs of a bucket's clusters in one wait. Where the bucket is the last of its chunk, the next chunk's bound is
 * read beside them, and what lies past it is left out.
 *
 * A neighbour that is removed after its bound was read left no cluster, and one that is made meanwhile takes this bucket's own
 * version with it, so a condition on the version is enough for what is read here.
 *
 * @returns undefined where the bucket moved to another chunk since this one was read
 */
async function readBucketSlugs(
  table: Table,
  organisation: string,
  chunk: Chunk,
  bucket: Bucket,
): Promise<string[] | undefined> {
  const following = chunk.buckets[chunk.buckets.findIndex(({ id }) => id === bucket.id) + 1];
  const upTo = (bound: string | undefined) => keyRange(chunk.environment, bucket.bound, bound);
  if (following !== undefined) return readSlugs(table, organisation, upTo(following.bound));
  const [next, slugs] = await Promise.all([
    nextBound(table, organisation, chunk),
    readSlugs(table, organisation, upTo(undefined), 2 * bucket.n + 1),
  ]);
  if (next !== undefined && next <= bucket.bound) return undefined;
  const own = next === undefined ? slugs : slugs.filter((slug) => slug < next);
  // Else the neighbour went between the two reads and its clusters look like this bucket's, or the count is wrong.
  return own.length === bucket.n ? own : readSlugs(table, organisation, upTo(next));
}

/**
 * Chooses where to cut: the slug whose cut comes nearest to the middle, never between clusters of one slug.
 *
 * @param slugs in order, one for each cluster
 * @returns undefined where they are all the same
 */
export function shortestSeparator(slugs: readonly string[]): string | undefined {
  let best: { slug: string; distance: number } | undefined;
  slugs.forEach((slug, position) => {
    if (position === 0 || slugs[position - 1] === slug) return;
    const distance = Math.abs(position - slugs.length / 2);
    if (best === undefined || distance < best.distance) best = { slug, distance };
  });
  return best?.slug;
}

/**
 * Replaces a bucket by others that hold the same keys, on condition that nobody wrote in it since its version was read.
 *
 * @param label by which the failed condition is recognised
 */
export function replaceBucket(
  transaction: Transaction,
  label: string,
  chunk: Chunk,
  bucket: Bucket,
  by: readonly Bucket[],
  limits: PageIndexLimits,
): void {
  const names: Record<string, string> = { "#old": bucket.id };
  const values: Record<string, unknown> = { ":v": bucket.v, ":most": limits.chunk - by.length + 1 };
  const sets = by.map(({ id, bound, n, v }, position) => {
    names[`#new${position}`] = id;
    values[`:new${position}`] = { bound, n, v };
    return `#buckets.#new${position} = :new${position}`;
  });
  transaction.update(label, chunk.key, `REMOVE #buckets.#old SET ${sets.join(", ")}`, {
    condition: "#buckets.#old.#v = :v AND size(#buckets) <= :most",
    names,
    values,
  });
}

/**
 * Splits a full bucket in the transaction of the cluster that does not fit into it any more, which is counted too.
 *
 * @returns whether the transaction can go ahead; false where the bucket moved to another chunk since this one was read
 * @param chunk read before this call, strongly consistent; it has room for one bucket more
 * @param pending the new cluster's slug
 */
export async function splitBucket(
  table: Table,
  organisation: string,
  transaction: Transaction,
  label: string,
  chunk: Chunk,
  pending: string,
  draw: IdGenerator,
  limits: PageIndexLimits,
): Promise<boolean> {
  const bucket = bucketOf(chunk, pending);
  const slugs = await readBucketSlugs(table, organisation, chunk, bucket);
  if (slugs === undefined) return false;
  const after = slugs.findIndex((slug) => slug > pending);
  slugs.splice(after === -1 ? slugs.length : after, 0, pending);
  const separator = shortestSeparator(slugs);
  if (separator === undefined) throw new Error(`${slugs.length} clusters share the slug ${pending}`);
  const left = slugs.filter((slug) => slug < separator).length;
  const halves = [
    { id: newBucketId(draw.number()), bound: bucket.bound, n: left, v: 0 },
    { id: newBucketId(draw.number()), bound: separator, n: slugs.length - left, v: 0 },
  ];
  replaceBucket(transaction, label, chunk, bucket, halves, limits);
  return true;
}

/**
 * Moves the later half of a full chunk's buckets to a chunk of their own, on condition that none of them was written since.
 *
 * @returns whether it was done; otherwise somebody wrote meanwhile, and the caller reads again
 * @throws AppError unavailable as `commit`
 */
export async function splitChunk(
  table: Table,
  organisation: string,
  chunk: Chunk,
  deadline: Deadline,
): Promise<boolean> {
  const moved = chunk.buckets.slice(Math.ceil(chunk.buckets.length / 2));
  const [first] = moved;
  if (first === undefined) throw new Error(`${chunk.key.sk} has too few buckets to be split`);
  const names: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  moved.forEach(({ id, v }, position) => {
    names[`#m${position}`] = id;
    values[`:v${position}`] = v;
  });
  const environment = { slug: chunk.environment, identity: chunk.environmentIdentity };
  const transaction = new Transaction()
    .update("left", chunk.key, `REMOVE ${moved.map((_, position) => `#buckets.#m${position}`).join(", ")}`, {
      condition: moved.map((_, position) => `#buckets.#m${position}.#v = :v${position}`).join(" AND "),
      names,
      values,
    })
    .create("right", chunkItem(organisation, environment, first.bound, moved));
  return (await commit(table, transaction, deadline)).length === 0;
}
