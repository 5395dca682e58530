/** Inspects the page index: compares it with the clusters during concurrent writes. For the operator's command. */

import type { Services } from "../context.ts";
import { type Bucket, type Chunk, keyRange, readChunks, readSlugs } from "../listing/page-index.ts";
import { environmentKey, keyText } from "../table/keys.ts";
import type { Environment } from "../tenancy/environment.ts";

/** Maximum number of scans of a bucket that concurrent writers change. */
export const MAX_PASSES = 50;

/** Number of scans in which a chunk may look inconsistent: a concurrent split causes one, at most two. */
const MAX_INCONSISTENT_PASSES = 3;

/** Difference between the page index and the clusters. */
export interface Discrepancy {
  readonly environment: string;
  readonly text: string;
}

/** Wrong part of the index, and the actual clusters. */
export interface Finding extends Discrepancy {
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
  readonly busy: readonly Bucket[];
}

/** Inspects an environment. If it is removed during the inspection, its index is removed too and nothing is wrong. */
export async function inspect(services: Services, organisation: string, environment: Environment): Promise<Inspection> {
  const inspection = await scan(services, organisation, environment);
  const key = environmentKey(organisation, environment.slug);
  const present = (await services.table.get([key])).get(keyText(key));
  return present?.identity === environment.identity ? inspection : { findings: [], busy: [] };
}

/** Scans an environment repeatedly until every bucket was compared without a concurrent write. */
async function scan(services: Services, organisation: string, environment: Environment): Promise<Inspection> {
  const findings: Finding[] = [];
  let busy: readonly Bucket[] = [];
  const compared = new Set<string>();
  for (let count = 1; count <= MAX_PASSES; count++) {
    const pass = await scanPass(services, organisation, environment, compared);
    if (pass.kind === "inconsistent") {
      if (pass.mayBeSplit && count <= MAX_INCONSISTENT_PASSES) continue;
      const { text, chunk, next } = pass;
      const slugs = await readSlugsOf(services, organisation, environment, chunk?.lowerBound ?? "", next);
      return { findings: [{ environment: environment.slug, text, chunk, slugs }], busy: [] };
    }
    findings.push(...pass.findings);
    if (pass.kind === "complete") return { findings, busy: [] };
    busy = pass.buckets;
  }
  return { findings, busy };
}

/**
 * Result of one scan: all buckets are compared, some were changed by concurrent writers, or a chunk is wrong as a whole. A
 * concurrent split can make a chunk look wrong.
 */
type Pass =
  | { kind: "complete"; findings: readonly Finding[] }
  | { kind: "busy"; findings: readonly Finding[]; buckets: readonly Bucket[] }
  | { kind: "inconsistent"; text: string; chunk: Chunk | undefined; next: Chunk | undefined; mayBeSplit: boolean };

/** Scans the buckets of an environment that were not compared yet. @param compared ids of compared buckets; it adds to them */
async function scanPass(
  services: Services,
  organisation: string,
  environment: Environment,
  compared: Set<string>,
): Promise<Pass> {
  const chunks = await readChunks(services.table, organisation, environment.slug);
  const [first] = chunks;
  if (first?.lowerBound !== "") {
    return {
      kind: "inconsistent",
      text: "the first chunk is missing",
      chunk: undefined,
      next: first,
      mayBeSplit: false,
    };
  }
  const slugsOf = new Map<string, string[]>();
  for (const [position, chunk] of chunks.entries()) {
    const next = chunks[position + 1];
    const fault = inconsistency(chunk, next, environment);
    if (fault !== undefined) {
      return { kind: "inconsistent", text: `chunk "${chunk.lowerBound}" ${fault}`, chunk, next, mayBeSplit: true };
    }
    // Only the remaining buckets are read again: a shorter scan meets fewer concurrent writes.
    if (chunk.buckets.every(({ id }) => compared.has(id))) continue;
    const slugs = await readSlugsOf(services, organisation, environment, chunk.lowerBound, next);
    for (const [at, { id, bound }] of chunk.buckets.entries()) {
      const end = chunk.buckets[at + 1]?.bound;
      slugsOf.set(
        id,
        slugs.filter((slug) => slug >= bound && (end === undefined || slug < end)),
      );
    }
  }
  return await compareBuckets(services, organisation, environment, { chunks, slugsOf }, compared);
}

/** Compares the buckets that did not change since they were read: only for these the read slugs are complete. */
async function compareBuckets(
  services: Services,
  organisation: string,
  environment: Environment,
  read: { chunks: readonly Chunk[]; slugsOf: ReadonlyMap<string, readonly string[]> },
  compared: Set<string>,
): Promise<Pass> {
  const before = new Map(read.chunks.flatMap(({ buckets }) => buckets.map((bucket) => [bucket.id, bucket])));
  const findings: Finding[] = [];
  const busy: Bucket[] = [];
  for (const chunk of await readChunks(services.table, organisation, environment.slug)) {
    for (const bucket of chunk.buckets) {
      if (compared.has(bucket.id)) continue;
      const slugs = read.slugsOf.get(bucket.id);
      if (slugs === undefined || before.get(bucket.id)?.v !== bucket.v) {
        busy.push(bucket);
        continue;
      }
      compared.add(bucket.id);
      if (bucket.n === slugs.length && bucket.n <= services.pageIndex.bucket) continue;
      const text = `bucket "${bucket.bound}" counts ${bucket.n} clusters, but ${slugs.length} exist`;
      findings.push({ environment: environment.slug, text, chunk, bucket, slugs });
    }
  }
  return busy.length === 0 ? { kind: "complete", findings } : { kind: "busy", findings, buckets: busy };
}

/** Reads the slugs of an environment's clusters from a bound to the next chunk. */
const readSlugsOf = (
  { table }: Services,
  organisation: string,
  { slug }: Environment,
  bound: string,
  next: Chunk | undefined,
): Promise<string[]> => readSlugs(table, organisation, keyRange(slug, bound, next?.lowerBound));

/** Describes a bucket that could not be compared. */
export const busyMessage = (environment: Environment, { bound }: Bucket): Discrepancy => ({
  environment: environment.slug,
  text: `bucket "${bound}" was not compared: it changed during each of ${MAX_PASSES} scans`,
});
