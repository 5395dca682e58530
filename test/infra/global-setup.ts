import { existsSync } from "node:fs";
import { buildAll } from "#functions/build/build.ts";
import { PLATFORM } from "./graph.ts";

/** Checks the requirements: the stacks use the built bundles of functions and SST's components. */
export default async function setup() {
  if (!existsSync(PLATFORM)) throw new Error("SST's platform is not installed: run npm run infra:install");
  await buildAll();
}
