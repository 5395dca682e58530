/** Reads files that the operator names. No function on AWS imports it. */

import { readFileSync } from "node:fs";
import { AppError, errorText } from "#core/shared/errors.ts";

/** Reasons why a file cannot be read, by the code of the error. */
const REASONS: Readonly<Record<string, string>> = {
  EISDIR: "It is a directory. Give the path of a file.",
  EACCES: "This process may not read it. Change the permissions of the file.",
};

/**
 * Reads a file as UTF-8.
 *
 * @param advice what to do if there is no such file, as the end of a sentence, such as `Correct the path`
 * @throws AppError invalid with the reason and what to do, without the path
 */
export function readOperatorFile(path: string, advice = "Correct the path"): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const reason = code === "ENOENT" ? `There is no such file. ${advice}.` : (REASONS[code] ?? errorText(error));
    throw new AppError("invalid", "file.unreadable", [reason]);
  }
}
