/** The programs that judge what is rendered. Where one is not installed its tests are skipped, unless CI says that it has to be. */

import { execFileSync, spawnSync } from "node:child_process";
import { test } from "vitest";

type Tool = "shellcheck" | "cloud-init" | "openssl";

const isInstalled = (tool: Tool) => spawnSync(tool, ["--version"]).error === undefined;

/** A test that needs a program. @param tool its name, as it is called */
export const testWith = (tool: Tool) => test.skipIf(process.env.JOIN_TOOLS !== "required" && !isInstalled(tool));

/**
 * Runs a program and waits.
 *
 * @returns what it wrote
 * @throws Error with what it wrote where it fails
 */
export function run(program: string, parameters: readonly string[], input = ""): string {
  try {
    return execFileSync(program, parameters, { input, encoding: "utf8", stdio: "pipe", maxBuffer: 64 << 20 });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program}: ${error instanceof Error ? error.message : String(error)}\n${stdout}${stderr}`);
  }
}

/** Checks that texts are bash, all in one process. @throws Error with what bash says where one is not */
export function checkSyntax(scripts: readonly string[]): void {
  const check = `mapfile -d '' scripts; for each in "\${scripts[@]}"; do bash -n <<<"$each" 2>&1 || exit 1; done`;
  const said = run("bash", ["-c", check], scripts.map((each) => `${each}\0`).join(""));
  // Not every fault makes it fail.
  if (said !== "") throw new Error(said);
}
