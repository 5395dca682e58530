/** The operator's command inside of the test's own process. */

import { runCommand } from "#functions/admin/run.ts";

/** What a command left. */
export interface AdminRun {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command. @param environment all that it sees */
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
