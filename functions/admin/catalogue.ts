/** The operator's commands for the catalogue. */

import { buildCatalogue } from "#core/catalogue/build.ts";
import { checkCatalogue, missingEntries } from "#core/catalogue/check.ts";
import { shippedCatalogue } from "#core/catalogue/index.ts";
import type { CatalogueData } from "#core/catalogue/schema.ts";
import { cataloguePath, readCatalogueFile } from "../runtime/catalogue-file.ts";
import { type Command, optionValue, stringOption } from "./command.ts";

/** Summarizes a catalogue. */
function summarize(data: CatalogueData) {
  const { revision, providers, versions, channels } = buildCatalogue(data);
  const regions = providers.flatMap((provider) => provider.regions);
  return {
    revision,
    providers: providers.length,
    regions: regions.length,
    zones: regions.flatMap(({ availabilityZones }) => availabilityZones).length,
    nodeTypes: providers.flatMap(({ nodeTypes }) => nodeTypes).length,
    versions: versions.length,
    channels: channels.length,
  };
}

/** Commands by name. */
export const catalogueCommands: Readonly<Record<string, Command>> = {
  "catalogue check": {
    usage: "[<file>; CATALOGUE_FILE] [--against <file that was used before>]",
    options: { against: stringOption },
    positionals: 1,
    isPositionalOptional: true,
    database: "none",
    async run(_, given, { config }) {
      const file = given.positionals[0] ?? cataloguePath(config.CATALOGUE_FILE);
      const against = optionValue(given, "against");
      const earlier = against === undefined ? undefined : readCatalogueFile(against);
      const data = file === undefined ? shippedCatalogue : readCatalogueFile(file);
      // The ids of a file that was used before may include entries that this release never had.
      checkCatalogue(data, earlier ?? shippedCatalogue);
      const missing = earlier === undefined ? [] : missingEntries(data, earlier);
      const checked = { file: file ?? "the catalogue of this release", ...summarize(data) };
      return { print: earlier === undefined ? checked : { ...checked, missing }, failed: missing.length > 0 };
    },
  },
};
