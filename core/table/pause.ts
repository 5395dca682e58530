/** Waiting before another try, and knowing when to stop trying. */

import { setTimeout as sleep } from "node:timers/promises";

const FIRST_PAUSE_MS = 5;
// A hundred writers on one item then try some 250 times a second, which keeps the item busy and the processor free.
const LONGEST_PAUSE_MS = 800;

/** How long writers wait for each other, by the contract, in milliseconds. */
export const PATIENCE_MS = 8_000;

/** A moment after which trying again is given up. Elapsed time, not the clock's: a test's clock may stand still. */
export interface Deadline {
  readonly passed: () => boolean;
  /** How much of the time is left, from 1 down to 0. */
  readonly left: () => number;
  /** How long it was from the start, in milliseconds. */
  readonly total: number;
}

/** @param ms how long from now */
export function deadlineIn(ms: number = PATIENCE_MS): Deadline {
  const end = performance.now() + ms;
  const left = () => Math.min(1, Math.max(0, (end - performance.now()) / ms));
  return { passed: () => performance.now() >= end, left, total: ms };
}

/**
 * Waits for something, but not past a deadline.
 *
 * @returns whether it came in time
 */
export async function waitUntil(event: Promise<unknown>, deadline: Deadline): Promise<boolean> {
  const stop = new AbortController();
  const late = sleep(deadline.left() * deadline.total, false, { signal: stop.signal }).catch(() => false);
  try {
    return await Promise.race([event.then(() => true), late]);
  } finally {
    stop.abort();
  }
}

/**
 * Waits before another try: exponential, with full jitter, so that many writers on one item do not march in step. Whoever
 * has less time left waits less, so that the longest waiting are not the ones to give up.
 *
 * @param attempt 1 before the second try
 */
export async function pause(attempt: number, deadline?: Deadline): Promise<void> {
  const urgency = Math.max(0.1, deadline?.left() ?? 1);
  const ceiling = urgency * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  await sleep(Math.random() * ceiling);
}
