/** The operator's command about secrets. */

import { rotateSecrets } from "#core/secrets/rotate.ts";
import { keyringFrom } from "../local/keyring.ts";
import type { Command } from "./command.ts";

/** The commands by name. */
export const secretsCommands: Readonly<Record<string, Command>> = {
  "secrets rotate": {
    usage: "",
    options: {},
    async run(services, _, config) {
      const onProgress = (done: number) => void process.stderr.write(`${done} clusters\n`);
      return { print: await rotateSecrets({ ...services, keyring: keyringFrom(config), onProgress }) };
    },
  },
};
