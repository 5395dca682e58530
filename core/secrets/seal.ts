/** Authenticated encryption, AES-256-GCM, bound to the place of the ciphertext. */

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { compareNames } from "../shared/order.ts";

/** Length of a key, in bytes. */
export const KEY_BYTES = 32;

// Recommendation of NIST SP 800-38D for GCM: a random initialisation vector of 96 bits and a tag of 128 bits.
const IV_BYTES = 12;
const TAG_BYTES = 16;
const ALGORITHM = "aes-256-gcm";

/** Context of a ciphertext. It decrypts only with exactly the same names and values. */
export type SealContext = Readonly<Record<string, string>>;

/** Encodes a context with ordered names, so that equal contexts give equal bytes. */
const bytesOf = (context: SealContext): Buffer =>
  Buffer.from(JSON.stringify(Object.entries(context).sort(compareNames)));

/**
 * Encrypts and authenticates a plaintext.
 *
 * @param key 32 bytes
 * @returns initialisation vector, tag and ciphertext, as base64
 */
export function seal(key: Buffer, plaintext: Buffer, context: SealContext): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES }).setAAD(bytesOf(context));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]).toString("base64");
}

/** Error for a ciphertext of another place or another key. The message contains no content. */
export class UnsealError extends Error {}

/**
 * Decrypts a result of `seal`.
 *
 * @throws UnsealError if key, context or ciphertext are not those of the encryption
 */
export function unseal(key: Buffer, sealed: string, context: SealContext): Buffer {
  const bytes = Buffer.from(sealed, "base64");
  const [iv, tag] = [bytes.subarray(0, IV_BYTES), bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES)];
  if (tag.length < TAG_BYTES) throw new UnsealError("a ciphertext is truncated");
  const decipher = createDecipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES }).setAAD(bytesOf(context));
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
  } catch {
    throw new UnsealError("a ciphertext was not encrypted with this key for this place");
  }
}
