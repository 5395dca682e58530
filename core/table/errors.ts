/** Classifies errors of the SDK as transient or as defects. */

import { unavailable } from "../shared/errors.ts";

const TRANSIENT_ERRORS = new Set([
  "ProvisionedThroughputExceededException",
  "ThrottlingException",
  "RequestLimitExceeded",
  "InternalServerError",
  "ServiceUnavailable",
  "TimeoutError",
  "RequestTimeout",
  "AbortError",
]);

const NETWORK_ERRORS = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
]);

/**
 * Returns whether an error of the SDK means that the database was unreachable or overloaded, so that a retry may succeed.
 *
 * @param error anything thrown
 */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (TRANSIENT_ERRORS.has(error.name)) return true;
  const { code, $metadata } = error as { code?: unknown; $metadata?: { httpStatusCode?: unknown } };
  if (typeof code === "string" && NETWORK_ERRORS.has(code)) return true;
  const status = $metadata?.httpStatusCode;
  return typeof status === "number" && status >= 500;
}

/**
 * Returns the number of attempts of a failed call: more than one if the SDK repeated it.
 *
 * @param error error of the call
 */
export function attemptsOf(error: unknown): number {
  const { $metadata } = error as { $metadata?: { attempts?: unknown } };
  return typeof $metadata?.attempts === "number" ? $metadata.attempts : 1;
}

/**
 * Converts a transient error to the domain's error. Returns other errors unchanged.
 *
 * @param error error of a call to the database
 * @param advice what the caller should know or do
 */
export function toUnavailable(error: unknown, advice = "Try again."): unknown {
  if (!isTransient(error)) return error;
  const failure = unavailable("table.unavailable", `The database is unreachable or overloaded. ${advice}`);
  return Object.assign(failure, { cause: error });
}

/**
 * Awaits a call to the database.
 *
 * @throws AppError unavailable if the database is unreachable or overloaded; otherwise the error of the call
 */
export async function mapErrors<Output>(call: Promise<Output>): Promise<Output> {
  try {
    return await call;
  } catch (error) {
    throw toUnavailable(error);
  }
}
