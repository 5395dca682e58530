/** Finds clusters that are due, and reconciles them concurrently. */

import type { Services } from "../context.ts";
import { DUE_INDEX } from "../table/definition.ts";
import { clusterIdentityOf, dueShards } from "../table/keys.ts";
import { type Outcome, reconcile } from "./reconcile.ts";
import type { ReconcilerServices } from "./services.ts";

/** Maximum number of due clusters read from each partition of the due index: a few of DynamoDB's pages of 1 MB. */
const DUE_PER_SHARD = 5_000;

/** Cluster that is due. */
export interface DueItem {
  identity: string;
  /** Slug of the organisation. */
  organisation: string;
  /** RFC 3339. */
  dueAt: string;
}

/**
 * Finds clusters that are due, round robin over the organisations, and by due time within each. So if one organisation has
 * 100,000 due clusters, the first due clusters of all others still come first. The first cluster of the result has the earliest
 * due time. The index may lag by seconds, so the pointer is read before a cluster is reconciled.
 *
 * @param until latest due time; the operator's command looks ahead with it
 * @param shards partitions of the due index to read
 * @returns at most `DUE_PER_SHARD` clusters from each partition
 * @throws AppError unavailable if the database cannot be reached
 */
export async function findDue(
  { table, clock }: Pick<Services, "table" | "clock">,
  until = clock(),
  shards: readonly string[] = dueShards,
): Promise<DueItem[]> {
  const found = await Promise.all(
    shards.map((pk) => table.query({ pk, from: "0", to: until.toISOString(), index: DUE_INDEX, limit: DUE_PER_SHARD })),
  );
  const due = found.flat().flatMap((row): DueItem[] => {
    const identity = clusterIdentityOf(row);
    if (identity === undefined) return [];
    return [{ identity, organisation: String(row.organisation), dueAt: String(row.dueAt) }];
  });
  return roundRobin(due.sort((one, other) => (one.dueAt < other.dueAt ? -1 : 1)));
}

/** Takes one cluster of each organisation in turn, in the given order. */
function roundRobin(due: readonly DueItem[]): DueItem[] {
  const rounds: DueItem[][] = [];
  const taken = new Map<string, number>();
  for (const each of due) {
    const round = taken.get(each.organisation) ?? 0;
    taken.set(each.organisation, round + 1);
    rounds[round] ??= [];
    rounds[round].push(each);
  }
  return rounds.flat();
}

/** Share of a sweep: several sweeps divide the partitions of the due index among themselves. */
interface SweepShare {
  /** From 0 to one less than `count`. */
  index: number;
  count: number;
}

/**
 * Returns the partitions of the due index that a sweep reads. They rotate every minute: if one schedule does not run, each partition
 * is skipped in one minute of `count`, and none is skipped permanently.
 *
 * @param at scheduled time of the sweep; the sweeps of one minute read all partitions together
 */
export function shardsOf({ index, count }: SweepShare, at: Date): string[] {
  const share = (index + Math.floor(at.getTime() / 60_000)) % count;
  return dueShards.filter((_, shard) => shard % count === share);
}

/** Result of the reconciliation of one cluster. */
type ReconcileResult = { identity: string } & ({ outcome: Outcome } | { error: unknown });

/**
 * Reconciles clusters concurrently. A failure does not affect the other clusters.
 *
 * @param concurrency maximum number of clusters at a time
 * @param budgetMs time to spend on each cluster, in milliseconds
 * @param hasTime returns false to start no further cluster; those that are not started stay due
 * @returns the results of the clusters that were started
 */
export async function reconcileAll(
  services: ReconcilerServices,
  identities: readonly string[],
  concurrency: number,
  budgetMs?: number,
  hasTime: () => boolean = () => true,
): Promise<ReconcileResult[]> {
  const left = [...new Set(identities)];
  const results: ReconcileResult[] = [];
  const workers = Array.from({ length: Math.min(concurrency, left.length) }, async () => {
    for (let identity = left.shift(); identity !== undefined && hasTime(); identity = left.shift()) {
      try {
        results.push({ identity, outcome: await reconcile(services, identity, budgetMs) });
      } catch (error) {
        results.push({ identity, error });
      }
    }
  });
  await Promise.all(workers);
  return results;
}
