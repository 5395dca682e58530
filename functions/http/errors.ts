/** Statuses of errors, and the body that every error has. */

import * as v from "valibot";
import { AppError, type ErrorKind } from "#core/shared/errors.ts";
import { formatValue } from "#core/shared/validation.ts";

/** ErrorMessageResponse of the API documentation. */
export const ErrorMessageResponse = v.object({ details: v.array(v.string()), message: v.string() });

const STATUS: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  preconditionFailed: 412,
  idempotencyKeyReused: 422,
  unavailable: 503,
};

const HTTP_STATUS = { methodNotAllowed: 405, tooLarge: 413, unsupportedMediaType: 415 } as const;

/** Kinds of errors that only HTTP has. */
type HttpErrorKind = keyof typeof HTTP_STATUS;

/** Error of a kind that only HTTP has. Operations pass it on as they pass on any error of a request that cannot be parsed. */
export class HttpError extends AppError {
  readonly status: number;

  /** @param text sentence for the caller */
  constructor(kind: HttpErrorKind, code: string, text: string) {
    super("invalid", code, [text]);
    this.status = HTTP_STATUS[kind];
  }
}

/** Authentication schemes. Both take the same token. */
const CHALLENGE = 'Token realm="ame", Bearer realm="ame"';

/** Says how a token is sent, for a request without a valid one. */
const TOKEN_NEEDED = "A valid personal access token is needed: send it as `Authorization: Token <token>`.";

/** Response before it is written. */
export interface ApiResponse {
  status: number;
  body?: unknown;
  /** The body as it is sent, if that is not JSON. */
  media?: { type: string; text: string };
  headers: Record<string, string>;
}

/** Body of an error. */
export type ErrorBody = v.InferOutput<typeof ErrorMessageResponse>;

/** Builds the response to an error that callers may see. */
export function errorResponse(error: AppError): ApiResponse {
  const { kind, message, details, retryAfterSeconds, etag } = error;
  if (kind === "unauthenticated") {
    const body = { message: TOKEN_NEEDED, details: [TOKEN_NEEDED] };
    return { status: STATUS[kind], body, headers: { "www-authenticate": CHALLENGE } };
  }
  return {
    status: error instanceof HttpError ? error.status : STATUS[kind],
    body: { message, details },
    headers: {
      ...(retryAfterSeconds === undefined ? {} : { "retry-after": `${retryAfterSeconds}` }),
      ...etagHeader(etag),
    },
  };
}

/** Builds the header of an entity tag. @param etag without quotes; undefined or empty for none, as of a dry run */
export const etagHeader = (etag: string | undefined): Record<string, string> =>
  etag === undefined || etag === "" ? {} : { etag: `"${etag}"` };

/** Builds the response to a defect. It contains only the request's id, with which the log entry can be found. */
export function internalErrorResponse(requestId: string): ApiResponse {
  const message = `Internal error. If you report it, quote the request id ${requestId}.`;
  return { status: 500, body: { message, details: [message] }, headers: {} };
}

/** Builds the error for a path that no route has. */
export const unknownRoute = (path: string): AppError =>
  new AppError("notFound", "route.unknown", [`Unknown path ${formatValue(path, 200)}.`]);

/** Builds the error for a method that no route of the path has. */
export const methodNotAllowed = (method: string, allowed: readonly string[]): AppError =>
  new HttpError("methodNotAllowed", "route.method", `${method} is not allowed here; allowed: ${allowed.join(", ")}.`);
