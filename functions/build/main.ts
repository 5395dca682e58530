/** Entry point of `npm run build`: builds every bundle, with the operator's catalogue and profile file, and prints its size. */

import { errorText } from "#core/shared/errors.ts";
import { cataloguePath } from "../runtime/catalogue-file.ts";
import { profilesPath } from "../runtime/profiles-file.ts";
import { buildAll } from "./build.ts";

/** Builds the bundles. An invalid file is an error of the operator, so it is printed without a stack trace. */
async function build(): Promise<Map<string, number>> {
  try {
    return await buildAll({
      catalogue: cataloguePath(process.env.CATALOGUE_FILE),
      profiles: profilesPath(process.env.CLUSTER_API_PROFILES),
    });
  } catch (error) {
    process.stderr.write(`${errorText(error)}\n`);
    process.exit(1);
  }
}

for (const [name, bytes] of await build()) {
  process.stdout.write(`${name.padEnd(16)} ${(bytes / 1024).toFixed(1).padStart(7)} KiB\n`);
}
