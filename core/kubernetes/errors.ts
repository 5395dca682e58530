/** Errors of calls to a Kubernetes API server, classified by what the caller can do about them. */

/**
 * Kinds of errors.
 *
 * - `not-found`: the object, or the namespace of an object to write, does not exist
 * - `conflict`: another field manager owns a field, or a precondition does not hold
 * - `already-exists`: an object to create exists already
 * - `refused`: the server refused the request and will refuse it again
 * - `throttled`: the server limits the rate of requests
 * - `unavailable`: no usable response; the call may have taken effect
 * - `unauthorized`: the server or the source of the credentials does not accept them
 */
export type KubernetesErrorKind =
  | "not-found"
  | "conflict"
  | "already-exists"
  | "refused"
  | "throttled"
  | "unavailable"
  | "unauthorized";

/** Failed call. The message names the call and contains the server's own message, and no secret. */
export class KubernetesError extends Error {
  readonly kind: KubernetesErrorKind;
  /** HTTP status; undefined if there was no response. */
  readonly status: number | undefined;
  /** `reason` of the server's Status, such as `Invalid`; `KindNotServed` instead of its `NotFound` for an unknown kind. */
  readonly reason: string | undefined;
  /** Minimum delay before another attempt, in milliseconds; undefined if nothing states one. */
  readonly retryAfterMs: number | undefined;
  /** True if the error shows that the API server as a whole does not work. The circuit breaker counts these. */
  readonly isOutage: boolean;

  constructor(
    kind: KubernetesErrorKind,
    message: string,
    options: {
      status?: number | undefined;
      reason?: string | undefined;
      retryAfterMs?: number | undefined;
      isOutage?: boolean;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "KubernetesError";
    this.kind = kind;
    this.status = options.status;
    this.reason = options.reason;
    this.retryAfterMs = options.retryAfterMs;
    this.isOutage = options.isOutage ?? false;
  }
}

/** Returns whether an error is a failed call of the given kind. */
export const isKubernetesError = (error: unknown, kind: KubernetesErrorKind): error is KubernetesError =>
  error instanceof KubernetesError && error.kind === kind;

/** Reason of an error for a kind that the server does not know, or not in this version. */
export const KIND_NOT_SERVED = "KindNotServed";

/** Returns whether an error shows that the server does not know a kind: nothing of it can exist. */
export const isKindNotServed = (error: unknown): boolean =>
  error instanceof KubernetesError && error.reason === KIND_NOT_SERVED;

/** Builds the error for a call without a usable response. @param call method and path */
export const unavailableError = (call: string, problem: string, options: { status?: number; cause?: unknown } = {}) =>
  new KubernetesError("unavailable", `${call}: ${problem}`, { ...options, isOutage: true });
