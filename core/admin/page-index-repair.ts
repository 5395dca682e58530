/** Checks and repairs the page index, chunk by chunk, during concurrent writes. For the operator's command. */

import type { Services } from "../context.ts";
import {
  type Bucket,
  buildChunkItem,
  type Chunk,
  keyRange,
  newBucketId,
  readChunkOf,
  readChunks,
  readSlugs,
  removableBuckets,
  removeBuckets,
  unchangedChunk,
} from "../listing/page-index.ts";
import { replaceBucket, splitChunk } from "../listing/page-index-split.ts";
import { type Deadline, deadlineIn } from "../shared/retry.ts";
import { environmentKey, keyText } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import type { Environment } from "../tenancy/environment.ts";

/** Maximum number of scans of a bucket that concurrent writers change. */
const MAX_PASSES = 50;

/** Maximum number of scans in which a chunk looks inconsistent: a concurrent split causes one, at most two. */
const MAX_INCONSISTENT_PASSES = 3;

/** Difference between the page index and the clusters. */
export interface Discrepancy {
  readonly environment: string;
  readonly text: string;
}

/** Wrong part of the index, and the actual clusters. */
interface Finding extends Discrepancy {
  readonly chunk: Chunk | undefined;
  /** Absent if the whole chunk is wrong. */
  readonly bucket?: Bucket;
  /** Slugs of the actual clusters, one for each. */
  readonly slugs: readonly string[];
}

/** Returns the fault of a chunk. Its bounds must ascend from its own lower bound and stay below the next chunk's. */
function inconsistency(chunk: Chunk, next: Chunk | undefined, environment: Environment): string | undefined {
  if (chunk.environmentIdentity !== environment.identity) return "belongs to a deleted environment";
  const bounds = chunk.buckets.map(({ bound }) => bound);
  const isSound =
    bounds[0] === chunk.lowerBound &&
    bounds.every((bound, position) => position === 0 || bound > (bounds[position - 1] ?? "")) &&
    (next === undefined || (bounds.at(-1) ?? "") < next.lowerBound);
  return isSound ? undefined : "has buckets out of order";
}

/** Result of inspecting an environment's part of the index. */
interface Inspection {
  readonly findings: readonly Finding[];
  /** Buckets that concurrent writers changed during every scan. */
  readonly restless: readonly Bucket[];
}

/** Inspects an environment. If it is removed during the inspection, its index is removed too and nothing is wrong. */
async function inspect(services: Services, organisation: string, environment: Environment): Promise<Inspection> {
  const inspection = await scanOnce(services, organisation, environment);
  const key = environmentKey(organisation, environment.slug);
  const present = (await services.table.get([key])).get(keyText(key));
  return present?.identity === environment.identity ? inspection : { findings: [], restless: [] };
}

/** Scans every bucket of an environment until each was counted without a concurrent write. */
async function scanOnce(services: Services, organisation: string, environment: Environment): Promise<Inspection> {
  const { table } = services;
  const findings: Finding[] = [];
  let restless: Bucket[] = [];
  const settled = new Set<string>();
  const whole = (text: string, chunk: Chunk | undefined, slugs: readonly string[]): Inspection => ({
    findings: [{ environment: environment.slug, text, chunk, slugs }],
    restless: [],
  });
  looks: for (let times = 1; times <= MAX_PASSES; times++) {
    const chunks = await readChunks(table, organisation, environment.slug);
    const slugsBetween = (bound: string, next: Chunk | undefined) =>
      readSlugs(table, organisation, keyRange(environment.slug, bound, next?.lowerBound));
    if (chunks[0]?.lowerBound !== "") {
      return whole("the first chunk is missing", undefined, await slugsBetween("", chunks[0]));
    }
    const counted = new Map<string, string[]>();
    for (const [position, chunk] of chunks.entries()) {
      const next = chunks[position + 1];
      const wrong = inconsistency(chunk, next, environment);
      if (wrong !== undefined) {
        if (times <= MAX_INCONSISTENT_PASSES) continue looks;
        return whole(`chunk "${chunk.lowerBound}" ${wrong}`, chunk, await slugsBetween(chunk.lowerBound, next));
      }
      // Count only the remaining buckets again: a shorter scan meets fewer concurrent writes.
      if (chunk.buckets.every(({ id }) => settled.has(id))) continue;
      const slugs = await slugsBetween(chunk.lowerBound, next);
      for (const [at, bucket] of chunk.buckets.entries()) {
        const end = chunk.buckets[at + 1]?.bound;
        counted.set(
          bucket.id,
          slugs.filter((slug) => slug >= bucket.bound && (end === undefined || slug < end)),
        );
      }
    }
    // The counts are valid for the buckets that did not change during the scan.
    const after = await readChunks(table, organisation, environment.slug);
    const before = new Map(chunks.flatMap(({ buckets }) => buckets.map((bucket) => [bucket.id, bucket])));
    restless = [];
    for (const chunk of after) {
      for (const bucket of chunk.buckets) {
        if (settled.has(bucket.id)) continue;
        const slugs = counted.get(bucket.id);
        if (slugs === undefined || before.get(bucket.id)?.v !== bucket.v) {
          restless.push(bucket);
          continue;
        }
        settled.add(bucket.id);
        if (bucket.n !== slugs.length || bucket.n > services.pageIndex.bucket) {
          const text = `bucket "${bucket.bound}" counts ${bucket.n} clusters, but ${slugs.length} exist`;
          findings.push({ environment: environment.slug, text, chunk, bucket, slugs });
        }
      }
    }
    if (restless.length === 0) break;
  }
  return { findings, restless };
}

