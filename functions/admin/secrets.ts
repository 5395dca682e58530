/** The operator's command about secrets. */

import { existsSync, rmSync } from "node:fs";
import { discardLostSecrets, findLostSecrets } from "#core/admin/lost-secrets.ts";
import { rotateSecrets } from "#core/admin/rotate-secrets.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { localKeyring } from "#core/secrets/local-keyring.ts";
import { invalid } from "#core/shared/errors.ts";
import { type IssuerPlace, isIssuerLost, issuerFile } from "../local/issuer/store.ts";
import { keyFile } from "../local/key-file.ts";
import { keyringFrom } from "../local/keyring.ts";
import { fileIn, ISSUER_FILE } from "../local/storage-mode.ts";
import { type Command, type Given, numeric, one, type Surroundings, text, UsageError } from "./command.ts";

/** The longest grace there is sense in: an hour, in seconds. */
const LONGEST_SECONDS = 3_600;

/** @throws AppError invalid */
function secondsIn(given: Given): number {
  const grace = numeric(one(given, "grace") ?? "30");
  if (typeof grace === "number" && grace >= 0 && grace <= LONGEST_SECONDS) return grace;
  throw invalid([{ path: "--grace", message: `must be a number of seconds from 0 to ${LONGEST_SECONDS}` }]);
}

/** The file of the local issuer. @returns undefined for a stage on AWS, whatever lies in a data directory of this machine */
function issuerIn({ config, place }: Surroundings, keyring: Keyring): IssuerPlace | undefined {
  const file = place.on === "aws" ? undefined : fileIn(config, ISSUER_FILE);
  return file === undefined ? undefined : { file, keyring };
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
      await localKeyring(keyFile(file, { isOwn: true })).ensure();
      return { print: { file } };
    },
  },
  "secrets rotate": {
    usage:
      "[--grace <seconds the old key is kept, for what is being written; 30>] [--from-table <name of the table they were encrypted in>]",
    options: { grace: text, "from-table": text },
    async run(services, given, around) {
      const onProgress = (done: number) => around.tell(`${done} clusters`);
      const graceMs = secondsIn(given) * 1_000;
      const keyring = keyringFrom(around.config);
      const issuer = issuerIn(around, keyring);
      const outside = issuer === undefined ? [] : [issuerFile(issuer)];
      const rotating = { ...services, keyring, graceMs, onProgress, outside };
      return { print: await rotateSecrets({ ...rotating, fromTable: one(given, "from-table") }) };
    },
  },
  "secrets discard": {
    usage: "[--yes]",
    options: { yes: { type: "boolean" } },
    // A server may be registering clients with the issuer that is given up.
    database: "alone",
    async run(services, given, around) {
      const keyring = keyringFrom(around.config);
      const issuer = around.config.OIDC_ISSUER_URL === undefined ? issuerIn(around, keyring) : undefined;
      const isLost = issuer !== undefined && (await isIssuerLost(issuer));
      const search = { ...services, keyring, isIssuerLost: isLost };
      const clusters = await findLostSecrets(search);
      const file = isLost && existsSync(issuer.file) ? { issuer: issuer.file } : {};
      const lost = { clusters, ...file };
      if (given.values.yes !== true) {
        const note = "Nothing was changed. With --yes these secrets are removed, and clusters get new OIDC clients.";
        return { print: { discarded: false, note, lost }, failed: clusters.length > 0 || "issuer" in file };
      }
      await discardLostSecrets(search, clusters);
      if (isLost) rmSync(issuer.file, { force: true });
      return { print: { discarded: true, lost } };
    },
  },
};
