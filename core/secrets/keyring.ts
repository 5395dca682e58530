/** Keyring: keys that encrypt data keys and never leave their store. */

import type { SealContext } from "./seal.ts";

/** Encrypted data key, for storage. */
interface WrappedKey {
  /** Id of the keyring's key that encrypted it. */
  readonly wrappedBy: string;
  /** Base64. */
  readonly ciphertext: string;
}

/** Generates and decrypts data keys. */
export interface Keyring {
  /** Generates a data key of 32 bytes. @param context required for its decryption */
  generate(context: SealContext): Promise<{ key: Buffer; wrapped: WrappedKey }>;
  /** Decrypts a data key. @throws Error if key or context are not those of its generation */
  unwrap(wrapped: WrappedKey, context: SealContext): Promise<Buffer>;
  /** Returns whether new data keys use this key. @param id `wrappedBy` of a data key */
  isCurrent(id: string): Promise<boolean>;
  /** Lists the ids of all keys, the newest last; undefined if the key service cannot lose keys. */
  ids(): Promise<readonly string[] | undefined>;
  /** Creates the first key if there is none. @throws Error if this process may not create keys */
  ensure(): Promise<void>;
  /** Creates a new key, which encrypts all later data keys. */
  renew(): Promise<void>;
  /**
   * Removes unused keys.
   *
   * @param isUsed returns whether a data key is encrypted with a key of the ring
   */
  retire(isUsed: (id: string) => boolean): Promise<void>;
}
