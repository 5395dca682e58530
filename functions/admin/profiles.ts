/** The operator's command for the profile file of the Cluster API provisioner. */

import { type CloudProvider, clusterVersions, machineImageOf, providerBySlug } from "#core/catalogue/index.ts";
import { type Profiles, settingsOf } from "#core/provisioning/cluster-api/profiles.ts";
import { loadCatalogue } from "../runtime/catalogue-file.ts";
import { profilesPath, readProfilesFile } from "../runtime/profiles-file.ts";
import { type Command, UsageError } from "./command.ts";

/** Lists the regions of a provider that have settings, and those of them in which no available version has a machine image. */
function summarizeProvider(profiles: Profiles, { slug, type, regions }: CloudProvider) {
  const usable = regions
    .map((region) => region.slug)
    .filter((region) => settingsOf(profiles, slug, region) !== undefined);
  const hasImages = type !== "none" && type !== "byon";
  const versions = clusterVersions.filter(({ available }) => available);
  const without = usable.filter((region) =>
    versions.every(({ version }) => machineImageOf(version, slug, region) === undefined),
  );
  return { regions: usable, ...(hasImages ? { regionsWithoutImages: without } : {}) };
}

/** Commands by name. */
export const profilesCommands: Readonly<Record<string, Command>> = {
  "profiles check": {
    usage: "[<file>; CLUSTER_API_PROFILES]",
    options: {},
    positionals: 1,
    isPositionalOptional: true,
    database: "none",
    async run(_, { positionals: [given] }, { config }) {
      const file = given ?? profilesPath(config.CLUSTER_API_PROFILES);
      if (file === undefined)
        throw new UsageError(
          "No profile file is given, and CLUSTER_API_PROFILES is not set. Give the path of the file, or set the variable.",
        );
      // The file refers to the operator's providers, regions and node types.
      loadCatalogue(config.CATALOGUE_FILE);
      const profiles = readProfilesFile(file);
      const { networkInterfaces, installsAddons, providers } = profiles;
      const summaries = Object.keys(providers)
        .map((slug) => providerBySlug(slug))
        .filter((provider) => provider !== undefined)
        .map((provider) => [provider.slug, summarizeProvider(profiles, provider)] as const);
      const withoutImages = summaries
        .filter(
          ([, { regions, regionsWithoutImages = [] }]) =>
            regions.length > 0 && regionsWithoutImages.length === regions.length,
        )
        .map(
          ([slug]) =>
            `${slug}: no available version of the catalogue has a machine image in its regions, so no cluster can be created. Add images to the versions in the catalogue.`,
        );
      return {
        print: {
          file,
          warnings: withoutImages,
          networkInterfaces: Object.keys(networkInterfaces),
          installsAddons,
          providers: Object.fromEntries(summaries),
        },
      };
    },
  },
};
