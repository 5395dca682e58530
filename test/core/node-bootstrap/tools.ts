/** Programs that check rendered documents. If one is not installed, its tests are skipped, unless CI requires it. */

import { execFileSync, spawnSync } from "node:child_process";
import { test } from "vitest";

type Tool = "shellcheck" | "cloud-init" | "openssl";

const isInstalled = (tool: Tool) => spawnSync(tool, ["--version"]).error === undefined;

/** Defines a test that needs a program. @param tool name of its executable */
export const testWith = (tool: Tool) => test.skipIf(process.env.JOIN_TOOLS !== "required" && !isInstalled(tool));

/**
 * Runs a program and waits for its end.
 *
 * @returns its output
 * @throws Error with its output if it fails
 */
export function run(program: string, parameters: readonly string[], input = ""): string {
  try {
    return execFileSync(program, parameters, { input, encoding: "utf8", stdio: "pipe", maxBuffer: 64 << 20 });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program}: ${error instanceof Error ? error.message : String(error)}\n${stdout}${stderr}`);
  }
}

/** Checks that texts are valid bash, all in one process. @throws Error with bash's message if one is not */
export function checkSyntax(scripts: readonly string[]): void {
  const check = `mapfile -d '' scripts; for each in "\${scripts[@]}"; do bash -n <<<"$each" 2>&1 || exit 1; done`;
  const said = run("bash", ["-c", check], scripts.map((each) => `${each}\0`).join(""));
  // Some faults do not change the exit code.
  if (said !== "") throw new Error(said);
}
