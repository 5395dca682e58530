/** Text format of personal access tokens: recognisable, verifiable without the database, and with the key of the record. */

import { createHash, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Credentials } from "../context.ts";

/** Prefix of every token, by which secret scanners recognise it. */
export const TOKEN_PREFIX = "ame_";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const IDENTITY_LENGTH = 22; // 16 bytes in base 62
const SECRET_LENGTH = 43; // 32 bytes in base 62
const CHECKSUM_LENGTH = 6; // a CRC-32 in base 62
const BODY_LENGTH = 2 * IDENTITY_LENGTH + SECRET_LENGTH;
const PATTERN = new RegExp(`^${TOKEN_PREFIX}[0-9A-Za-z]{${BODY_LENGTH + CHECKSUM_LENGTH}}$`);

/** Number of random bytes in a token's secret. */
export const SECRET_BYTES = 32;

function toBase62(bytes: Uint8Array, length: number): string {
  let number = BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`);
  let text = "";
  for (; number > 0n; number /= 62n) text = `${ALPHABET[Number(number % 62n)]}${text}`;
  return text.padStart(length, "0");
}

function fromBase62(text: string, bytes: number): Buffer | undefined {
  let number = 0n;
  for (const character of text) number = number * 62n + BigInt(ALPHABET.indexOf(character));
  const hex = number.toString(16).padStart(bytes * 2, "0");
  return hex.length === bytes * 2 ? Buffer.from(hex, "hex") : undefined;
}

const identityBytes = (identity: string) => Buffer.from(identity.replaceAll("-", ""), "hex");

function identityText(bytes: Buffer): string {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

const checksum = (text: string): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(text));
  return toBase62(bytes, CHECKSUM_LENGTH);
};

/**
 * Formats a token: prefix, id of its record, its user, the secret, and a CRC-32 of all of these. It contains the identities so
 * that a request can read everything it needs in one round trip.
 *
 * @param tokenId uuid
 * @param user uuid
 * @param secret SECRET_BYTES random bytes
 */
export function formatToken(tokenId: string, user: string, secret: Uint8Array): string {
  const text =
    TOKEN_PREFIX +
    toBase62(identityBytes(tokenId), IDENTITY_LENGTH) +
    toBase62(identityBytes(user), IDENTITY_LENGTH) +
    toBase62(secret, SECRET_LENGTH);
  return text + checksum(text);
}

/**
 * Hashes a token for storage. A plain SHA-256 is enough, because the secret has 256 random bits.
 *
 * @param text the whole token
 * @returns 64 hexadecimal digits
 */
export const hashToken = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * Parses a token.
 *
 * @param text any text that a caller sent
 * @returns undefined if it cannot be a token of this product; then no database read is necessary
 */
export function parseToken(text: string): Credentials | undefined {
  if (!PATTERN.test(text) || checksum(text.slice(0, -CHECKSUM_LENGTH)) !== text.slice(-CHECKSUM_LENGTH)) {
    return undefined;
  }
  const body = text.slice(TOKEN_PREFIX.length);
  const tokenId = fromBase62(body.slice(0, IDENTITY_LENGTH), 16);
  const user = fromBase62(body.slice(IDENTITY_LENGTH, 2 * IDENTITY_LENGTH), 16);
  if (tokenId === undefined || user === undefined) return undefined;
  return { tokenId: identityText(tokenId), user: identityText(user), hash: hashToken(text) };
}

/** Compares two hashes in constant time. */
export function sameHash(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one, "hex"), Buffer.from(other, "hex")];
  return left.length === right.length && timingSafeEqual(left, right);
}
