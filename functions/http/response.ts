/** From an answer to the response that is sent. */

import { gzip } from "node:zlib";
import type { Context } from "#core/context.ts";
import { AppError } from "#core/shared/errors.ts";
import { type ApiResponse, errorResponse } from "./errors.ts";
import { preferencesApplied } from "./request.ts";

/** How much of an ignored name a warning repeats, and how many of them, by the contract. */
const WARNED_BYTES = 64;
const WARNED_NAMES = 10;

/** Answers beyond this are compressed for whoever takes that, in bytes. */
const COMPRESSED_BYTES = 1024 * 1024;

/** The largest answer, in bytes: what API Gateway lets a Lambda answer, with room for its envelope. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** The header of a request's id. */
export const REQUEST_ID = "x-request-id";

/** Makes a response. @param body its bytes; null where it has none */
export type Respond = (
  body: Buffer<ArrayBuffer> | null,
  init: { status: number; headers: Record<string, string> },
) => Response;

/**
 * Writes an answer with what every answer carries.
 *
 * @param accepted the caller's `Accept-Encoding`
 */
export async function write(
  answered: ApiResponse,
  context: Context,
  accepted: string | undefined,
  respond: Respond,
): Promise<Response> {
  const headers: Record<string, string> = { ...answered.headers, [REQUEST_ID]: context.requestId };
  const { ignored, replayed, retryAfterSeconds } = context.responseMetadata;
  if (ignored.size > 0) headers.warning = warningOf(ignored);
  if (replayed && answered.status < 400) headers["idempotency-replayed"] = "true";
  if (retryAfterSeconds !== undefined && answered.status < 400) headers["retry-after"] = `${retryAfterSeconds}`;
  const applied = preferencesApplied(context);
  if (applied !== undefined) headers["preference-applied"] = applied;
  if (answered.body === undefined) return respond(null, { status: answered.status, headers });
  const { text: written, type } = answered.media ?? { text: JSON.stringify(answered.body), type: "application/json" };
  const text = Buffer.from(written);
  const isLarge = text.length > COMPRESSED_BYTES;
  const bytes = isLarge && takesGzip(accepted) ? await compress(text) : text;
  if (bytes.length > MAX_ANSWER_BYTES) {
    const refusal = new AppError("invalid", "answer.too_large", [
      `pageSize: the answer would be larger than ${MAX_ANSWER_BYTES} bytes; ask for a smaller pageSize`,
    ]);
    return write(errorResponse(refusal), context, accepted, respond);
  }
  return respond(bytes, {
    status: answered.status,
    headers: {
      ...headers,
      ...(isLarge ? { vary: "Accept-Encoding" } : {}),
      ...(bytes === text ? {} : { "content-encoding": "gzip" }),
      "content-type": `${type}; charset=utf-8`,
    },
  });
}

// By hand, because importing node:util for it loads workers and argument parsers with every start of a function.
const compress = (text: Buffer): Promise<Buffer<ArrayBuffer>> =>
  new Promise((resolve, reject) => {
    gzip(text, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  });

/** Whether a client takes gzip: names it, or anything, and not with a weight of nothing. */
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
