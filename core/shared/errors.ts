/** Errors that callers may see. Any other error is a defect, and its text is not sent to callers. */

/** Kinds of errors. Each transport maps every kind, so a new kind does not compile until it is mapped. */
export type ErrorKind =
  | "invalid"
  | "unauthenticated"
  | "forbidden"
  | "notFound"
  | "conflict"
  | "preconditionFailed"
  | "idempotencyKeyReused"
  | "unavailable";

/** Problem of a request. `path` is empty if it does not belong to a single property. */
export interface Problem {
  path: string;
  message: string;
}

/**
 * Error that is safe to show to the caller.
 *
 * `message` is complete by itself, because published clients print nothing else: the first detail, and the number of others.
 * `code` is dotted and stable, for logs and tests.
 */
export class AppError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly details: readonly string[];
  readonly retryAfterSeconds: number | undefined;
  /** Current entity tag, if a precondition failed. */
  readonly etag: string | undefined;

  /**
   * @param kind kind of the error
   * @param code dotted and stable, `noun.reason`
   * @param details one sentence for each problem, at least one
   * @param options `retryAfterSeconds`: delay after which a retry may succeed; `total`: number of problems, if `details` does not
   *   contain all; `etag`: current entity tag; `message`: text for readers who see only the message, such as those of a function's log;
   *   by default the first problem and the number of the others
   */
  constructor(
    kind: ErrorKind,
    code: string,
    details: readonly [string, ...string[]],
    options: { retryAfterSeconds?: number | undefined; total?: number; etag?: string; message?: string } = {},
  ) {
    const others = (options.total ?? details.length) - 1;
    super(options.message ?? (others === 0 ? details[0] : `${details[0]} (and ${others} more)`));
    this.name = "AppError";
    this.kind = kind;
    this.code = code;
    this.details = details;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.etag = options.etag;
  }
}

/** Maximum number of problems in a response. A 256 KiB body can have more than 100,000 problems. */
const LISTED_PROBLEMS = 1_000;

/**
 * Builds one error that lists every problem of a request.
 *
 * @param problems at least one problem
 */
export function invalid(problems: readonly Problem[]): AppError {
  const [first = "The request is invalid.", ...rest] = problems
    .slice(0, LISTED_PROBLEMS)
    .map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  const unlisted = problems.length - LISTED_PROBLEMS;
  if (unlisted > 0) rest.push(`${unlisted} more problems are not listed`);
  return new AppError("invalid", "request.invalid", [first, ...rest], { total: Math.max(1, problems.length) });
}

/** Builds the error for a missing, malformed, unknown, expired or revoked token. It does not reveal which. */
export function unauthenticated(): AppError {
  return new AppError("unauthenticated", "token.refused", ["A valid personal access token is needed."]);
}

/** Builds the error for a forbidden request. @param text sentence that names the missing permission */
export function forbidden(code: string, text: string): AppError {
  return new AppError("forbidden", code, [text]);
}

/** Builds the error for an item that does not exist. @param text sentence that names the item */
export function notFound(code: string, text: string): AppError {
  return new AppError("notFound", code, [text]);
}

/**
 * Builds the error for a conflict.
 *
 * @param text sentence that names the cause of the conflict
 * @param retryAfterSeconds delay after which a retry may succeed; absent if the conflict does not resolve by itself
 */
export function conflict(code: string, text: string, retryAfterSeconds?: number): AppError {
  return new AppError("conflict", code, [text], { retryAfterSeconds });
}

/** Builds the error for a temporary failure; the same request can be retried. */
export function unavailable(code: string, text: string): AppError {
  return new AppError("unavailable", code, [text], { retryAfterSeconds: 1 });
}

/** Returns the text of an error for operators: one line for each problem. */
export function errorText(error: unknown): string {
  if (error instanceof AppError) return error.details.join("\n");
  return error instanceof Error ? error.message : String(error);
}
