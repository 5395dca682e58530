/** Gives every test file the address of one DynamoDB engine: `inject("endpoint")`. */

import type { TestProject } from "vitest/node";
import { isLoopbackUrl } from "#core/shared/ip.ts";
import { startEngine } from "#functions/local/engine.ts";

declare module "vitest" {
  interface ProvidedContext {
    endpoint: string;
  }
}

/**
 * Starts an engine in memory for the whole run, or takes the one that `DYNAMODB_ENDPOINT` names.
 *
 * @param project Where `endpoint` is provided.
 * @returns What ends the engine after the last test; an engine that was running before is left alone.
 * @throws Error where `DYNAMODB_ENDPOINT` is not on loopback, since tests delete tables; and as `startEngine` does.
 */
export default async function setup(project: Pick<TestProject, "provide">): Promise<() => Promise<void>> {
  const given = process.env.DYNAMODB_ENDPOINT;
  if (given) {
    if (!isLoopbackUrl(given)) {
      throw new Error(
        `tests write and delete tables; refusing DYNAMODB_ENDPOINT=${given}, which is not on loopback. ` +
          "Unset it to test on the embedded engine.",
      );
    }
    project.provide("endpoint", given);
    return async () => {};
  }
  const engine = await startEngine();
  project.provide("endpoint", engine.endpoint);
  return () => engine.stop();
}
