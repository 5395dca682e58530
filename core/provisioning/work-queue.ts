/** Finding clusters with work pending, and working on them side by side. */

import type { Services } from "../context.ts";
import { DUE_INDEX } from "../table/definition.ts";
import { clusterIdentityOf, dueShards } from "../table/keys.ts";
import { type Outcome, type ReconcilerServices, reconcile } from "./reconcile.ts";

/** How many due clusters are read of each partition of the due index at most: a few pages of 1 MB, as DynamoDB cuts them. */
export const DUE_PER_SHARD = 5_000;

/** A cluster that is due. */
export interface DueItem {
  identity: string;
  /** The slug of its organisation. */
  organisation: string;
  /** RFC 3339. */
  dueAt: string;
}

/**
 * Finds clusters that are due. The organisations take turns, and each organisation's clusters are ordered by due time: with
 * 100,000 due clusters of one organisation, the first due cluster of every other one is still among the first. The first of all
 * is the one that is longest due. The index may lag by seconds; each find is compared with its pointer before anything is done.
 *
 * @param until the moment by which they must be due; now, unless the operator looks ahead
 * @param shards partitions of the due index to look in; all unless given
 * @returns at most `DUE_PER_SHARD` from each partition
 * @throws AppError unavailable where the database cannot be reached
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

/** Takes one cluster of each organisation after the other, in the order in which they are given. */
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

/** One of several sweeps that share the partitions of the due index out among themselves. */
export interface SweepShare {
  /** From 0 to one less than `count`. */
  index: number;
  count: number;
}

/**
 * Returns the partitions of the due index that a sweep looks in. In each minute they are another sweep's: where one schedule does
 * not run, each of its partitions is left out in one minute of `count`, and none is left out for good.
 *
 * @param at when the sweep was due; those of the same minute share all partitions out
 */
export function shardsOf({ index, count }: SweepShare, at: Date): string[] {
  const share = (index + Math.floor(at.getTime() / 60_000)) % count;
  return dueShards.filter((_, shard) => shard % count === share);
}

/** What became of one cluster. */
export type ReconcileResult = { identity: string } & ({ outcome: Outcome } | { error: unknown });

/**
 * Works on clusters, so many at a time. One that fails keeps no other from its turn.
 *
 * @param concurrency how many at a time
 * @param budgetMs how long to go on with each, in milliseconds
 * @param hasTime whether another may be begun; those that are not stay due
 * @returns what became of those that were begun
 */
export async function reconcileAll(
  services: ReconcilerServices,
  identities: readonly string[],
  concurrency: number,
  budgetMs?: number,
  hasTime: () => boolean = () => true,
): Promise<ReconcileResult[]> {
  const left = [...new Set(identities)];
  const worked: ReconcileResult[] = [];
  const workers = Array.from({ length: Math.min(concurrency, left.length) }, async () => {
    for (let identity = left.shift(); identity !== undefined && hasTime(); identity = left.shift()) {
      try {
        worked.push({ identity, outcome: await reconcile(services, identity, budgetMs) });
      } catch (error) {
        worked.push({ identity, error });
      }
    }
  });
  await Promise.all(workers);
  return worked;
}
