/** Chooses the keyring by the configuration. */

import type { Keyring } from "#core/secrets/keyring.ts";
import { createKmsKeyring } from "#core/secrets/kms-keyring.ts";
import { createLocalKeyring, createMemoryKeyStore, generateKeys, type LocalKeys } from "#core/secrets/local-keyring.ts";
import { AppError } from "#core/shared/errors.ts";
import type { Config } from "#functions/runtime/config.ts";
import { createKeyFileStore } from "./key-file.ts";
import { fileIn, isStateless, requireExternalState } from "./storage-mode.ts";

/** Key file in the data directory. */
const KEYS = "keys.json";

/** Returns the location of the keyring's keys, for messages to the operator. */
export const keyringLocation = (config: Config): string =>
  config.KMS_KEY_ID ?? config.KEYS_FILE ?? fileIn(config, KEYS) ?? "the memory of an earlier server process";

/** Generates the keys of a keyring in memory, which all threads need; undefined if the keys are stored elsewhere. */
export function generateKeysInMemory(config: Config): LocalKeys | undefined {
  const isElsewhere = config.KMS_KEY_ID ?? config.KEYS_FILE ?? fileIn(config, KEYS);
  return isElsewhere === undefined ? generateKeys() : undefined;
}

/**
 * Creates the keyring: in KMS if `KMS_KEY_ID` is set, with the keys in `KEYS_FILE` if that is set, otherwise with keys in the data
 * directory or in memory.
 *
 * @param inMemory result of `generateKeysInMemory`
 * @throws AppError invalid if both are set, or neither and the server stores no data itself
 */
export function createKeyring(config: Config, inMemory?: LocalKeys): Keyring {
  const { KMS_KEY_ID, KEYS_FILE } = config;
  if (KMS_KEY_ID !== undefined && KEYS_FILE !== undefined) {
    throw new AppError("invalid", "config.two_keyrings", [
      "KEYS_FILE: must not be set together with KMS_KEY_ID; unset one of them",
    ]);
  }
  if (KMS_KEY_ID !== undefined) return createKmsKeyring(KMS_KEY_ID);
  // A configured file is shared with other servers, so it is not created here.
  if (KEYS_FILE !== undefined) return createLocalKeyring(createKeyFileStore(KEYS_FILE, { isOwn: false }));
  if (isStateless(config)) requireExternalState(config);
  const file = fileIn(config, KEYS);
  return createLocalKeyring(
    file === undefined ? createMemoryKeyStore(inMemory) : createKeyFileStore(file, { isOwn: true }),
  );
}
