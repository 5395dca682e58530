/** The operator's command about secrets. */

import { existsSync } from "node:fs";
import { invalid } from "#core/errors.ts";
import { localKeyring } from "#core/secrets/local-keyring.ts";
import { rotateSecrets } from "#core/secrets/rotate.ts";
import { keyFile } from "../local/key-file.ts";
import { keyringFrom } from "../local/keyring.ts";
import { type Command, type Given, numeric, one, text, UsageError } from "./command.ts";

/** The longest grace there is sense in: an hour, in seconds. */
const LONGEST_SECONDS = 3_600;

/** @throws AppError invalid */
function secondsIn(given: Given): number {
  const grace = numeric(one(given, "grace") ?? "30");
  if (typeof grace === "number" && grace >= 0 && grace <= LONGEST_SECONDS) return grace;
  throw invalid([{ path: "--grace", text: `must be a number of seconds from 0 to ${LONGEST_SECONDS}` }]);
}

/** The commands by name. */
export const secretsCommands: Readonly<Record<string, Command>> = {
  "secrets key": {
    usage: "--file <path>",
    options: { file: text },
    required: ["file"],
    database: "none",
    async run(_, given) {
      const file = one(given, "file") ?? "";
      if (existsSync(file)) throw new UsageError(`${file} is there already.\n`);
      // Whoever asks for what is not there yet makes it.
      await localKeyring(keyFile(file, { isMade: true })).isCurrent("");
      return { print: { file } };
    },
  },
  "secrets rotate": {
    usage:
      "[--grace <seconds the old key is kept, for what is being written; 30>] [--from-table <name of the table they were encrypted in>]",
    options: { grace: text, "from-table": text },
    async run(services, given, { config, tell }) {
      const onProgress = (done: number) => tell(`${done} clusters`);
      const graceMs = secondsIn(given) * 1_000;
      const rotating = { ...services, keyring: keyringFrom(config), graceMs, onProgress };
      return { print: await rotateSecrets({ ...rotating, fromTable: one(given, "from-table") }) };
    },
  },
};