const busyMessage = (environment: Environment, { bound }: Bucket): Discrepancy => ({
  environment: environment.slug,
  text: `bucket "${bound}" was not compared: it changed during each of ${MAX_PASSES} scans`,
});

/**
 * Compares the page index of an environment with its clusters. A bucket that changes during a scan is scanned again. The result
 * also lists buckets that changed during every scan.
 *
 * @param organisation slug of the organisation
 * @returns an empty list if the environment does not exist any more
 */
export async function checkPageIndex(
  services: Services,
  organisation: string,
  environment: Environment,
): Promise<Discrepancy[]> {
  const { findings, restless } = await inspect(services, organisation, environment);
  return [
    ...findings.map(({ environment: slug, text }) => ({ environment: slug, text })),
    ...restless.map((bucket) => busyMessage(environment, bucket)),
  ];
}

/**
 * Finds parts of the page index whose environment does not exist any more.
 *
 * @param environments environments read before this call; environments that are created or removed since are handled
 */
export async function orphanedChunks(
  services: Services,
  organisation: string,
  environments: readonly Environment[],
): Promise<Chunk[]> {
  const { table } = services;
  const known = new Set(environments.map(({ slug }) => slug));
  const suspects = (await readChunks(table, organisation)).filter(({ environment }) => !known.has(environment));
  if (suspects.length === 0) return [];
  const keyOf = ({ environment }: Chunk) => environmentKey(organisation, environment);
  const made = await table.get(suspects.map(keyOf));
  // Read after the environments: a chunk that still exists existed while its environment did not.
  const left = await table.get(suspects.map(({ key }) => key));
  return suspects.filter(
    (chunk) =>
      !made.has(keyText(keyOf(chunk))) &&
      left.get(keyText(chunk.key))?.environmentIdentity === chunk.environmentIdentity,
  );
}

const newBucket = ({ ids }: Services, bound: string): Bucket => ({
  id: newBucketId(ids.number()),
  bound,
  n: 0,
  v: 0,
});

/** Divides slugs into buckets that are three quarters full, never between clusters with the same slug. */
function splitIntoBuckets(services: Services, bound: string, slugs: readonly string[]): Bucket[] {
  const target = Math.max(1, Math.floor((services.pageIndex.bucket * 3) / 4));
  const buckets = [newBucket(services, bound)];
  slugs.forEach((slug, position) => {
    const last = buckets.at(-1);
    if (last === undefined) return;
    const isNew = position > 0 && slugs[position - 1] !== slug;
    const current = isNew && last.n >= target ? newBucket(services, slug) : last;
    if (current !== last) buckets.push(current);
    buckets[buckets.length - 1] = { ...current, n: current.n + 1 };
  });
  return buckets;
}

/** Repairs one finding. @returns false after a concurrent write; the next inspection finds what is left */
async function repair(
  services: Services,
  organisation: string,
  environment: Environment,
  { chunk, bucket, slugs }: Finding,
): Promise<boolean> {
  if (chunk !== undefined && bucket !== undefined) return splitIntoParts(services, organisation, chunk, bucket, slugs);
  const lowerBound = chunk?.lowerBound ?? "";
  // A bucket that is too full is split after the next inspection.
  const only = { ...newBucket(services, lowerBound), n: slugs.length };
  // Without a chunk nothing can be added there, so what was counted still holds.
  const unchanged = chunk === undefined ? { condition: "attribute_not_exists(#pk)" } : unchangedChunk(chunk);
  const transaction = new Transaction()
    .put("index", buildChunkItem(organisation, environment, lowerBound, [only]), unchanged)
    // A chunk that nobody else would remove must not outlive its environment.
    .check("environment", environmentKey(organisation, environment.slug), {
      condition: "#identity = :identity",
      values: { ":identity": environment.identity },
    });
  return (await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs))).length === 0;
}

