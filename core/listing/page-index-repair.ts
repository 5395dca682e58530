/** Checking and mending the page index, chunk by chunk, while others write. For the operator's command. */

import type { Services } from "../context.ts";
import type { Environment } from "../environment/schema.ts";
import { environmentKey } from "../table/keys.ts";
import { type Deadline, deadlineIn } from "../table/pause.ts";
import { commit, Transaction } from "../table/transact.ts";
import { type Bucket, type Chunk, chunkItem, newBucketId, readChunks, slugsIn, spanOf } from "./page-index.ts";
import { removeEmptyBucket, replaceBucket, splitChunk } from "./page-index-structure.ts";

/** How often a place is looked at again because somebody wrote there meanwhile. */
const LOOKS = 50;

/** A chunk that is split while chunks are read looks unsound once, or twice at the most. */
const UNSOUND_LOOKS = 3;

/** Something in which the page index and the clusters do not agree. */
export interface Discrepancy {
  readonly environment: string;
  readonly text: string;
}

/** The part of the index that is wrong, and what is really there. */
interface Finding extends Discrepancy {
  readonly chunk: Chunk | undefined;
  /** Absent where the chunk as a whole is wrong. */
  readonly bucket?: Bucket;
  /** Slugs of the clusters that are there, one for each. */
  readonly slugs: readonly string[];
}

/** What a chunk's bounds must be: ascending, from its own lower bound, below the next chunk's. */
function isSound(chunk: Chunk, next: Chunk | undefined, environment: Environment): boolean {
  const bounds = chunk.buckets.map(({ bound }) => bound);
  return (
    chunk.environmentIdentity === environment.identity &&
    bounds[0] === chunk.lowerBound &&
    bounds.every((bound, position) => position === 0 || bound > (bounds[position - 1] ?? "")) &&
    (next === undefined || (bounds.at(-1) ?? "") < next.lowerBound)
  );
}

/** Looks at every bucket of an environment until each was seen with nobody writing in it. */
async function inspect(services: Services, organisation: string, environment: Environment): Promise<Finding[]> {
  const { table } = services;
  const findings: Finding[] = [];
  const settled = new Set<string>();
  looks: for (let look = 0; look < LOOKS; look++) {
    const chunks = await readChunks(table, organisation, environment.slug);
    if (chunks[0]?.lowerBound !== "") {
      const span = spanOf(environment.slug, "", chunks[0]?.lowerBound);
      const slugs = await slugsIn(table, organisation, span);
      return [{ environment: environment.slug, text: "the first chunk is missing", chunk: undefined, slugs }];
    }
    const counted = new Map<string, string[]>();
    for (const [position, chunk] of chunks.entries()) {
      const next = chunks[position + 1];
      const whole = await slugsIn(table, organisation, spanOf(environment.slug, chunk.lowerBound, next?.lowerBound));
      if (!isSound(chunk, next, environment)) {
        if (look < UNSOUND_LOOKS) continue looks;
        const text = `chunk "${chunk.lowerBound}" has buckets out of order`;
        return [{ environment: environment.slug, text, chunk, slugs: whole }];
      }
      for (const [at, bucket] of chunk.buckets.entries()) {
        const end = chunk.buckets[at + 1]?.bound;
        counted.set(
          bucket.id,
          whole.filter((slug) => slug >= bucket.bound && (end === undefined || slug < end)),
        );
      }
    }
    // What was counted holds for the buckets that nobody wrote in meanwhile.
    const after = await readChunks(table, organisation, environment.slug);
    const before = new Map(chunks.flatMap(({ buckets }) => buckets.map((bucket) => [bucket.id, bucket])));
    let restless = false;
    for (const chunk of after) {
      for (const bucket of chunk.buckets) {
        const slugs = counted.get(bucket.id);
        if (slugs === undefined || before.get(bucket.id)?.v !== bucket.v) {
          restless ||= !settled.has(bucket.id);
          continue;
        }
        if (settled.has(bucket.id)) continue;
        settled.add(bucket.id);
        if (bucket.n !== slugs.length || bucket.n > services.pageIndex.bucket) {
          const text = `bucket "${bucket.bound}" counts ${bucket.n} clusters, and there are ${slugs.length}`;
          findings.push({ environment: environment.slug, text, chunk, bucket, slugs });
        }
      }
    }
    if (!restless) break;
  }
  return findings;
}

/**
 * Compares the page index of an environment with its clusters. A bucket that others write in is looked at again until it
 * was still for long enough to be counted.
 *
 * @param organisation its slug
 */
export async function checkPageIndex(
  services: Services,
  organisation: string,
  environment: Environment,
): Promise<Discrepancy[]> {
  const findings = await inspect(services, organisation, environment);
  return findings.map(({ environment: slug, text }) => ({ environment: slug, text }));
}

/** Finds parts of the page index that belong to no environment any more. */
export async function strayChunks(
  services: Services,
  organisation: string,
  environments: readonly Environment[],
): Promise<Chunk[]> {
  const known = new Set(environments.map(({ slug }) => slug));
  return (await readChunks(services.table, organisation)).filter(({ environment }) => !known.has(environment));
}

