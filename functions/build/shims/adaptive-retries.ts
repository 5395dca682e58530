/**
 * Replaces the SDK's adaptive retry strategy and its rate limiter. Every function uses the standard retries, which are the default.
 */

/** Part of the strategy that a client creates if `AWS_RETRY_MODE` is `adaptive`. */
export class AdaptiveRetryStrategy {
  /** @throws Error always: adaptive retries were requested */
  constructor() {
    throw new Error("adaptive retries are not in this bundle: unset AWS_RETRY_MODE, or set it to standard");
  }
}
