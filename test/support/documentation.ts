/** Reads and runs what documents show. */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { ROOT } from "./server.ts";

/** Code block of a document. */
type Block = [language: string, text: string];

/**
 * Returns the code blocks of a section of a document.
 *
 * @param file path from the root folder of the project
 * @param heading text of a heading of the second level
 */
export function blocksOf(file: string, heading: string): Block[] {
  const [, section = ""] = readFileSync(join(ROOT, file), "utf8").split(`\n## ${heading}\n`);
  const [own = ""] = section.split("\n## ");
  return [...own.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = "", text = ""]) => [language, text]);
}

/**
 * Runs a script like a user.
 *
 * @param folder working folder
 * @returns its output
 */
export async function bash(script: string, environment: Record<string, string>, folder = ROOT): Promise<string> {
  const child = spawn("bash", ["-euo", "pipefail", "-c", script], {
    cwd: folder,
    env: { ...process.env, DYNAMODB_ENDPOINT: "", ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.on("data", (data) => {
    printed += data;
  });
  const code = await new Promise((done) => child.once("close", done));
  expect([code, printed]).toEqual([0, printed]);
  return printed;
}
