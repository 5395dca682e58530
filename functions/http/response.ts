/** Writes responses. */

import { gzip } from "node:zlib";
import type { Context } from "#core/context.ts";
import { AppError } from "#core/shared/errors.ts";
import { type ApiResponse, errorResponse } from "./errors.ts";
import { preferencesApplied } from "./request.ts";

/** Maximum length of an ignored name in a warning, and maximum number of names, by the contract. */
const WARNED_BYTES = 64;
const WARNED_NAMES = 10;

/** Minimum size of a compressed response, in bytes. */
const COMPRESSED_BYTES = 1024 * 1024;

/** Maximum size of a response, in bytes: less than API Gateway accepts from a Lambda, because of its envelope. */
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;

/** Header of a request's id. */
export const REQUEST_ID = "x-request-id";

/** Makes a response. @param body its bytes; null for none */
export type Respond = (
  body: Buffer<ArrayBuffer> | null,
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
  if (response.body === undefined) return respond(null, { status: response.status, headers });
  const { text: written, type } = response.media ?? { text: JSON.stringify(response.body), type: "application/json" };
  const text = Buffer.from(written);
  const isLarge = text.length > COMPRESSED_BYTES;
  const bytes = isLarge && takesGzip(accepted) ? await compress(text) : text;
  if (bytes.length > MAX_RESPONSE_BYTES) {
    const refusal = new AppError("invalid", "response.too_large", [
      `pageSize: the response would be larger than ${MAX_RESPONSE_BYTES} bytes; use a smaller pageSize`,
    ]);
    return writeResponse(errorResponse(refusal), context, accepted, respond);
  }
  return respond(bytes, {
    status: response.status,
    headers: {
      ...headers,
      ...(isLarge ? { vary: "Accept-Encoding" } : {}),
      ...(bytes === text ? {} : { "content-encoding": "gzip" }),
      "content-type": `${type}; charset=utf-8`,
    },
  });
}

// Not promisified, because importing node:util loads workers and argument parsers at every start of a function.
const compress = (text: Buffer): Promise<Buffer<ArrayBuffer>> =>
  new Promise((resolve, reject) => {
    gzip(text, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  });

/** Returns whether a client accepts gzip: it names gzip, or `*`, with a weight above 0. */
function takesGzip(header: string | undefined): boolean {
  return (header ?? "").split(",").some((each) => {
    const [coding = "", ...parameters] = each.split(";").map((part) => part.trim().toLowerCase());
    return ["gzip", "x-gzip", "*"].includes(coding) && !parameters.some((part) => /^q=0(\.0*)?$/.test(part));
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
