/** Provides every test file with the address of one DynamoDB engine: `inject("endpoint")`. */

import type { TestProject } from "vitest/node";
import { isLoopbackUrl } from "#core/shared/ip.ts";
import { startEngine } from "#functions/local/engine.ts";

declare module "vitest" {
  interface ProvidedContext {
    endpoint: string;
  }
}

/**
 * Starts an engine in memory for the whole run, or uses the one that `DYNAMODB_ENDPOINT` names.
 *
 * @param project receives `endpoint`
 * @returns a function that stops the engine after the last test, but not one that was already running
 * @throws Error if `DYNAMODB_ENDPOINT` is not on loopback, because tests delete tables; and as `startEngine` does
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