/** Cuts slugs into buckets that are three quarters full, never between clusters of one slug. */
function cut(services: Services, bound: string, slugs: readonly string[]): Bucket[] {
  const target = Math.max(1, Math.floor((services.pageIndex.bucket * 3) / 4));
  const bucket = (from: string): Bucket => ({ id: newBucketId(services.draw.number()), bound: from, n: 0, v: 0 });
  const buckets = [bucket(bound)];
  slugs.forEach((slug, position) => {
    const last = buckets.at(-1);
    if (last === undefined) return;
    const isNew = position > 0 && slugs[position - 1] !== slug;
    const current = isNew && last.n >= target ? bucket(slug) : last;
    if (current !== last) buckets.push(current);
    buckets[buckets.length - 1] = { ...current, n: current.n + 1 };
  });
  return buckets;
}

/** Mends one thing. Whether or not somebody was in the way, the next inspection tells. */
async function mend(services: Services, organisation: string, environment: Environment, finding: Finding) {
  const { table, pageIndex } = services;
  const { chunk, bucket, slugs } = finding;
  const deadline = deadlineIn(services.patienceMs);
  const transaction = new Transaction();
  if (chunk === undefined) {
    // Without a chunk nothing can be added there, so what was counted still holds; too full a bucket is cut next time.
    const [first] = cut(services, "", []);
    if (first === undefined) return;
    transaction.create("index", chunkItem(organisation, environment, "", [{ ...first, n: slugs.length }]));
  } else if (bucket === undefined) {
    const [first] = cut(services, chunk.lowerBound, []);
    if (first === undefined) return;
    const asRead = Object.fromEntries(chunk.buckets.map(({ id, bound, n, v }) => [id, { bound, n, v }]));
    transaction.put("index", chunkItem(organisation, environment, chunk.lowerBound, [{ ...first, n: slugs.length }]), {
      condition: "#buckets = :buckets",
      values: { ":buckets": asRead },
    });
  } else {
    const parts = cut(services, bucket.bound, slugs).slice(0, Math.max(2, Math.floor(pageIndex.chunk / 2)));
    const counted = parts.reduce((sum, { n }) => sum + n, 0);
    const last = parts.at(-1);
    // What does not fit into one go stays in the last part, which is then too full and cut next time.
    if (last !== undefined) parts[parts.length - 1] = { ...last, n: last.n + slugs.length - counted };
    if (chunk.buckets.length - 1 + parts.length > pageIndex.chunk) {
      await splitChunk(table, organisation, chunk, deadline);
      return;
    }
    replaceBucket(transaction, "index", chunk, bucket, parts, pageIndex);
  }
  await commit(table, transaction, deadline);
}

/**
 * Makes the page index of an environment agree with its clusters again, and removes its empty buckets. Every change is
 * conditional on what was counted, so the server may go on writing.
 *
 * @returns what was found and mended
 * @throws Error where others wrote at the same places all the while
 */
export async function rebuildPageIndex(
  services: Services,
  organisation: string,
  environment: Environment,
): Promise<Discrepancy[]> {
  const mended: Discrepancy[] = [];
  for (let round = 0; round < LOOKS * 10; round++) {
    const findings = await inspect(services, organisation, environment);
    if (findings.length === 0) {
      await removeEmptyBuckets(services, organisation, environment.slug, deadlineIn(services.patienceMs));
      return mended;
    }
    for (const finding of findings) {
      mended.push({ environment: finding.environment, text: finding.text });
      await mend(services, organisation, environment, finding);
    }
  }
  throw new Error(`the page index of environment "${environment.slug}" could not be mended: others write too much`);
}

/** Removes every bucket of an environment that is empty and may go, the last ones first. */
export async function removeEmptyBuckets(
  services: Services,
  organisation: string,
  environment: string,
  deadline: Deadline,
): Promise<void> {
  const { table } = services;
  for (let removed = true; removed && !deadline.passed(); ) {
    removed = false;
    const chunks = await readChunks(table, organisation, environment);
    for (const chunk of chunks.reverse()) {
      let left = chunk;
      for (const bucket of [...chunk.buckets].reverse()) {
        if (!(await removeEmptyBucket(table, left, bucket, deadline))) continue;
        left = { ...left, buckets: left.buckets.filter(({ id }) => id !== bucket.id) };
        removed = true;
      }
    }
  }
}

/** Removes parts of the page index whose environment is gone, on condition that it still is. @param chunks from `strayChunks` */
export async function removeStrayChunks(
  services: Services,
  organisation: string,
  chunks: readonly Chunk[],
): Promise<void> {
  for (const chunk of chunks) {
    const transaction = new Transaction()
      .check("environment", environmentKey(organisation, chunk.environment), { condition: "attribute_not_exists(#pk)" })
      .delete("index", chunk.key);
    await commit(services.table, transaction, deadlineIn(services.patienceMs));
  }
}
