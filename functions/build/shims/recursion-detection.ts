/**
 * Replaces the middleware that adds the trace header of the invocation to each call, and the store of invocations that it reads.
 * The functions run without X-Ray, and Lambda detects loops through SQS, SNS, S3 and other functions, never through DynamoDB
 * or KMS.
 */

/** Returns a middleware that changes nothing. */
export const recursionDetectionMiddleware =
  () =>
  <Args, Output>(next: (args: Args) => Promise<Output>) =>
  (args: Args): Promise<Output> =>
    next(args);
