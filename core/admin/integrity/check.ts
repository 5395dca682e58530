/** Checks every stored item: that it can be read, and that items agree with each other. For the operator's command. */

import type { Services } from "../../context.ts";
import { AppError, errorText } from "../../shared/errors.ts";
import { checkItems } from "./items.ts";
import { findInconsistencies, type Inconsistency } from "./organisation.ts";

/** Number of times that a finding must occur before it is reported: other processes may be writing. */
const MAX_CHECKS = 3;

/** Result of a check. */
export interface CheckReport {
  items: number;
  organisations: number;
  /** Findings that occurred in every round. */
  contradictions: Inconsistency[];
}

/** Returns the findings of this round that the round before had too. */
const repeated = (before: readonly Inconsistency[], now: readonly Inconsistency[]): Inconsistency[] => {
  const known = new Set(before.map(({ where }) => where));
  return now.filter(({ where }) => known.has(where));
};

/** Repeats a check until it finds nothing, at most `MAX_CHECKS` times. @returns its first result, and what every round found */
async function recheck<Result>(
  check: () => Promise<Result>,
  found: (result: Result) => readonly Inconsistency[],
): Promise<[Result, Inconsistency[]]> {
  const first = await check();
  let left = [...found(first)];
  for (let times = 2; times <= MAX_CHECKS && left.length > 0; times++) left = repeated(left, found(await check()));
  return [first, left];
}

/**
 * Checks the whole table. Repeats a check that finds something, so that transactions of other processes are not reported. With
 * many writers, some false findings may remain.
 *
 * @throws AppError unavailable if the database cannot be reached
 */
export async function checkTable(services: Services): Promise<CheckReport> {
  const [{ items, organisations }, contradictions] = await recheck(
    () => checkItems(services),
    (report) => report.contradictions,
  );
  for (const organisation of organisations) {
    const [, more] = await recheck(
      () => inconsistenciesOf(services, organisation),
      (found) => found,
    );
    contradictions.push(...more);
  }
  return { items, organisations: organisations.length, contradictions };
}

/** Finds inconsistencies of one organisation. An unreadable item stops only the check of its organisation. */
async function inconsistenciesOf(services: Services, organisation: string): Promise<Inconsistency[]> {
  try {
    return await findInconsistencies(services, organisation);
  } catch (error) {
    if (error instanceof AppError) throw error;
    return [{ where: `organisation ${organisation}`, text: errorText(error) }];
  }
}
