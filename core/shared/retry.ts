/** Waiting before another try, and knowing when to stop trying. */

import { setTimeout as sleep } from "node:timers/promises";

const FIRST_BACKOFF_MS = 5;
// A hundred writers on one item then try some 250 times a second, which keeps the item busy and the processor free.
const MAX_BACKOFF_MS = 800;

/** How long writers wait for each other, by the contract, in milliseconds. */
export const WRITE_TIMEOUT_MS = 8_000;

/** A moment after which trying again is given up. Elapsed time, not the clock's: a test's clock may stand still. */
export interface Deadline {
  readonly expired: () => boolean;
  /** How much of the time is left, from 1 down to 0. */
  readonly remainingMs: () => number;
  /** How long it was from the start, in milliseconds. */
  readonly totalMs: number;
}

/** @param ms how long from now */
export function deadlineIn(ms: number = WRITE_TIMEOUT_MS): Deadline {
  const end = performance.now() + ms;
  const remainingMs = () => Math.min(1, Math.max(0, (end - performance.now()) / ms));
  return { expired: () => performance.now() >= end, remainingMs, totalMs: ms };
}

/**
 * Waits for something, but not past a deadline.
 *
 * @returns whether it came in time
 */
export async function waitUntil(event: Promise<unknown>, deadline: Deadline): Promise<boolean> {
  const stop = new AbortController();
  const late = sleep(deadline.remainingMs() * deadline.totalMs, false, { signal: stop.signal }).catch(() => false);
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
export async function backoff(attempt: number, deadline?: Deadline): Promise<void> {
  const urgency = Math.max(0.1, deadline?.remainingMs() ?? 1);
  const ceiling = urgency * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt);
  await sleep(Math.random() * ceiling);
}
