/** Starts one management cluster for all test files: `inject("managementCluster")`. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    managementCluster: {
      /** Path of the administrator's kubeconfig. */
      kubeconfig: string;
      /** Process id of the lab, which restarts the API server on SIGUSR1. */
      pid: number;
    };
  }
}

const START = resolve(import.meta.dirname, "../../.ci/cluster-api/start.sh");
const START_LIMIT_MS = 600_000;
const STOP_LIMIT_MS = 60_000;

/**
 * Starts the lab and waits until it is ready.
 *
 * @param project receives `managementCluster`
 * @returns a function that stops the lab
 * @throws Error with the lab's message if it does not start, such as the command that builds it
 */
export default async function setup(project: Pick<TestProject, "provide">): Promise<() => Promise<void>> {
  // It stops if the test process ends without a signal to it, because then its standard input ends.
  const lab = spawn("bash", [START, "-stop-on-eof"], { stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  lab.stderr.on("data", (text) => {
    errors += text;
  });
  const ended = once(lab, "close");
  const kubeconfig = await Promise.race([
    readiness(lab),
    ended.then(() => undefined),
    sleep(START_LIMIT_MS, undefined, { ref: false }),
  ]);
  if (kubeconfig === undefined || lab.pid === undefined) {
    lab.kill("SIGKILL");
    throw new Error(`the management cluster for tests did not start.\n${errors}`);
  }
  project.provide("managementCluster", { kubeconfig, pid: lab.pid });
  lab.once("close", () => process.stderr.write(errors));
  return async () => {
    lab.kill("SIGTERM");
    const isStopped = await Promise.race([ended.then(() => true), sleep(STOP_LIMIT_MS, false, { ref: false })]);
    if (!isStopped) lab.kill("SIGKILL");
  };
}

/** Returns the path of the kubeconfig after the lab has printed it. */
async function readiness({ stdout }: ChildProcess): Promise<string | undefined> {
  if (!stdout) return undefined;
  const lines = createInterface({ input: stdout });
  return new Promise((found) => {
    lines.on("line", (line) => {
      const [, path] = /^READY (\/.*)$/.exec(line) ?? [];
      if (path !== undefined) found(path);
    });
  });
}
