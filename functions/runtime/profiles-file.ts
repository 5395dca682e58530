/** Reads the operator's profile file, for entry points on the operator's machine and for builds. No function on AWS imports it. */

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type CloudProvider, cloudProviders } from "#core/catalogue/index.ts";
import { parseProfiles } from "#core/provisioning/cluster-api/parse-profiles.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import { AppError, errorText } from "#core/shared/errors.ts";
import type { Config } from "#functions/runtime/config.ts";
import { readOperatorFile } from "./operator-file.ts";

/** Value of `CLUSTER_API_PROFILES` for no file. Stages on AWS must state every setting. */
const NONE = "none";

/** Returns the path of the operator's profile file. @param setting `CLUSTER_API_PROFILES` @returns undefined if there is none */
export const profilesPath = (setting: string | undefined): string | undefined =>
  setting === undefined || setting === "" || setting === NONE ? undefined : setting;

/**
 * Reads and checks a profile file, and the files that it names.
 *
 * @param path YAML 1.2 or JSON
 * @param providers providers of the catalogue that the file is for
 * @throws AppError invalid: the first line names the file, and every other line is a problem
 */
export function readProfilesFile(path: string, providers: readonly CloudProvider[] = cloudProviders): Profiles {
  const readBeside = (file: string) => readFileSync(resolve(dirname(path), file), "utf8");
  try {
    return parseProfiles(readOperatorFile(path), readBeside, providers);
  } catch (error) {
    const problems = error instanceof AppError ? error.details : [errorText(error)];
    throw new AppError("invalid", "profiles.invalid", [`The profile file ${path} cannot be used:`, ...problems]);
  }
}

/**
 * Reads the operator's profile file, if the configuration has the Cluster API provisioner.
 *
 * @returns undefined for another provisioner, and if no file is configured
 * @throws AppError as `readProfilesFile`
 */
export function loadProfiles({
  PROVISIONER,
  CLUSTER_API_PROFILES,
}: Pick<Config, "PROVISIONER" | "CLUSTER_API_PROFILES">): Profiles | undefined {
  const path = profilesPath(CLUSTER_API_PROFILES);
  return PROVISIONER === "cluster-api" && path !== undefined ? readProfilesFile(path) : undefined;
}
