/** Delays before failed work is repeated, in milliseconds. */

/** First delay, doubled with every failure up to the maximum. */
const FIRST_BACKOFF_MS = 1_000;

/** Maximum delay, in milliseconds. */
export const MAX_BACKOFF_MS = 5 * 60_000;

/** Returns a random delay between half of a duration and all of it, so that clusters that failed together are retried apart. */
export const withJitter = (ms: number) => ms / 2 + (Math.random() * ms) / 2;

/** Returns the delay before the next attempt. @param attempts number of consecutive failures, at least 1 */
export const backoffDelay = (attempts: number) =>
  withJitter(Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempts - 1)));
