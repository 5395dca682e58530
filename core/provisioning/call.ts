/** Calls to the provisioner and to prerequisites, with a timeout. */

import type { Condition } from "../cluster/condition.ts";
import { MAX_BACKOFF_MS } from "./backoff.ts";
import { PrerequisiteError, RetryableError } from "./prerequisite.ts";
import { OutdatedFenceError } from "./provisioner.ts";

/** Maximum stored length of an error message, in characters: a provisioner may report whole logs. */
const MAX_MESSAGE_LENGTH = 1_000;

/** Error of a step. */
export interface StepError {
  /** Failed operation, such as "applying the configuration". */
  operation: string;
  message: string;
  isTimeout: boolean;
  /** True if a prerequisite failed, such as the registration of an OIDC client. */
  isPrerequisite?: boolean;
  /** Reason for the condition Reconciled; by default it follows from the kind of failure. */
  reason?: Condition["reason"];
  /** Minimum delay before the next attempt, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** Highest fencing token that the provisioner has received, if it refused a lower one. */
  highestFence?: number;
}

/**
 * Makes a call and returns its value or its error. After the timeout it aborts the call, which may still take effect.
 *
 * @param callMs timeout, in milliseconds
 * @param operation name of the call in errors
 */
export async function callWithTimeout<T>(
  { callMs }: { readonly callMs: number },
  operation: string,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<{ value?: T; error: StepError | undefined }> {
  const aborted = new AbortController();
  const { promise: timeout, resolve: endCall } = Promise.withResolvers<{ error: StepError }>();
  // Not a timer with an AbortSignal: the error at its end costs a stack trace for every call.
  const timer = setTimeout(() => {
    aborted.abort();
    endCall({ error: { operation, message: `no answer within ${callMs / 1_000} s`, isTimeout: true } });
  }, callMs);
  const done = call(aborted.signal).then(
    (value) => ({ value, error: undefined }),
    (error: unknown) => ({ error: { operation, message: messageOf(error), isTimeout: false, ...detailsOf(error) } }),
  );
  try {
    return await Promise.race([done, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function detailsOf(error: unknown): Partial<StepError> {
  const { reason } = error instanceof PrerequisiteError ? error : {};
  const retryAfterMs = retryAfterOf(error);
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(error instanceof OutdatedFenceError ? { highestFence: error.highest } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** Returns the delay of a RetryableError or a KubernetesError. The latter's class is not imported, so that bundles need not contain the client. */
function retryAfterOf(error: unknown): number | undefined {
  if (error instanceof RetryableError) return error.retryAfterMs;
  const value = error instanceof Error && "retryAfterMs" in error ? error.retryAfterMs : undefined;
  if (typeof value !== "number" || Number.isNaN(value)) return undefined;
  // A server may ask for any delay, also one of a customer.
  return Math.min(Math.max(0, value), MAX_BACKOFF_MS);
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH).toWellFormed()}…` : text;
}
