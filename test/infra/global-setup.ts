import { buildAll } from "#functions/build/build.ts";

/** The stacks take functions' bundles as they are built. */
export default async function setup() {
  await buildAll();
}
