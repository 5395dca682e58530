/** Waiting before another try, and knowing when to stop trying. */

import { setTimeout as sleep } from "node:timers/promises";

const FIRST_PAUSE_MS = 15;
const LONGEST_PAUSE_MS = 300;

/** How long writers on one item wait for each other inside the server before the caller is told to come back. */
export const PATIENCE_MS = 8_000;

/**
 * Waits before another try: exponential, with full jitter, so that many writers on one item do not march in step.
 *
 * @param attempt 1 before the second try
 */
export async function pause(attempt: number): Promise<void> {
  const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  await sleep(Math.random() * ceiling);
}

/** A moment after which trying again is given up. Elapsed time, not the clock's: a test's clock may stand still. */
export interface Deadline {
  readonly passed: () => boolean;
}

/** @param ms how long from now */
export function deadlineIn(ms: number = PATIENCE_MS): Deadline {
  const end = performance.now() + ms;
  return { passed: () => performance.now() >= end };
}
