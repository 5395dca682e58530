/** Exponential backoff and deadlines. */

import { setTimeout as sleep } from "node:timers/promises";

const FIRST_BACKOFF_MS = 5;
// With this maximum, a hundred writers of one item send some 250 attempts a second, which uses the item without a busy processor.
const MAX_BACKOFF_MS = 800;

/** Timeout of a write, including retries after conflicts, in milliseconds. Part of the contract. */
export const WRITE_TIMEOUT_MS = 8_000;

/** Time limit for retries. Uses elapsed time instead of the injected clock, which may not advance in a test. */
export interface Deadline {
  readonly expired: () => boolean;
  /** Remaining fraction of the time, from 1 down to 0. */
  readonly remaining: () => number;
  /** Duration from the start to the limit, in milliseconds. */
  readonly totalMs: number;
}

/** Creates a deadline. @param ms duration from now, in milliseconds */
export function deadlineIn(ms: number = WRITE_TIMEOUT_MS): Deadline {
  const end = performance.now() + ms;
  const remaining = () => Math.min(1, Math.max(0, (end - performance.now()) / ms));
  return { expired: () => performance.now() >= end, remaining, totalMs: ms };
}

/**
 * Waits for an event until a deadline.
 *
 * @returns false if the deadline expired first
 */
export async function waitUntil(event: Promise<unknown>, deadline: Deadline): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  // Not a timer with an AbortSignal: the error at its end costs a stack trace for every write.
  const timer = setTimeout(() => resolve(false), deadline.remaining() * deadline.totalMs);
  try {
    return await Promise.race([event.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits before a retry: exponential backoff with full jitter, so that the writers of one item spread out. With less time until the
 * deadline it waits less, so that the oldest writers do not time out first.
 *
 * @param attempt number of failed attempts, from 1
 */
export async function backoff(attempt: number, deadline?: Deadline): Promise<void> {
  const urgency = Math.max(0.1, deadline?.remaining() ?? 1);
  const ceiling = urgency * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt);
  await sleep(Math.random() * ceiling);
}
