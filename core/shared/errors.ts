/** What a caller may be told went wrong. Anything that is not an AppError is a defect and its text stays inside. */

/** The closed list of kinds; the transport maps each to one status, so a new kind does not compile until it is mapped. */
export type ErrorKind =
  | "invalid"
  | "unauthenticated"
  | "forbidden"
  | "missing"
  | "methodNotAllowed"
  | "conflict"
  | "preconditionFailed"
  | "unprocessable"
  | "tooLarge"
  | "unsupportedMediaType"
  | "unavailable";

/** One thing that is wrong with a request. `path` is empty where no single property is meant. */
export interface Problem {
  path: string;
  message: string;
}

/**
 * An error that is safe and meant to be shown to the caller.
 *
 * `message` stands alone, because published clients print nothing else: the first detail, then how many more there are.
 * `code` is dotted and stable, for logs and tests.
 */
export class AppError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly details: readonly string[];
  readonly retryAfterSeconds: number | undefined;
  /** The present entity tag, where another was expected. */
  readonly etag: string | undefined;

  /**
   * @param kind what sort of refusal it is
   * @param code dotted, stable, `noun.reason`
   * @param details one sentence a problem, at least one
   * @param options `retryAfterSeconds`: when trying again may help, how long to wait first; `total`: how many problems
   *   there are, where `details` does not hold them all; `tag`: the present entity tag
   */
  constructor(
    kind: ErrorKind,
    code: string,
    details: readonly [string, ...string[]],
    options: { retryAfterSeconds?: number | undefined; total?: number; tag?: string } = {},
  ) {
    const others = (options.total ?? details.length) - 1;
    super(others === 0 ? details[0] : `${details[0]} (and ${others} more)`);
    this.name = "AppError";
    this.kind = kind;
    this.code = code;
    this.details = details;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.etag = options.tag;
  }
}

/** A 256 KiB body can hold more than 100,000 mistakes; no answer lists more than this many. */
const LISTED_PROBLEMS = 1_000;

/**
 * Builds the one error that lists everything wrong with a request.
 *
 * @param problems what was found; must not be empty
 */
export function invalid(problems: readonly Problem[]): AppError {
  const [first = "The request is invalid.", ...rest] = problems
    .slice(0, LISTED_PROBLEMS)
    .map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  const unlisted = problems.length - LISTED_PROBLEMS;
  if (unlisted > 0) rest.push(`${unlisted} more problems are not listed`);
  return new AppError("invalid", "request.invalid", [first, ...rest], { total: Math.max(1, problems.length) });
}

/** Builds the one answer to a missing, malformed, unknown, expired or revoked token, which tells nobody which it was. */
export function unauthenticated(): AppError {
  return new AppError("unauthenticated", "token.refused", [
    "A valid personal access token is needed: send it as `Authorization: Token <token>`.",
  ]);
}

/** @param text a sentence that says what is not allowed */
export function forbidden(code: string, text: string): AppError {
  return new AppError("forbidden", code, [text]);
}

/** @param text a sentence that names what is missing */
export function notFound(code: string, text: string): AppError {
  return new AppError("missing", code, [text]);
}

/**
 * @param text a sentence that names what the request conflicts with
 * @param retryAfterSeconds given where the conflict passes by itself
 */
export function conflict(code: string, text: string, retryAfterSeconds?: number): AppError {
  return new AppError("conflict", code, [text], { retryAfterSeconds });
}

/** Builds the answer for work that could not be done now and may be tried again as it is. */
export function unavailable(code: string, text: string): AppError {
  return new AppError("unavailable", code, [text], { retryAfterSeconds: 1 });
}

/** What an operator is told of anything that was thrown: every problem, a line each. */
export function errorText(error: unknown): string {
  if (error instanceof AppError) return error.details.join("\n");
  return error instanceof Error ? error.message : String(error);
}
