import { existsSync } from "node:fs";
import { buildAll } from "#functions/build/build.ts";
import { PLATFORM } from "./graph.ts";

/** The stacks take functions' bundles as they are built, and are made of SST's components. */
export default async function setup() {
  if (!existsSync(PLATFORM)) throw new Error("SST's platform is not there: npm run infra:install");
  await buildAll();
}
