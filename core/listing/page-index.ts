/**
 * The page index: ordered keys of an organisation's clusters cut into buckets that are counted, so that a page number leads
 * to a key. Counts are commutative updates inside the writer's own transaction; structure changes are conditional on the
 * version of the bucket they touch.
 */

import * as v from "valibot";
import type { PageIndexLimits } from "../context.ts";
import type { Table } from "../table/client.ts";
import { defineEntity, type RawItem } from "../table/entity.ts";
import {
  clustersBefore,
  clustersEnd,
  clustersStart,
  INDEX_PREFIX,
  indexChunkKey,
  type Key,
  organisationKey,
} from "../table/keys.ts";
import type { Expression, Transaction } from "../table/transaction.ts";

/** Counted keys from a separator up to the next bucket's. `v` rises with every write, ids are never used again. */
export interface Bucket {
  readonly id: string;
  readonly bound: string;
  readonly n: number;
  readonly v: number;
}

const StoredChunk = v.object({
  environment: v.string(),
  environmentIdentity: v.string(),
  lowerBound: v.string(),
  /** By bucket id. */
  buckets: v.record(v.string(), v.object({ bound: v.string(), n: v.number(), v: v.number() })),
});

/** A chunk of the page index, as it is stored. */
export const chunkEntity = defineEntity("index-chunk", 1, StoredChunk);

/** Some neighbouring buckets of one environment, kept in one item. Its first bucket's bound is its own lower bound. */
export interface Chunk {
  readonly key: Key;
  readonly environment: string;
  readonly environmentIdentity: string;
  readonly lowerBound: string;
  /** In key order, at least one. */
  readonly buckets: readonly Bucket[];
}

const byText = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);

/** Reads a chunk's item. */
export function readChunk(item: RawItem): Chunk {
  const { pk, sk, environment, environmentIdentity, lowerBound, buckets } = chunkEntity.read(item);
  const ordered = Object.entries(buckets)
    .map(([id, bucket]) => ({ id, ...bucket }))
    .sort((one, other) => byText(one.bound, other.bound));
  return { key: { pk, sk }, environment, environmentIdentity, lowerBound, buckets: ordered };
}

/** Makes the item of a chunk. @param buckets at least one; the first one's bound is the chunk's */
export function chunkItem(
  organisation: string,
  environment: { slug: string; identity: string },
  lowerBound: string,
  buckets: readonly Bucket[],
): RawItem {
  return chunkEntity.write(indexChunkKey(organisation, environment.slug, lowerBound), {
    environment: environment.slug,
    environmentIdentity: environment.identity,
    lowerBound,
    buckets: bucketsById(buckets),
  });
}

const bucketsById = (buckets: readonly Bucket[]) =>
  Object.fromEntries(buckets.map(({ id, bound, n, v }) => [id, { bound, n, v }]));

/** Names a new bucket; 48 random bits among at most some thousands never meet. */
export const newBucketId = (number: number): string => (number % 2 ** 48).toString(36);

/** The first chunk of a new environment: one empty bucket that begins before every slug. */
export const firstChunk = (organisation: string, environment: { slug: string; identity: string }, id: string) =>
  chunkItem(organisation, environment, "", [{ id, bound: "", n: 0, v: 0 }]);

/**
 * Reads all chunks of an organisation, or of one environment, in key order.
 *
 * @param environment a slug; absent for all
 */
export async function readChunks(table: Table, organisation: string, environment?: string): Promise<Chunk[]> {
  const prefix = environment === undefined ? INDEX_PREFIX : indexChunkKey(organisation, environment, "").sk;
  const items = await table.query({ pk: organisationKey(organisation).pk, prefix });
  return items.map(readChunk);
}

/** Reads the chunk that a slug belongs to. Undefined where the environment has none: then the environment is gone. */
export async function readChunkOf(
  table: Table,
  organisation: string,
  environment: string,
  slug: string,
): Promise<Chunk | undefined> {
  const [item] = await table.query({
    pk: organisationKey(organisation).pk,
    from: indexChunkKey(organisation, environment, "").sk,
    to: indexChunkKey(organisation, environment, slug).sk,
    backward: true,
    limit: 1,
  });
  return item === undefined ? undefined : readChunk(item);
}

/** The bucket a slug belongs to. */
export function bucketOf(chunk: Chunk, slug: string): Bucket {
  const bucket = chunk.buckets.findLast(({ bound }) => bound <= slug);
  if (bucket === undefined) throw new Error(`${chunk.key.pk} ${chunk.key.sk} has no bucket for its own lower bound`);
  return bucket;
}

