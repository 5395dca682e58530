/** Runs the operator's command inside the test's own process. */

import { runCommand } from "#functions/admin/run.ts";

/** Result of a command. */
export interface AdminRun {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command. @param environment its complete environment */
export async function runAdmin(environment: Record<string, string>, ...words: string[]): Promise<AdminRun> {
  let [stdout, stderr] = ["", ""];
  const code = await runCommand(words, {
    environment,
    out: (text) => {
      stdout += text;
    },
    err: (text) => {
      stderr += text;
    },
  });
  return { code, stdout, stderr };
}
