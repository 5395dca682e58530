/** The operator's command that prints the Cluster API objects of a cluster. */

import { translateCluster } from "#core/admin/translate.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import { toYaml, type YamlValue } from "#core/shared/yaml.ts";
import type { Config } from "#functions/runtime/config.ts";
import { profilesPath, readProfilesFile } from "../runtime/profiles-file.ts";
import { CLUSTER_USAGE, clusterOptions, readClusterRef } from "./clusters.ts";
import { type Command, UsageError } from "./command.ts";

/**
 * Reads the configured profile file. It is read for every provisioner, so that operators can preview objects before they change it.
 *
 * @throws UsageError if CLUSTER_API_PROFILES is not set; AppError as `readProfilesFile`
 */
function requireProfilesFile({ CLUSTER_API_PROFILES }: Pick<Config, "CLUSTER_API_PROFILES">): Profiles {
  const path = profilesPath(CLUSTER_API_PROFILES);
  if (path === undefined) {
    throw new UsageError("CLUSTER_API_PROFILES is not set. Set it to the path of the profile file of the provisioner.");
  }
  return readProfilesFile(path);
}

/** Writes lines as comments of a YAML document. */
const commentOf = (lines: readonly string[]): string =>
  lines.map((line) => `# ${line.replaceAll(/\s+/g, " ")}\n`).join("");

/** Commands by name. */
export const translateCommands: Readonly<Record<string, Command>> = {
  translate: {
    usage: `${CLUSTER_USAGE}; CLUSTER_API_PROFILES`,
    options: clusterOptions,
    async run(services, given, { config }) {
      const ref = readClusterRef(given);
      const { cluster, manifests, notes, refused } = await translateCluster(services, ref, requireProfilesFile(config));
      const { identity, organisation, environment, slug } = cluster;
      const comment = commentOf([
        `Cluster ${slug} (${identity}) in environment ${environment} of organisation ${organisation}.`,
        manifests.length === 0
          ? "It is being deleted: the provisioner deletes its objects."
          : `${manifests.length} objects in the order of application. Values of Secrets are redacted: do not apply this output.`,
        ...notes,
        ...refused.map(({ path, message }) => `Not supported: ${path}: ${message}`),
      ]);
      // A manifest is JSON without null, which the type of its spec does not say.
      const documents = manifests.map((manifest) => `---\n${toYaml(manifest as unknown as YamlValue)}`);
      return { print: `${comment}${documents.join("")}`.trimEnd(), failed: refused.length > 0 };
    },
  },
};
