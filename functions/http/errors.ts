/** From kinds of errors to statuses, and the one body every error has. */

import * as v from "valibot";
import { AppError, type ErrorKind } from "#core/shared/errors.ts";
import { formatValue } from "#core/shared/validation.ts";

/** The documentation's ErrorMessageResponse. */
export const ErrorMessageResponse = v.object({ details: v.array(v.string()), message: v.string() });

const STATUS: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  missing: 404,
  methodNotAllowed: 405,
  conflict: 409,
  preconditionFailed: 412,
  tooLarge: 413,
  unsupportedMediaType: 415,
  unprocessable: 422,
  unavailable: 503,
};

/** What a client may authenticate with. Both schemes take the same token. */
const CHALLENGE = 'Token realm="ame", Bearer realm="ame"';

/** An answer before it is written. */
export interface ApiResponse {
  status: number;
  body?: unknown;
  /** The body as it is sent, where that is not JSON. */
  media?: { type: string; text: string };
  headers: Record<string, string>;
}

/** Shapes what a caller is told of an error that is meant for callers. */
export function errorResponse(error: AppError): ApiResponse {
  const { kind, message, details, retryAfterSeconds, etag } = error;
  return {
    status: STATUS[kind],
    body: { message, details },
    headers: {
      ...(retryAfterSeconds === undefined ? {} : { "retry-after": `${retryAfterSeconds}` }),
      ...(etag === undefined ? {} : { etag }),
      ...(kind === "unauthenticated" ? { "www-authenticate": CHALLENGE } : {}),
    },
  };
}

/** Shapes the answer to a defect: nothing of it, but the request's id, by which the log has the rest. */
export function internalErrorResponse(requestId: string): ApiResponse {
  const message = `An internal error occurred. If you report it, name the request ${requestId}.`;
  return { status: 500, body: { message, details: [message] }, headers: {} };
}

/** No route leads there. */
export const unknownRoute = (path: string): AppError =>
  new AppError("missing", "route.unknown", [`There is nothing at ${formatValue(path, 200)}.`]);

/** A route leads there, but not with this method. */
export const methodNotAllowed = (method: string, allowed: readonly string[]): AppError =>
  new AppError("methodNotAllowed", "route.method", [
    `${method} is not allowed here; allowed are ${allowed.join(", ")}.`,
  ]);
