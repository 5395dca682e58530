/** Splits the buckets and chunks of the page index. */

import type { IdGenerator, PageIndexLimits } from "../context.ts";
import type { Deadline } from "../shared/retry.ts";
import type { Table } from "../table/client.ts";
import { indexChunkKey, organisationKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import {
  type Bucket,
  bucketOf,
  buildChunkItem,
  type Chunk,
  keyRange,
  newBucketId,
  readChunk,
  readSlugs,
} from "./page-index.ts";

/** Reads the lower bound of the next chunk, if the environment has one. */
async function nextBound(table: Table, organisation: string, chunk: Chunk): Promise<string | undefined> {
  const first = indexChunkKey(organisation, chunk.environment, "").sk;
  const [, next] = await table.query({
    pk: organisationKey(organisation).pk,
    from: chunk.key.sk,
    // `~` sorts after every character of a separator.
    to: `${first}~`,
    limit: 2,
  });
  return next === undefined ? undefined : readChunk(next).lowerBound;
}

/**
 * Reads the slugs of a bucket's clusters in one round trip. For the last bucket of its chunk, the bound of the next chunk is
 * read in parallel, and slugs from that bound on are left out.
 *
 * A condition on the bucket's version is enough to protect this read. A neighbour that is removed after its bound was read
 * contained no cluster, and the creation of a neighbour changes this bucket's version.
 *
 * @returns undefined if the bucket moved to another chunk since this one was read
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
  // Otherwise the neighbour was removed between the two reads and its clusters look like this bucket's, or the count is wrong.
  return own.length === bucket.n ? own : readSlugs(table, organisation, upTo(next));
}

/**
 * Chooses the separator of a split: the slug nearest to the middle, never between clusters with the same slug.
 *
 * @param slugs slugs in order, one for each cluster
 * @returns undefined if all slugs are the same
 */
export function findMiddleSeparator(slugs: readonly string[]): string | undefined {
  let best: { slug: string; distance: number } | undefined;
  slugs.forEach((slug, position) => {
    if (position === 0 || slugs[position - 1] === slug) return;
    const distance = Math.abs(position - slugs.length / 2);
    if (best === undefined || distance < best.distance) best = { slug, distance };
  });
  return best?.slug;
}

/**
 * Replaces a bucket by others with the same keys, on condition that it is unchanged since its version was read.
 *
 * @param label label of the condition
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
 * Splits a full bucket in the transaction of the new cluster that exceeds its limit, and counts that cluster.
 *
 * @returns false if the bucket moved to another chunk since this one was read: then the transaction cannot continue
 * @param chunk chunk read before this call, strongly consistent, with room for one more bucket
 * @param pending slug of the new cluster
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
  const separator = findMiddleSeparator(slugs);
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
 * Moves the second half of a full chunk's buckets to a new chunk, on condition that none of them changed since the read.
 *
 * @returns false after a concurrent write: then the caller reads again
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
    .create("right", buildChunkItem(organisation, environment, first.bound, moved));
  return (await commit(table, transaction, deadline)).length === 0;
}
