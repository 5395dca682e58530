/** Parses the parts of an HTTP request that are the same for all operations. */

import { createHash, createHmac } from "node:crypto";
import type { Context, Credentials, IdempotencyRequest } from "#core/context.ts";
import { AppError, invalid } from "#core/shared/errors.ts";
import { contains, parseAddress, parseCidr } from "#core/shared/ip.ts";
import { parseJson } from "#core/shared/json.ts";
import { formatValue } from "#core/shared/validation.ts";
import { parseToken } from "#core/tenancy/token.ts";
import { HttpError } from "./errors.ts";
import type { RawQuery } from "./query.ts";

/** Maximum size of a body, in bytes. */
export const MAX_BODY_BYTES = 256 * 1024;

const REQUEST_ID = /^[A-Za-z0-9_-]{1,128}$/;
const AUTHORIZATION = /^(?:token|bearer) +([^ ]+) *$/i;

/** Returns the id that a caller gave a request, if it is valid. */
export const requestIdOf = (header: string | undefined): string | undefined =>
  header !== undefined && REQUEST_ID.test(header) ? header : undefined;

/** Parses an Authorization header; undefined if it contains no token of this product. */
export function credentialsOf(header: string | undefined): Credentials | undefined {
  const token = tokenIn(header ?? null);
  return token === undefined ? undefined : parseToken(token);
}

const tokenIn = (header: string | null): string | undefined => AUTHORIZATION.exec(header ?? "")?.[1];

/**
 * Returns a path with every segment percent-encoded in one way. Gateways pass paths on decoded, so the spelling must make no
 * difference: otherwise transports would differ.
 */
export const canonicalPath = (pathname: string): string =>
  pathname
    .split("/")
    .map((segment) => {
      try {
        return encodeURIComponent(decodeURIComponent(segment));
      } catch {
        // Not UTF-8, or no valid percent-encoding: no path of this API has such a segment.
        return segment;
      }
    })
    .join("/");

/** Returns whether a template serves a path. A variable in braces matches any segment that is not empty. */
export function matchesPath(template: string, pathname: string): boolean {
  const [wanted, given] = [template.split("/"), pathname.split("/")];
  return (
    wanted.length === given.length &&
    wanted.every((segment, position) =>
      segment.startsWith("{") ? given[position] !== "" : segment === given[position],
    )
  );
}

/** Parses a request's query. Percent-encoding that is malformed, or is not UTF-8, is not decoded; `+` is a space. */
export function queryOf(url: string): RawQuery {
  const start = url.indexOf("?");
  const text = start === -1 ? "" : (url.slice(start + 1).split("#")[0] ?? "");
  const sent = text.split("&").filter((each) => each !== "");
  const pairs = [...new URLSearchParams(text)].map(([name, value], index): [string, string] => {
    const [ownName = "", ...ownValue] = (sent[index] ?? "").split("=");
    return [decodedOr(name, ownName), decodedOr(value, ownValue.join("="))];
  });
  return { pairs, bytes: Buffer.byteLength(text) };
}

/** Returns a decoded text, or the text as sent if decoding replaced bytes that are not UTF-8. */
const decodedOr = (decoded: string, sent: string): string =>
  decoded.includes("\ufffd") && !/%EF%BF%BD|\ufffd/i.test(sent) ? sent : decoded;

/**
 * Returns the caller's address: from the nearest proxy on, the first address that is not one of a trusted proxy.
 *
 * @param peer peer of the connection
 * @param forwarded X-Forwarded-For, the farthest first
 * @param trusted CIDR blocks of trusted proxies
 */
export function sourceAddressOf(
  peer: string | undefined,
  forwarded: string | undefined,
  trusted: readonly string[],
): string | undefined {
  const isTrusted = (text: string) => {
    const address = parseAddress(text);
    return (
      address !== undefined &&
      trusted.some((each) => {
        const block = parseCidr(each);
        return typeof block !== "string" && contains(block, address);
      })
    );
  };
  let source = peer;
  for (const hop of (forwarded ?? "").split(",").reverse()) {
    if (source === undefined || !isTrusted(source)) break;
    const next = hop.trim();
    if (parseAddress(next) === undefined) break;
    source = next;
  }
  return source === undefined ? undefined : (parseAddress(source)?.toString() ?? source);
}

/** Members of a request that are read for its body. */
interface IncomingBody {
  headers: Pick<Headers, "get">;
  body: AsyncIterable<Uint8Array> | null;
}

/** Body of a request, or the reason why it could not be read. */
interface ReadBody {
  body: unknown;
  /** The text that the body was read from; undefined if none was read. */
  text?: string;
  refusal: AppError | undefined;
  /** SHA-256 of the bytes, in hexadecimal. */
  hash: string;
}

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

/** Returns a hash that can only be computed with a key. @param key undefined for none: such a request is refused */
const keyedHash = (key: string | undefined, text: string) =>
  createHmac("sha256", key ?? "")
    .update(text)
    .digest("hex");

/** Result for a request without a body. */
export const NO_BODY: ReadBody = { body: undefined, refusal: undefined, hash: sha256("") };

const refuse = (refusal: AppError): ReadBody => ({ ...NO_BODY, refusal });

const KEY_HEADER = "Idempotency-Key";
const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/;

