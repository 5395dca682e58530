/** What the SDK throws, told apart: what passes by itself, and what is a defect. */

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
 * Whether an error of the SDK means that the database was out of reach or overloaded, which another try may find mended.
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
 * Returns how often the SDK sent a call that failed: more than once where it repeated the call by itself.
 *
 * @param error what the call threw
 */
export function attemptsOf(error: unknown): number {
  const { $metadata } = error as { $metadata?: { attempts?: unknown } };
  return typeof $metadata?.attempts === "number" ? $metadata.attempts : 1;
}

/**
 * Turns an outage into the domain's own error. Everything else comes back untouched.
 *
 * @param error what a call to the database threw
 * @param advice what the caller is to know or do; trying again unless it is given
 */
export function toUnavailable(error: unknown, advice = "Try again."): unknown {
  if (!isTransient(error)) return error;
  const refusal = unavailable("table.unavailable", `The database is out of reach or overloaded. ${advice}`);
  return Object.assign(refusal, { cause: error });
}

/**
 * Awaits a call to the database.
 *
 * @throws AppError unavailable where the database was out of reach or overloaded, else what the call threw
 */
export async function mapErrors<Output>(call: Promise<Output>): Promise<Output> {
  try {
    return await call;
  } catch (error) {
    throw toUnavailable(error);
  }
}
