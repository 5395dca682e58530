/** Chooses and opens the database of a command: that of a stage on AWS, a running engine, or that of the data directory. */

import { AppError } from "#core/shared/errors.ts";
import { readSstLinks } from "#functions/admin/sst-links.ts";
import { type Config, readConfig } from "#functions/runtime/config.ts";
import { openDataDirectory } from "../local/data-directory.ts";
import { directoryIn } from "../local/storage-mode.ts";
import type { Command, DatabaseTarget } from "./command.ts";

/**
 * Reads the target and the configuration from the environment. Refuses an ambiguous environment, because a command must not change
 * another database than the intended one.
 *
 * @param environment environment variables; within `sst shell` they contain the stage's table and key
 * @throws AppError invalid if a variable is invalid, or the environment names no database or two
 */
export function resolveTarget(environment: Readonly<Record<string, string | undefined>>): {
  config: Config;
  target: DatabaseTarget;
} {
  const linked = readSstLinks(environment);
  const config = readConfig(linked ?? environment);
  const { DYNAMODB_ENDPOINT: endpoint } = config;
  const directory = directoryIn(config);
  const invalidTarget = (text: string) => new AppError("invalid", "config.invalid_target", [text]);
  if (linked !== undefined) {
    if (endpoint !== undefined) {
      throw invalidTarget(
        `DYNAMODB_ENDPOINT: must not be set within sst shell of the stage ${linked.STAGE}; unset it, or run the command without sst shell`,
      );
    }
    return { config, target: { on: "aws", stage: linked.STAGE, region: environment.AWS_REGION || undefined } };
  }
  if (endpoint !== undefined) return { config, target: { on: "engine", endpoint } };
  if (directory === undefined) {
    throw invalidTarget(
      "No database is configured, or it is in the memory of its server; set DATA_DIR or DYNAMODB_ENDPOINT.",
    );
  }
  return { config, target: { on: "directory", directory } };
}

/** Open database. */
interface OpenedDatabase {
  /** Absent on AWS, and if nothing was opened. */
  readonly endpoint?: string;
  stop(): Promise<void>;
}

/**
 * Opens the database of a command.
 *
 * @param use how the command uses the database
 * @throws Error as `openDataDirectory`
 */
export async function openTarget(target: DatabaseTarget, use: Command["database"]): Promise<OpenedDatabase> {
  if (target.on === "directory" && use !== "none") {
    return await openDataDirectory(target.directory, { role: use === "exclusive" ? "server" : "admin" });
  }
  return { ...(target.on === "engine" ? { endpoint: target.endpoint } : {}), stop: async () => {} };
}
