/** Keys that encrypt data keys, and never leave where they are kept. */

import type { SealContext } from "./seal.ts";

/** A data key as it may be stored. */
export interface WrappedKey {
  /** Which key of the keyring encrypted it. */
  readonly wrappedBy: string;
  /** Base64. */
  readonly ciphertext: string;
}

/** Makes data keys, and decrypts them again. */
export interface Keyring {
  /** Draws a data key of 32 bytes. @param context without which it does not decrypt */
  generate(context: SealContext): Promise<{ key: Buffer; wrapped: WrappedKey }>;
  /** Decrypts a data key. @throws Error where key or context are not those it was made with */
  unwrap(wrapped: WrappedKey, context: SealContext): Promise<Buffer>;
  /** Whether data keys are made under this key now. @param id `wrappedBy` of a data key */
  isCurrent(id: string): Promise<boolean>;
  /** Lists the ids of all keys, the newest last; undefined where the service that keeps them cannot lose them. */
  ids(): Promise<readonly string[] | undefined>;
  /** Makes the first key where there is none. @throws Error where keys are only brought from elsewhere */
  ensure(): Promise<void>;
  /** Makes a new key, under which all data keys are made from now on. */
  renew(): Promise<void>;
  /**
   * Removes keys under which no data key is any more.
   *
   * @param isUsed whether there is a data key under a key of the ring
   */
  retire(isUsed: (id: string) => boolean): Promise<void>;
}
