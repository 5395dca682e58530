/** Storage of a server besides its table: files in a data directory, memory, or none. */

import { join } from "node:path";
import { AppError } from "#core/shared/errors.ts";
import type { Config } from "#functions/runtime/config.ts";

/** `DATA_DIR` of a server that stores its data in memory. */
const IN_MEMORY = ":memory:";

/** `DATA_DIR` of a server that stores no data itself, so that several replicas can run. */
const NOTHING = ":none:";

/** File of the data directory with the keys and clients of the local OIDC issuer. */
export const ISSUER_FILE = "issuer.json";

type DataDirectory = Pick<Config, "DATA_DIR">;

/** Returns whether the server stores no data itself. */
export const isStateless = ({ DATA_DIR }: DataDirectory): boolean => DATA_DIR === NOTHING;

/** Returns the data directory; undefined if there is none. */
export const directoryIn = ({ DATA_DIR }: DataDirectory): string | undefined =>
  DATA_DIR === IN_MEMORY || DATA_DIR === NOTHING ? undefined : DATA_DIR;

/** Returns the path of a file in the data directory; undefined if there is none. */
export function fileIn(config: DataDirectory, name: string): string | undefined {
  const directory = directoryIn(config);
  return directory === undefined ? undefined : join(directory, name);
}

/**
 * Checks that a stateless server has an external table, external keys and an external issuer. Otherwise each replica would have its
 * own, unknown to the others.
 *
 * @throws AppError invalid that names every missing variable
 */
export function requireExternalState(config: Config): void {
  if (!isStateless(config)) return;
  const { DYNAMODB_ENDPOINT, KMS_KEY_ID, KEYS_FILE, OIDC_ISSUER_URL } = config;
  const [first, ...rest] = [
    ...(DYNAMODB_ENDPOINT === undefined ? ["DYNAMODB_ENDPOINT: is required: the URL of the database"] : []),
    ...(KMS_KEY_ID === undefined && KEYS_FILE === undefined
      ? ["KEYS_FILE: is required, unless KMS_KEY_ID is set: the keys that encrypt the secrets of clusters"]
      : []),
    ...(OIDC_ISSUER_URL === undefined
      ? ["OIDC_ISSUER_URL: is required: the local OIDC issuer needs a data directory"]
      : []),
  ].map((problem) => `${problem} (DATA_DIR is ${NOTHING})`);
  if (first !== undefined) throw new AppError("invalid", "config.external_state", [first, ...rest]);
}
