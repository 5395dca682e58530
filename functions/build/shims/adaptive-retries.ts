/**
 * Replaces the SDK's strategy of adaptive retries and its rate limiter. Every function uses the standard retries, which are the
 * default.
 */

/** As much of the strategy as a client creates where `AWS_RETRY_MODE` is `adaptive`. */
export class AdaptiveRetryStrategy {
  /** @throws Error always: adaptive retries were asked for */
  constructor() {
    throw new Error("adaptive retries are not in this bundle: leave AWS_RETRY_MODE unset, or set it to standard");
  }
}
