/** The keyring that the environment asks for. */

import type { Keyring } from "#core/secrets/keyring.ts";
import { kmsKeyring } from "#core/secrets/kms-keyring.ts";
import { localKeyring, memoryKeyStore } from "#core/secrets/local-keyring.ts";
import { AppError } from "#core/shared/errors.ts";
import type { Config } from "#functions/runtime/config.ts";
import { keyFile } from "./key-file.ts";
import { fileIn, isStateless, requireExternalState } from "./storage-mode.ts";

/** The file of the data directory with the keys of its keyring. */
const KEYS = "keys.json";

/** Names the place of the keyring's keys, for messages to the operator. */
export const keyringPlace = (config: Config): string =>
  config.KMS_KEY_ID ?? config.KEYS_FILE ?? fileIn(config, KEYS) ?? "the memory of the server that was there before";

/**
 * Makes the keyring: in KMS where `KMS_KEY_ID` says so, of the keys in `KEYS_FILE`, else of keys in the data directory.
 *
 * @throws AppError invalid where two are named, or none and nothing is kept here
 */
export function keyringFrom(config: Config): Keyring {
  const { KMS_KEY_ID, KEYS_FILE } = config;
  if (KMS_KEY_ID !== undefined && KEYS_FILE !== undefined) {
    throw new AppError("invalid", "config.two_keyrings", [
      "KEYS_FILE: is set, and KMS_KEY_ID is; which of the two is meant?",
    ]);
  }
  if (KMS_KEY_ID !== undefined) return kmsKeyring(KMS_KEY_ID);
  // Who names a file has it from elsewhere: one that is made here would be another one in every other place.
  if (KEYS_FILE !== undefined) return localKeyring(keyFile(KEYS_FILE, { isOwn: false }));
  if (isStateless(config)) requireExternalState(config);
  const file = fileIn(config, KEYS);
  return localKeyring(file === undefined ? memoryKeyStore() : keyFile(file, { isOwn: true }));
}
