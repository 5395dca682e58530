/** Finding clusters with work pending, and working on them side by side. */

import type { Services } from "../context.ts";
import { DUE_INDEX } from "../table/definition.ts";
import { clusterOfPointer, dueShards } from "../table/keys.ts";
import { type Outcome, type ReconcilerServices, reconcile } from "./reconcile.ts";

/** What is found of each partition of the due index at most in one sweep. */
const DUE_PER_SHARD = 100;

/** A cluster that is due. */
export interface Due {
  identity: string;
  /** RFC 3339. */
  dueAt: string;
}

/**
 * Finds clusters that are due, those longest due first. The index may lag by seconds; who is found is held against its pointer
 * again before anything is done.
 *
 * @param until the moment by which they must be due; now, unless the operator looks ahead
 * @returns at most 100 from each of the 16 partitions
 * @throws AppError unavailable where the database cannot be reached
 */
export async function findDue({ table, clock }: Pick<Services, "table" | "clock">, until = clock()): Promise<Due[]> {
  const found = await Promise.all(
    dueShards.map((pk) =>
      table.query({ pk, from: "0", to: until.toISOString(), index: DUE_INDEX, limit: DUE_PER_SHARD }),
    ),
  );
  return found
    .flat()
    .flatMap((row): Due[] => {
      const identity = clusterOfPointer(row);
      return identity === undefined ? [] : [{ identity, dueAt: String(row.dueAt) }];
    })
    .sort((one, other) => (one.dueAt < other.dueAt ? -1 : 1));
}

/** What became of one cluster. */
export type Worked = { identity: string } & ({ outcome: Outcome } | { error: unknown });

/**
 * Works on clusters, so many at a time. One that fails keeps no other from its turn.
 *
 * @param concurrency how many at a time
 * @param budgetMs how long to go on with each, in milliseconds
 * @param hasTime whether another may be begun; those that are not stay due
 * @returns what became of those that were begun
 */
export async function workOn(
  services: ReconcilerServices,
  identities: readonly string[],
  concurrency: number,
  budgetMs?: number,
  hasTime: () => boolean = () => true,
): Promise<Worked[]> {
  const left = [...new Set(identities)];
  const worked: Worked[] = [];
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