/**
 * Parses the `Idempotency-Key` of a request. A dry run changes nothing, so its key is ignored.
 *
 * @param bodyHash SHA-256 of the body's bytes
 * @param hasSecretBody true to make the fingerprint with the caller's token, which is stored nowhere: otherwise a reader of the database
 *   could guess a weak secret by its hash. A retry has the same token
 * @returns the error of a malformed key; undefined if there is none
 */
export function idempotencyOf(
  request: Request,
  url: URL,
  query: RawQuery,
  bodyHash: string,
  hasSecretBody = false,
): IdempotencyRequest | AppError | undefined {
  const key = request.headers.get(KEY_HEADER);
  if (key === null || query.pairs.some(([name, value]) => name === "dryRun" && value === "true")) return undefined;
  if (!IDEMPOTENCY_KEY.test(key)) {
    return invalid([{ path: KEY_HEADER, message: "must be 1 to 255 printable ASCII characters" }]);
  }
  const sent = [request.method, url.pathname, url.search, bodyHash].join("\n");
  return {
    name: KEY_HEADER,
    keyHash: sha256(key),
    storesResponse: request.method === "POST",
    fingerprint: hasSecretBody ? keyedHash(tokenIn(request.headers.get("authorization")), sent) : sha256(sent),
  };
}

/** Returns the value of a preference, without quotes; undefined if there is none. Of several, the first counts (RFC 7240). */
function preference(header: string, name: string): string | undefined {
  // A comma within quotes does not separate.
  for (const each of header.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? []) {
    // Parameters follow a semicolon; these preferences have none.
    const [own = ""] = each.split(";");
    const [token = "", ...value] = own.split("=");
    if (token.trim().toLowerCase() === name) return value.join("=").trim().replaceAll('"', "").toLowerCase();
  }
  return undefined;
}

/**
 * Parses the known preferences of a `Prefer` header.
 *
 * @returns the setting that refuses unknown properties, and the maximum wait in seconds; 0 also if that is not a whole number
 */
export function preferencesOf(header = ""): Pick<Context, "strictSetting" | "waitSeconds"> {
  const wait = preference(header, "wait") ?? "";
  return {
    strictSetting: preference(header, "handling") === "strict" ? "Prefer: handling=strict" : undefined,
    waitSeconds: /^[0-9]+$/.test(wait) ? Number(wait) : 0,
  };
}

/** Lists the applied preferences for `Preference-Applied`; undefined if there are none. */
export function preferencesApplied({
  strictSetting,
  responseMetadata,
}: Pick<Context, "strictSetting" | "responseMetadata">): string | undefined {
  const applied = [
    ...(strictSetting === undefined ? [] : ["handling=strict"]),
    ...(responseMetadata.waitedSeconds > 0 ? [`wait=${responseMetadata.waitedSeconds}`] : []),
  ];
  return applied.length === 0 ? undefined : applied.join(", ");
}

/** Reads a JSON body: content type first, then size, then syntax. @param isOptional true if the body may be absent */
export async function readBody(request: IncomingBody, isOptional = false): Promise<ReadBody> {
  const type = request.headers.get("content-type");
  const mayHaveBody = request.body !== null && request.headers.get("content-length") !== "0";
  // Node's server gives every POST a body to read, also if the request has none.
  const hasBody = mayHaveBody && (isJson(type) || (await hasBytes(request)));
  if (hasBody && !isJson(type)) {
    return refuse(
      new HttpError(
        "unsupportedMediaType",
        "body.media_type",
        `The content type ${formatValue(type ?? "", 100)} is not supported; send application/json in UTF-8.`,
      ),
    );
  }
  let bytes: Uint8Array | undefined;
  try {
    bytes = hasBody ? await readBytes(request) : new Uint8Array();
  } catch {
    // The connection failed; the reason is of no use to the client.
    return refuse(new AppError("invalid", "body.incomplete", ["The body ended before it was complete."]));
  }
  if (bytes === undefined) {
    return refuse(new HttpError("tooLarge", "body.too_large", `The body is larger than ${MAX_BODY_BYTES} bytes.`));
  }
  if (isOptional && bytes.length === 0) return NO_BODY;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { body: parseJson(text), text, refusal: undefined, hash: sha256(bytes) };
  } catch (error) {
    const reason =
      bytes.length === 0 ? "it is empty" : error instanceof SyntaxError ? "its syntax is wrong" : "it is not UTF-8";
    return refuse(new AppError("invalid", "body.not_json", [`The body is not JSON: ${reason}.`]));
  }
}

/** Returns whether a content type is JSON in UTF-8, the default charset. */
function isJson(type: string | null): boolean {
  const [media = "", ...parameters] = (type ?? "").toLowerCase().split(";");
  const charset = parameters.map((each) => each.trim()).find((each) => each.startsWith("charset="));
  return (
    media.trim() === "application/json" &&
    (charset === undefined || ["utf-8", "utf8"].includes(charset.slice("charset=".length).replaceAll('"', "")))
  );
}

/** Returns whether a body has bytes. It consumes them. */
async function hasBytes({ body }: IncomingBody): Promise<boolean> {
  try {
    for await (const chunk of body ?? []) if (chunk.length > 0) return true;
    return false;
  } catch {
    // The connection failed, so the client was sending a body.
    return true;
  }
}

/** Reads a body up to the limit; undefined if it is larger. */
async function readBytes(request: IncomingBody): Promise<Uint8Array | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
