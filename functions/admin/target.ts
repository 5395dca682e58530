/** Which database the operator's command works on: a stage's on AWS, an engine that runs, or the data directory's own. */

import { AppError } from "#core/shared/errors.ts";
import { readSstLinks } from "#functions/admin/sst-links.ts";
import { type Config, readConfig } from "#functions/runtime/config.ts";
import { openDataDirectory } from "../local/data-directory.ts";
import { directoryIn } from "../local/storage-mode.ts";
import type { Command, DatabaseTarget } from "./command.ts";

/**
 * Says where the data are, and what the environment says beside that. What would leave it open is refused: an operator's command
 * must not change another database than the one that was meant.
 *
 * @param environment the process's; within `sst shell` it names the stage's table and key
 * @throws AppError invalid where a variable is wrong, or where no place or two are named
 */
export function resolveTarget(environment: Readonly<Record<string, string | undefined>>): {
  config: Config;
  place: DatabaseTarget;
} {
  const linked = readSstLinks(environment);
  const config = readConfig(linked ?? environment);
  const { DYNAMODB_ENDPOINT: endpoint } = config;
  const directory = directoryIn(config);
  const refusal = (text: string) => new AppError("invalid", "config.place", [text]);
  if (linked !== undefined) {
    if (endpoint !== undefined) {
      throw refusal(`DYNAMODB_ENDPOINT: is set, within sst shell of stage ${linked.STAGE}; which of the two is meant?`);
    }
    return { config, place: { on: "aws", stage: linked.STAGE, region: environment.AWS_REGION || undefined } };
  }
  if (endpoint !== undefined) return { config, place: { on: "engine", endpoint } };
  if (directory === undefined) {
    throw refusal(
      "There is no database here, or it is in memory, its server's alone; set DATA_DIR or DYNAMODB_ENDPOINT.",
    );
  }
  return { config, place: { on: "directory", directory } };
}

/** A database that is open. */
export interface OpenedDatabase {
  /** Absent on AWS, and where nothing was opened. */
  readonly endpoint?: string;
  stop(): Promise<void>;
}

/**
 * Opens a database.
 *
 * @param use how the command uses it
 * @throws Error as `openDataDirectory`
 */
export async function openPlace(place: DatabaseTarget, use: Command["database"]): Promise<OpenedDatabase> {
  if (place.on === "directory" && use !== "none") {
    return await openDataDirectory(place.directory, { role: use === "alone" ? "server" : "admin" });
  }
  return { ...(place.on === "engine" ? { endpoint: place.endpoint } : {}), stop: async () => {} };
}
