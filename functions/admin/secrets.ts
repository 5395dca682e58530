/** The operator's commands for secrets. */

import { existsSync, rmSync } from "node:fs";
import {
  discardLostCredentials,
  discardLostSecrets,
  findLostCredentials,
  findLostSecrets,
} from "#core/admin/lost-secrets.ts";
import { rotateSecrets } from "#core/admin/rotate-secrets.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { createLocalKeyring } from "#core/secrets/local-keyring.ts";
import { invalid } from "#core/shared/errors.ts";
import { formatValue } from "#core/shared/validation.ts";
import { type IssuerLocation, isIssuerLost, openIssuerFile } from "../local/issuer/store.ts";
import { createKeyFileStore } from "../local/key-file.ts";
import { createKeyring } from "../local/keyring.ts";
import { fileIn, ISSUER_FILE } from "../local/storage-mode.ts";
import {
  type Command,
  type CommandContext,
  type CommandLine,
  optionValue,
  parseNumber,
  stringOption,
  UsageError,
} from "./command.ts";

/** Maximum of --grace: an hour, in seconds. */
const MAX_SECONDS = 3_600;

/** @throws AppError invalid */
function readSeconds(given: CommandLine): number {
  const grace = parseNumber(optionValue(given, "grace") ?? "30");
  if (typeof grace === "number" && grace >= 0 && grace <= MAX_SECONDS) return grace;
  throw invalid([
    {
      path: "--grace",
      message: `${formatValue(optionValue(given, "grace"))} is not allowed: must be a number of seconds from 0 to ${MAX_SECONDS}`,
    },
  ]);
}

/** Returns the file of the local issuer. @returns undefined for a stage on AWS, also if this machine has a data directory */
function issuerIn({ config, target }: CommandContext, keyring: Keyring): IssuerLocation | undefined {
  const file = target.on === "aws" ? undefined : fileIn(config, ISSUER_FILE);
  return file === undefined ? undefined : { file, keyring };
}

/** Commands by name. */
export const secretsCommands: Readonly<Record<string, Command>> = {
  "secrets key": {
    usage: "--file <path>",
    options: { file: stringOption },
    required: ["file"],
    database: "none",
    async run(_, given) {
      const file = optionValue(given, "file") ?? "";
      if (existsSync(file)) throw new UsageError(`${file} already exists; choose another path or remove the file.\n`);
      await createLocalKeyring(createKeyFileStore(file, { isOwn: true })).ensure();
      return { print: { file } };
    },
  },
  "secrets rotate": {
    usage:
      "[--grace <seconds that the old key stays valid for writes in progress; 30>] [--from-table <name of the table in which the secrets were encrypted>]",
    options: { grace: stringOption, "from-table": stringOption },
    async run(services, given, context) {
      const onProgress = (done: number) => context.report(`${done} data keys`);
      const seconds = readSeconds(given);
      const onWait = () =>
        context.report(
          `waiting ${seconds} s (--grace) before the old keys are removed, for writes in progress that use them`,
        );
      const keyring = createKeyring(context.config);
      const issuer = issuerIn(context, keyring);
      const outside = issuer === undefined ? [] : [openIssuerFile(issuer)];
      const rotating = { ...services, keyring, graceMs: seconds * 1_000, onProgress, onWait, outside };
      return { print: await rotateSecrets({ ...rotating, fromTable: optionValue(given, "from-table") }) };
    },
  },
  "secrets discard": {
    usage: "[--yes]",
    options: { yes: { type: "boolean" } },
    // A running server may be registering clients with the issuer that is discarded.
    database: "exclusive",
    async run(services, given, context) {
      const keyring = createKeyring(context.config);
      const issuer = context.config.OIDC_ISSUER_URL === undefined ? issuerIn(context, keyring) : undefined;
      const isLost = issuer !== undefined && (await isIssuerLost(issuer));
      const search = { ...services, keyring, isIssuerLost: isLost };
      const clusters = await findLostSecrets(search);
      const credentials = await findLostCredentials(search);
      const file = isLost && existsSync(issuer.file) ? { issuer: issuer.file } : {};
      const lost = { clusters, credentials, ...file };
      if (given.values.yes !== true) {
        const note =
          "Nothing was changed. With --yes these secrets are removed, the clusters get new OIDC clients, and admins have to give the cloud credentials their secrets again.";
        const failed = clusters.length > 0 || credentials.length > 0 || "issuer" in file;
        return { print: { discarded: false, note, lost }, failed };
      }
      await discardLostCredentials(search, credentials);
      await discardLostSecrets(search, clusters);
      if (isLost) rmSync(issuer.file, { force: true });
      return { print: { discarded: true, lost } };
    },
  },
};
