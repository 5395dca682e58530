/** Entry point of `npm run build`: builds every bundle with the catalogue of `CATALOGUE_FILE`, and prints its size. */

import { errorText } from "#core/shared/errors.ts";
import { cataloguePath } from "../runtime/catalogue-file.ts";
import { buildAll } from "./build.ts";

/** Builds the bundles. An invalid catalogue is an error of the operator, so it is printed without a stack trace. */
async function build(): Promise<Map<string, number>> {
  try {
    return await buildAll(cataloguePath(process.env.CATALOGUE_FILE));
  } catch (error) {
    process.stderr.write(`${errorText(error)}\n`);
    process.exit(1);
  }
}

for (const [name, bytes] of await build()) {
  process.stdout.write(`${name.padEnd(16)} ${(bytes / 1024).toFixed(1).padStart(7)} KiB\n`);
}
