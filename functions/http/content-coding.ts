/** Compresses bodies with a content coding that the client accepts (RFC 9110, sections 8.4 and 12.5.3). */

import { brotliCompress, brotliCompressSync, constants, gzip, gzipSync } from "node:zlib";

/** Content codings of responses. Of equal weight the first is used: it is faster, and its result is smaller. */
const CODINGS = ["br", "gzip"] as const;
type Coding = (typeof CODINGS)[number];

/** Size above which a body is compressed, in bytes. Smaller ones fit into about one window of a new connection (RFC 6928: 14 KB). */
const COMPRESSED_BYTES = 16 * 1024;

/**
 * Size above which a body is compressed in another thread, in bytes. Below, starting that takes as long as the compression
 * (docs/performance.md).
 */
const THREAD_BYTES = 256 * 1024;

// Higher levels take several times as long and save a tenth (docs/performance.md).
const GZIP = { level: 1 };
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };

/** Pattern of one member in `Accept-Encoding`: a coding, and possibly its weight (RFC 9110, section 12.4.2). */
const MEMBER = /^([\w!#$%&'*+.^`|~-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/;

/** Body and headers of a response. */
export interface Encoded {
  body: string | Buffer<ArrayBuffer>;
  headers: Record<string, string>;
}

/**
 * Encodes the body of a response for its client: over 16 KiB, or if the client refuses plain bodies, with a content coding that the
 * client accepts. A response that no cache may store contains secrets, and stays plain so that its size does not depend on them.
 *
 * @param accepted the client's `Accept-Encoding`; undefined if it sent none
 * @returns the body with its headers. An entity tag names the coding, because each representation needs its own (RFC 9110, section
 *   8.8.3.3)
 */
export async function encodeBody({ body, headers }: Encoded, accepted: string | undefined): Promise<Encoded> {
  if (headers["cache-control"] === "no-store") return { body, headers };
  const varied = varyByCoding(headers);
  const coding = codingFor(accepted ?? "", Buffer.byteLength(body));
  if (coding === undefined) return { body, headers: varied };
  const { etag } = varied;
  return {
    body: await compress(Buffer.from(body), coding),
    headers: {
      ...varied,
      "content-encoding": coding,
      ...(etag === undefined ? {} : { etag: etag.replace(/"$/, `-${coding}"`) }),
    },
  };
}

/** Adds `Accept-Encoding` to the `Vary` of a response whose body depends on it, or would, as for 304. */
export const varyByCoding = (headers: Record<string, string>): Record<string, string> => ({
  ...headers,
  vary: headers.vary === undefined ? "Accept-Encoding" : `${headers.vary}, Accept-Encoding`,
});

/** Returns an entity tag without the content coding that `encodeBody` added. @param opaque tag without quotes */
export const withoutCoding = (opaque: string): string => opaque.replace(/-(?:br|gzip)$/, "");

/** Chooses the content coding of a body; undefined for none. @param length size of the body, in bytes */
function codingFor(accepted: string, length: number): Coding | undefined {
  const weights = weightsIn(accepted);
  const others = weights.get("*");
  const weightOf = (coding: Coding) => weights.get(coding) ?? others ?? 0;
  const best = CODINGS.reduce((one, other) => (weightOf(other) > weightOf(one) ? other : one));
  if (weightOf(best) === 0) return undefined;
  // Plain bodies are acceptable unless they are refused by name, or by `*` (RFC 9110, section 12.5.3).
  const plain = weights.get("identity") ?? (others === 0 ? 0 : undefined);
  if (plain === 0) return best;
  return length > COMPRESSED_BYTES && weightOf(best) >= (plain ?? 0) ? best : undefined;
}

/** Parses `Accept-Encoding` to weights by coding. A malformed member is left out. Of a repeated coding, the first counts. */
function weightsIn(accepted: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const member of accepted.toLowerCase().split(",")) {
    const [, coding = "", weight = "1"] = MEMBER.exec(member.trim()) ?? [];
    const name = coding === "x-gzip" ? "gzip" : coding;
    if (name !== "" && !weights.has(name)) weights.set(name, Number(weight));
  }
  return weights;
}

async function compress(bytes: Buffer<ArrayBuffer>, coding: Coding): Promise<Buffer<ArrayBuffer>> {
  if (bytes.length <= THREAD_BYTES) return coding === "br" ? brotliCompressSync(bytes, BROTLI) : gzipSync(bytes, GZIP);
  // Not promisified, because importing node:util loads workers and argument parsers at every start of a function.
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, compressed: Buffer<ArrayBuffer>) =>
      error === null ? resolve(compressed) : reject(error);
    if (coding === "br") brotliCompress(bytes, BROTLI, done);
    else gzip(bytes, GZIP, done);
  });
}
