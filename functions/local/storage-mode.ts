/** What a server keeps beside its table: files in a data directory, the same in memory, or nothing. */

import { join } from "node:path";
import { AppError } from "#core/shared/errors.ts";
import type { Config } from "#functions/runtime/config.ts";

/** The `DATA_DIR` of a server that keeps what it has until it ends. */
const IN_MEMORY = ":memory:";

/** The `DATA_DIR` of a server that keeps nothing, so that there may be several of it, and none has to be the same again. */
const NOTHING = ":none:";

/** The file of the data directory with the keys and clients of the local OIDC issuer. */
export const ISSUER_FILE = "issuer.json";

type Kept = Pick<Config, "DATA_DIR">;

/** Whether everything is kept elsewhere. */
export const isStateless = ({ DATA_DIR }: Kept): boolean => DATA_DIR === NOTHING;

/** The data directory; undefined where there is none. */
export const directoryIn = ({ DATA_DIR }: Kept): string | undefined =>
  DATA_DIR === IN_MEMORY || DATA_DIR === NOTHING ? undefined : DATA_DIR;

/** A file of the data directory; undefined where there is none. */
export function fileIn(config: Kept, name: string): string | undefined {
  const directory = directoryIn(config);
  return directory === undefined ? undefined : join(directory, name);
}

/**
 * Makes sure that a server that keeps nothing finds everything elsewhere: its table, its keys, and the issuer of its clusters'
 * clients. Each of several would have another one of its own, which the others know nothing of.
 *
 * @throws AppError invalid that names every variable that is missing
 */
export function requireExternalState(config: Config): void {
  if (!isStateless(config)) return;
  const { DYNAMODB_ENDPOINT, KMS_KEY_ID, KEYS_FILE, OIDC_ISSUER_URL } = config;
  const [first, ...rest] = [
    ...(DYNAMODB_ENDPOINT === undefined ? ["DYNAMODB_ENDPOINT: is not set; the database has to be elsewhere"] : []),
    ...(KMS_KEY_ID === undefined && KEYS_FILE === undefined
      ? ["KEYS_FILE: is not set, and no KMS_KEY_ID is; clusters' secrets are encrypted with what one of them names"]
      : []),
    ...(OIDC_ISSUER_URL === undefined
      ? ["OIDC_ISSUER_URL: is not set; the issuer that this server is itself needs a data directory"]
      : []),
  ].map((problem) => `${problem}, where DATA_DIR is ${NOTHING}`);
  if (first !== undefined) throw new AppError("invalid", "config.kept_nowhere", [first, ...rest]);
}