/**
 * Replaces a bucket by buckets of the right size, in as many transactions as needed. Each one leaves the clusters that do not fit into it
 * in its last bucket, which the next one splits on condition that its version has not changed. So the slugs are read only once.
 *
 * @param slugs of the bucket's clusters, read after the bucket's version
 * @returns false if another writer interfered
 */
async function splitIntoParts(
  services: Services,
  organisation: string,
  chunk: Chunk,
  bucket: Bucket,
  slugs: readonly string[],
): Promise<boolean> {
  const { table, pageIndex } = services;
  const mostParts = Math.max(2, Math.floor(pageIndex.chunk / 2));
  const all = splitIntoBuckets(services, bucket.bound, slugs);
  let current: Chunk | undefined = chunk;
  let replaced = bucket;
  for (let done = 0; done < all.length; ) {
    const isUnchanged = current?.buckets.some(({ id, v }) => id === replaced.id && v === replaced.v) ?? false;
    if (current === undefined || !isUnchanged) return false;
    const deadline = deadlineIn(services.writeTimeoutMs);
    const rest = all.slice(done);
    const parts = rest.slice(0, mostParts);
    const last = parts.at(-1);
    if (last === undefined) return true;
    const n = rest.slice(parts.length - 1).reduce((sum, part) => sum + part.n, 0);
    parts[parts.length - 1] = { ...last, n };
    if (current.buckets.length - 1 + parts.length > pageIndex.chunk) {
      if (!(await splitChunk(table, organisation, current, deadline))) return false;
    } else {
      const transaction = new Transaction();
      replaceBucket(transaction, "index", current, replaced, parts, pageIndex);
      if ((await commit(table, transaction, deadline)).length > 0) return false;
      if (parts.length === rest.length) return true;
      // The last bucket is split again.
      done += parts.length - 1;
      replaced = { ...last, n };
      all[done] = { ...last, id: newBucket(services, last.bound).id };
    }
    current = await readChunkOf(table, organisation, chunk.environment, replaced.bound);
  }
  return true;
}

/**
 * Repairs the page index of an environment, and removes its empty buckets. Every change is conditional on the counted state,
 * so the server can continue to write.
 *
 * @returns the repaired differences, and buckets that could not be compared because they changed during every scan
 * @throws Error if concurrent writes prevented the repair in every round; AppError unavailable as `commit`
 */
export async function rebuildPageIndex(
  services: Services,
  organisation: string,
  environment: Environment,
): Promise<Discrepancy[]> {
  const mended: Discrepancy[] = [];
  for (let round = 0; round < MAX_PASSES * 10; round++) {
    const { findings, restless } = await inspect(services, organisation, environment);
    if (findings.length === 0) {
      await removeEmptyBuckets(services, organisation, environment.slug, deadlineIn(services.writeTimeoutMs));
      return [...mended, ...restless.map((bucket) => busyMessage(environment, bucket))];
    }
    for (const finding of findings) {
      const { environment: slug, text } = finding;
      if (await repair(services, organisation, environment, finding)) mended.push({ environment: slug, text });
    }
  }
  throw new Error(
    `the page index of environment "${environment.slug}" could not be repaired: too many concurrent writes`,
  );
}

/**
 * Removes every removable empty bucket of an environment, with one write for each chunk. Buckets that change until the deadline
 * stay.
 *
 * @param environment slug of the environment
 * @throws AppError unavailable as `commit`
 */
export async function removeEmptyBuckets(
  services: Services,
  organisation: string,
  environment: string,
  deadline: Deadline,
): Promise<void> {
  const { table } = services;
  for (let missed = true; missed && !deadline.expired(); ) {
    missed = false;
    for (const chunk of await readChunks(table, organisation, environment)) {
      const empty = removableBuckets(chunk);
      if (empty.length === 0) continue;
      const transaction = new Transaction();
      removeBuckets(transaction, "index", chunk, empty);
      if ((await commit(table, transaction, deadline)).length > 0) missed = true;
    }
  }
}

/**
 * Removes parts of the page index whose environment does not exist, on condition that it still does not exist.
 *
 * @param chunks result of `orphanedChunks`
 * @returns the removed chunks
 * @throws AppError unavailable as `commit`
 */
export async function removeOrphanedChunks(
  services: Services,
  organisation: string,
  chunks: readonly Chunk[],
): Promise<Chunk[]> {
  const removed: Chunk[] = [];
  for (const chunk of chunks) {
    const transaction = new Transaction()
      .check("environment", environmentKey(organisation, chunk.environment), { condition: "attribute_not_exists(#pk)" })
      .delete("index", chunk.key);
    const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
    if (failures.length === 0) removed.push(chunk);
  }
  return removed;
}
