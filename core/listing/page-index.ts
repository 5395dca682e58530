/**
 * Page index: the ordered keys of an organisation's clusters, divided into buckets with counts, which map a page number to a key.
 * Counts are commutative updates in the transaction of the writer. Changes of the structure are conditional on the version of the
 * buckets that they change.
 */

import * as v from "valibot";
import type { PageIndexLimits } from "../context.ts";
import { compareText } from "../shared/order.ts";
import type { Table } from "../table/client.ts";
import { defineEntity, type RawItem } from "../table/entity.ts";
import {
  clusterSlugOf,
  clustersBefore,
  clustersEnd,
  clustersStart,
  INDEX_PREFIX,
  indexChunkKey,
  type Key,
  organisationKey,
} from "../table/keys.ts";
import type { Expression, Transaction } from "../table/transaction.ts";

/** Bucket of counted keys, from its separator to the next bucket's. `v` rises with every write; ids are never reused. */
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
  /** Buckets by id. */
  buckets: v.record(v.string(), v.object({ bound: v.string(), n: v.number(), v: v.number() })),
});

/** Entity of a chunk of the page index. */
export const chunkEntity = defineEntity("index-chunk", 1, StoredChunk);

/** Chunk: adjacent buckets of one environment in one item. The bound of its first bucket is its own lower bound. */
export interface Chunk {
  readonly key: Key;
  readonly environment: string;
  readonly environmentIdentity: string;
  readonly lowerBound: string;
  /** In key order, at least one. */
  readonly buckets: readonly Bucket[];
}

/** Reads the item of a chunk. */
export function readChunk(item: RawItem): Chunk {
  const { pk, sk, environment, environmentIdentity, lowerBound, buckets } = chunkEntity.read(item);
  const ordered = Object.entries(buckets)
    .map(([id, bucket]) => ({ id, ...bucket }))
    .sort((one, other) => compareText(one.bound, other.bound));
  return { key: { pk, sk }, environment, environmentIdentity, lowerBound, buckets: ordered };
}

/** Builds the item of a chunk. @param buckets at least one; the bound of the first is the chunk's */
export function buildChunkItem(
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

/** Builds the id of a new bucket: 48 random bits do not collide among some thousand buckets. */
export const newBucketId = (number: number): string => (number % 2 ** 48).toString(36);

/** Builds the first chunk of a new environment: one empty bucket that begins before every slug. */
export const buildFirstChunk = (organisation: string, environment: { slug: string; identity: string }, id: string) =>
  buildChunkItem(organisation, environment, "", [{ id, bound: "", n: 0, v: 0 }]);

/**
 * Reads all chunks of an organisation, or of one environment, in key order.
 *
 * @param environment slug of an environment; absent for all
 */
export async function readChunks(table: Table, organisation: string, environment?: string): Promise<Chunk[]> {
  const prefix = environment === undefined ? INDEX_PREFIX : indexChunkKey(organisation, environment, "").sk;
  const items = await table.query({ pk: organisationKey(organisation).pk, prefix });
  return items.map(readChunk);
}

/** Reads the chunk of a slug. @returns undefined if the environment has no chunks: then it does not exist any more */
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

/** Returns a chunk of an environment that exists. @throws Error if there is none */
export function requireChunk(chunk: Chunk | undefined, environment: string): Chunk {
  if (chunk === undefined) throw new Error(`environment "${environment}" has no page index`);
  return chunk;
}

/** Returns the bucket of a slug. */
export function bucketOf(chunk: Chunk, slug: string): Bucket {
  const bucket = chunk.buckets.findLast(({ bound }) => bound <= slug);
  if (bucket === undefined) throw new Error(`${chunk.key.pk} ${chunk.key.sk} has no bucket for its own lower bound`);
  return bucket;
}

/**
 * Counts one more cluster. The condition fails if the bucket is full, was split, or moved to another chunk: then the caller reads
 * again.
 *
 * @param label label of the condition
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
 * Counts one cluster less. Also removes its bucket if that becomes empty and is removable.
 *
 * The condition fails if the bucket was split or moved, or a bucket to remove was written: then the caller reads again.
 *
 * @param label label of the condition
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
 * Returns the removable empty buckets of a chunk. Its first bucket stays while others follow it, because the chunk is found
 * by its bound, and is removed with the chunk if all are empty. The first chunk of an environment stays.
 */
export function removableBuckets({ buckets, lowerBound }: Chunk): Bucket[] {
  const empty = buckets.filter(({ n }) => n === 0);
  const isWhole = lowerBound !== "" && empty.length === buckets.length;
  return isWhole ? empty : empty.filter(({ bound }) => bound !== lowerBound);
}

/**
 * Removes buckets, and the chunk if these are all its buckets, on condition that they are unchanged since the read. The range of
 * the bucket before them then extends to the next bucket.
 *
 * @param label label of the condition
 * @param removed result of `removableBuckets`, at least one
 */
export function removeBuckets(transaction: Transaction, label: string, chunk: Chunk, removed: readonly Bucket[]): void {
  const paths = removed.map((_, position) => `#buckets.#b${position}`);
  const expression = {
    condition: paths.map((path, position) => `${path}.#v = :v${position}`).join(" AND "),
    names: Object.fromEntries(removed.map(({ id }, position) => [`#b${position}`, id])),
    values: Object.fromEntries(removed.map(({ v }, position) => [`:v${position}`, v])),
  };
  // A new bucket comes only from the split of an existing one, so the condition also excludes new buckets.
  if (removed.length === chunk.buckets.length) transaction.delete(label, chunk.key, expression);
  else transaction.update(label, chunk.key, `REMOVE ${paths.join(", ")}`, expression);
}

/** Builds the condition that a chunk is unchanged since the read. */
export const unchangedChunk = ({ buckets }: Chunk): Expression & { condition: string } => ({
  condition: "#buckets = :buckets",
  values: { ":buckets": bucketsById(buckets) },
});

/** Range of a bucket's sort keys, both ends inclusive. */
export interface KeyRange {
  readonly from: string;
  readonly to: string;
}

/** Builds the range between two separators. @param next bound of the next bucket; undefined for the last of an environment */
export const keyRange = (environment: string, bound: string, next: string | undefined): KeyRange => ({
  from: clustersStart(environment, bound),
  to: next === undefined ? clustersEnd(environment) : clustersBefore(environment, next),
});

/**
 * Reads the slugs of a bucket's clusters, one for each cluster, in key order.
 *
 * @param span result of `keyRange`
 * @param limit maximum number of slugs; absent for all
 */
export async function readSlugs(table: Table, organisation: string, span: KeyRange, limit?: number): Promise<string[]> {
  const { pk } = organisationKey(organisation);
  const items = await table.query({ pk, ...span, keysOnly: true, ...(limit === undefined ? {} : { limit }) });
  return items.map(({ sk }) => clusterSlugOf(sk));
}
