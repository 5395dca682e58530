/** The keyring that the environment asks for. */

import { join } from "node:path";
import type { Config } from "#core/config.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { kmsKeyring } from "#core/secrets/kms-keyring.ts";
import { localKeyring, memoryKeyStore } from "#core/secrets/local-keyring.ts";
import { keyFile } from "./key-file.ts";

/** A file of the data directory; undefined where nothing is kept. */
export const fileIn = ({ DATA_DIR }: Pick<Config, "DATA_DIR">, name: string): string | undefined =>
  DATA_DIR === ":memory:" ? undefined : join(DATA_DIR, name);

/** Makes the keyring: in KMS where `KMS_KEY_ID` says so, else of keys in the data directory. */
export function keyringFrom(config: Config): Keyring {
  if (config.KMS_KEY_ID !== undefined) return kmsKeyring(config.KMS_KEY_ID);
  return localKeyring(config.DATA_DIR === ":memory:" ? memoryKeyStore() : keyFile(config.DATA_DIR));
}
