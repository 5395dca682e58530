/** Entry point of `npm run build`: builds every bundle and prints its size. */

import { buildAll } from "./build.ts";

for (const [name, bytes] of await buildAll()) {
  process.stdout.write(`${name.padEnd(16)} ${(bytes / 1024).toFixed(1).padStart(7)} KiB\n`);
}
