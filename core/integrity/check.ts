/** Looking at everything that is stored: whether it can be read, and whether it agrees. For the operator's command. */

import type { Services } from "../context.ts";
import { AppError, textOf } from "../errors.ts";
import { checkItems } from "./items.ts";
import { type Contradiction, contradictionsIn } from "./organisation.ts";

/** How often something is looked at before it counts as wrong: others may be in the middle of changing it. */
const LOOKS = 3;

/** What a check found. */
export interface CheckReport {
  items: number;
  organisations: number;
  /** What was found at every look. */
  contradictions: Contradiction[];
}

/** Keeps of what was found last what was found before too. */
const again = (before: readonly Contradiction[], now: readonly Contradiction[]): Contradiction[] => {
  const known = new Set(before.map(({ where }) => where));
  return now.filter(({ where }) => known.has(where));
};

/** Looks until nothing is found, but not for ever. @returns what the first look gave, and what was found at all of them */
async function looks<Look>(
  look: () => Promise<Look>,
  found: (look: Look) => readonly Contradiction[],
): Promise<[Look, Contradiction[]]> {
  const first = await look();
  let left = [...found(first)];
  for (let times = 2; times <= LOOKS && left.length > 0; times++) left = again(left, found(await look()));
  return [first, left];
}

/**
 * Checks the whole table. What is found is looked at again, so that what others are just writing is not taken for wrong; on a
 * table that many write to, some of that may stay.
 *
 * @throws AppError unavailable where the database cannot be reached
 */
export async function checkTable(services: Services): Promise<CheckReport> {
  const [{ items, organisations }, contradictions] = await looks(
    () => checkItems(services),
    (report) => report.contradictions,
  );
  for (const organisation of organisations) {
    const [, more] = await looks(
      () => contradictionsOf(services, organisation),
      (found) => found,
    );
    contradictions.push(...more);
  }
  return { items, organisations: organisations.length, contradictions };
}

/** An item that cannot be read stops a check of its organisation; it must not stop those of the others. */
async function contradictionsOf(services: Services, organisation: string): Promise<Contradiction[]> {
  try {
    return await contradictionsIn(services, organisation);
  } catch (error) {
    if (error instanceof AppError) throw error;
    return [{ where: `organisation ${organisation}`, text: textOf(error) }];
  }
}
