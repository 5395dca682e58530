/** Authenticated encryption: AES-256-GCM, bound to the place where the ciphertext lies. */

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

/** Length of a key, in bytes. */
export const KEY_BYTES = 32;

// What NIST SP 800-38D recommends for GCM: 96 bits of initialisation vector, drawn by chance, and a tag of 128 bits.
const IV_BYTES = 12;
const TAG_BYTES = 16;
const ALGORITHM = "aes-256-gcm";

/** What a ciphertext belongs to. It decrypts with the very same names and values alone. */
export type SealContext = Readonly<Record<string, string>>;

/** Names in order, so that the same context always gives the same bytes. */
const bytesOf = (context: SealContext): Buffer =>
  Buffer.from(JSON.stringify(Object.entries(context).sort(([one], [other]) => (one < other ? -1 : 1))));

/**
 * Encrypts.
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

/** A ciphertext that does not belong where it was found, or not to this key. Says nothing of what is in it. */
export class UnsealError extends Error {}

/**
 * Decrypts what `seal` made.
 *
 * @throws UnsealError where key, context or ciphertext are not those of the sealing
 */
export function unseal(key: Buffer, sealed: string, context: SealContext): Buffer {
  const bytes = Buffer.from(sealed, "base64");
  const [iv, tag] = [bytes.subarray(0, IV_BYTES), bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES)];
  if (tag.length < TAG_BYTES) throw new UnsealError("a secret is cut off");
  const decipher = createDecipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES }).setAAD(bytesOf(context));
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
  } catch {
    throw new UnsealError("a secret does not belong to this key or this place");
  }
}
