/** Checks and repairs the page index, chunk by chunk, during concurrent writes. For the operator's command. */

import type { Services } from "../context.ts";
import {
  type Bucket,
  buildChunkItem,
  type Chunk,
  newBucketId,
  readChunkOf,
  readChunks,
  removableBuckets,
  removeBuckets,
  unchangedChunk,
} from "../listing/page-index.ts";
import { replaceBucket, splitChunk } from "../listing/page-index-split.ts";
import { type Deadline, deadlineIn } from "../shared/retry.ts";
import { environmentKey, keyText } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import type { Environment } from "../tenancy/environment.ts";
import { busyMessage, type Discrepancy, type Finding, inspect, MAX_PASSES } from "./page-index-inspection.ts";

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
  const { findings, busy } = await inspect(services, organisation, environment);
  return [
    ...findings.map(({ environment: slug, text }) => ({ environment: slug, text })),
    ...busy.map((bucket) => busyMessage(environment, bucket)),
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

/** Repairs one finding. @returns false after a concurrent write; the next inspection finds the rest */
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
  // Without a chunk no cluster can be added there, so the read slugs are still complete.
  const unchanged = chunk === undefined ? { condition: "attribute_not_exists(#pk)" } : unchangedChunk(chunk);
  const transaction = new Transaction()
    .put("index", buildChunkItem(organisation, environment, lowerBound, [only]), unchanged)
    // A chunk must not outlive its environment, because only the removal of the environment removes it.
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
  const repaired: Discrepancy[] = [];
  for (let round = 0; round < MAX_PASSES * 10; round++) {
    const { findings, busy } = await inspect(services, organisation, environment);
    if (findings.length === 0) {
      await removeEmptyBuckets(services, organisation, environment.slug, deadlineIn(services.writeTimeoutMs));
      return [...repaired, ...busy.map((bucket) => busyMessage(environment, bucket))];
    }
    for (const finding of findings) {
      const { environment: slug, text } = finding;
      if (await repair(services, organisation, environment, finding)) repaired.push({ environment: slug, text });
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