/**
 * Counts one more cluster. The condition fails when the bucket is full, was split, or moved to another chunk: then the
 * caller reads again.
 *
 * @param label by which the failure is recognised
 */
export function incrementBucket(
  transaction: Transaction,
  label: string,
  chunk: Chunk,
  bucket: Bucket,
  limits: PageIndexLimits,
): void {
  transaction.update(
    label,
    chunk.key,
    "SET #buckets.#id.#n = #buckets.#id.#n + :one, #buckets.#id.#v = #buckets.#id.#v + :one",
    {
      condition: "attribute_exists(#buckets.#id) AND #buckets.#id.#n < :most",
      names: { "#id": bucket.id },
      values: { ":one": 1, ":most": limits.bucket },
    },
  );
}

/**
 * Counts one cluster less. When it was the last of its bucket, the bucket goes with it, where it may.
 *
 * The condition fails when the bucket was split or moved, or one that goes was written in: then the caller reads again.
 *
 * @param label by which the failure is recognised
 */
export function decrementBucket(transaction: Transaction, label: string, chunk: Chunk, bucket: Bucket): void {
  const buckets = chunk.buckets.map((each) => (each.id === bucket.id ? { ...each, n: each.n - 1 } : each));
  const empty = removableBuckets({ ...chunk, buckets });
  if (empty.some(({ id }) => id === bucket.id)) {
    removeBuckets(transaction, label, chunk, empty);
    return;
  }
  transaction.update(
    label,
    chunk.key,
    "SET #buckets.#id.#n = #buckets.#id.#n - :one, #buckets.#id.#v = #buckets.#id.#v + :one",
    {
      condition: "attribute_exists(#buckets.#id) AND #buckets.#id.#n > :none",
      names: { "#id": bucket.id },
      values: { ":one": 1, ":none": 0 },
    },
  );
}

/**
 * The empty buckets of a chunk that may go. Its first one stays while others follow it, for the chunk is found by its bound,
 * and goes with the chunk when all are empty; an environment's first chunk stays.
 */
export function removableBuckets({ buckets, lowerBound }: Chunk): Bucket[] {
  const empty = buckets.filter(({ n }) => n === 0);
  const isWhole = lowerBound !== "" && empty.length === buckets.length;
  return isWhole ? empty : empty.filter(({ bound }) => bound !== lowerBound);
}

/**
 * Takes buckets away, and with all of them the chunk, on condition that nobody wrote in them since they were read. The
 * bucket before them then reaches further.
 *
 * @param label by which the failed condition is recognised
 * @param gone from `removableBuckets`, at least one
 */
export function removeBuckets(transaction: Transaction, label: string, chunk: Chunk, gone: readonly Bucket[]): void {
  const paths = gone.map((_, position) => `#buckets.#b${position}`);
  const expression = {
    condition: paths.map((path, position) => `${path}.#v = :v${position}`).join(" AND "),
    names: Object.fromEntries(gone.map(({ id }, position) => [`#b${position}`, id])),
    values: Object.fromEntries(gone.map(({ v }, position) => [`:v${position}`, v])),
  };
  // Another bucket comes only from a split of one that is there, so all of those that were read are all there are.
  if (gone.length === chunk.buckets.length) transaction.delete(label, chunk.key, expression);
  else transaction.update(label, chunk.key, `REMOVE ${paths.join(", ")}`, expression);
}

/** The condition that a chunk is as it was read. */
export const unchangedChunk = ({ buckets }: Chunk): Expression & { condition: string } => ({
  condition: "#buckets = :buckets",
  values: { ":buckets": bucketsById(buckets) },
});

/** The slug in a cluster's sort key, present holder's or displaced one's. */
export function slugOfKey(sk: string): string {
  const [, , slug = ""] = sk.split("#");
  return slug;
}

/** Where a bucket's sort keys begin and end, both inclusive. */
export interface KeyRange {
  readonly from: string;
  readonly to: string;
}

/** The sort keys between two separators. @param next the next bucket's bound; undefined for the last of an environment */
export const keyRange = (environment: string, bound: string, next: string | undefined): KeyRange => ({
  from: clustersStart(environment, bound),
  to: next === undefined ? clustersEnd(environment) : clustersBefore(environment, next),
});

/**
 * Reads the slugs of a bucket's clusters, one for each cluster, in key order.
 *
 * @param span from `keyRange`
 * @param limit stop after this many; absent reads all
 */
export async function readSlugs(table: Table, organisation: string, span: KeyRange, limit?: number): Promise<string[]> {
  const { pk } = organisationKey(organisation);
  const items = await table.query({ pk, ...span, keysOnly: true, ...(limit === undefined ? {} : { limit }) });
  return items.map(({ sk }) => slugOfKey(sk));
}
