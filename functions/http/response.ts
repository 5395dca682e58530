/** Writes responses. */

import type { Context } from "#core/context.ts";
import { AppError } from "#core/shared/errors.ts";
import { encodeBody, varyByCoding } from "./content-coding.ts";
import { type ApiResponse, errorResponse } from "./errors.ts";
import { preferencesApplied } from "./request.ts";

/** Maximum length of an ignored name in a warning, and maximum number of names, by the contract. */
const WARNED_BYTES = 64;
const WARNED_NAMES = 10;

/** Maximum size of a response, in bytes: less than API Gateway accepts from a Lambda, because of its envelope. */
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;

/** Status of a read whose data the client already has. */
const NOT_MODIFIED = 304;

/** Header of a request's id. */
export const REQUEST_ID = "x-request-id";

/** Makes a response. @param body its text, or its bytes if they are compressed; null for none */
export type Respond = (
  body: string | Buffer<ArrayBuffer> | null,
  init: { status: number; headers: Record<string, string> },
) => Response;

/**
 * Writes a response with the headers that every response has.
 *
 * @param accepted the caller's `Accept-Encoding`
 */
export async function writeResponse(
  response: ApiResponse,
  context: Context,
  accepted: string | undefined,
  respond: Respond,
): Promise<Response> {
  const headers: Record<string, string> = { ...response.headers, [REQUEST_ID]: context.requestId };
  const { ignored, replayed, retryAfterSeconds } = context.responseMetadata;
  if (ignored.size > 0) headers.warning = warningOf(ignored);
  if (replayed && response.status < 400) headers["idempotency-replayed"] = "true";
  if (retryAfterSeconds !== undefined && response.status < 400) headers["retry-after"] = `${retryAfterSeconds}`;
  const applied = preferencesApplied(context);
  if (applied !== undefined) headers["preference-applied"] = applied;
  if (response.body === undefined) {
    // The body that a read would have sent could be compressed.
    return respond(null, {
      status: response.status,
      headers: response.status === NOT_MODIFIED ? varyByCoding(headers) : headers,
    });
  }
  const { text, type } = response.media ?? { text: JSON.stringify(response.body), type: "application/json" };
  const encoded = await encodeBody({ body: text, headers }, accepted);
  if (Buffer.byteLength(encoded.body) > MAX_RESPONSE_BYTES) {
    const refusal = new AppError("invalid", "response.too_large", [
      `pageSize: the response would be larger than ${MAX_RESPONSE_BYTES} bytes; use a smaller pageSize`,
    ]);
    return writeResponse(errorResponse(refusal), context, accepted, respond);
  }
  return respond(encoded.body, {
    status: response.status,
    headers: { ...encoded.headers, "content-type": `${type}; charset=utf-8` },
  });
}

/** Builds the text of a warning that names what was ignored. No name can end the header early, because names are encoded. */
function warningOf(ignored: ReadonlySet<string>): string {
  const names = [...new Set([...ignored].map(encodePath))];
  const shown = names.slice(0, WARNED_NAMES);
  const more = names.length - shown.length;
  return `299 - "Ignored, because unknown: ${shown.join(", ")}${more > 0 ? `, and ${more} more` : ""}"`;
}

/** Encodes the path of a property for a header, and cuts it. Positions in lists stay readable: `nodePools[0].more`. */
export const encodePath = (path: string): string =>
  encodeURIComponent(path.toWellFormed())
    .replace(/%5B(\d+)%5D/g, "[$1]")
    .slice(0, WARNED_BYTES);

/**
 * Formats the Link header (RFC 8288) of a page, with absolute URLs.
 *
 * @param url URL of the request, without its query
 * @param links relation and query of each link
 */
export const linkHeader = (url: string, links: readonly (readonly [rel: string, query: string])[]): string =>
  links.map(([rel, query]) => `<${url}?${query}>; rel="${rel}"`).join(", ");
