/** Looking at everything that is stored: whether it can be read, and whether it agrees. For the operator's command. */

import type { Services } from "../../context.ts";
import { AppError, errorText } from "../../shared/errors.ts";
import { checkItems } from "./items.ts";
import { findInconsistencies, type Inconsistency } from "./organisation.ts";

/** How often something is looked at before it counts as wrong: others may be in the middle of changing it. */
const MAX_CHECKS = 3;

/** What a check found. */
export interface CheckReport {
  items: number;
  organisations: number;
  /** What was found at every look. */
  contradictions: Inconsistency[];
}

/** Keeps of what was found last what was found before too. */
const again = (before: readonly Inconsistency[], now: readonly Inconsistency[]): Inconsistency[] => {
  const known = new Set(before.map(({ where }) => where));
  return now.filter(({ where }) => known.has(where));
};

/** Looks until nothing is found, but not for ever. @returns what the first look gave, and what was found at all of them */
async function recheck<Look>(
  look: () => Promise<Look>,
  found: (look: Look) => readonly Inconsistency[],
): Promise<[Look, Inconsistency[]]> {
  const first = await look();
  let left = [...found(first)];
  for (let times = 2; times <= MAX_CHECKS && left.length > 0; times++) left = again(left, found(await look()));
  return [first, left];
}

/**
 * Checks the whole table. What is found is looked at again, so that what others are just writing is not taken for wrong; on a
 * table that many write to, some of that may stay.
 *
 * @throws AppError unavailable where the database cannot be reached
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

/** An item that cannot be read stops a check of its organisation; it must not stop those of the others. */
async function inconsistenciesOf(services: Services, organisation: string): Promise<Inconsistency[]> {
  try {
    return await findInconsistencies(services, organisation);
  } catch (error) {
    if (error instanceof AppError) throw error;
    return [{ where: `organisation ${organisation}`, text: errorText(error) }];
  }
}
