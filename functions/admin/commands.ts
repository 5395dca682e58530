/** The operator's commands. Each calls core functions, as HTTP operations do, and returns what to print. */

import { createAccount, listAccounts } from "#core/admin/cloud-accounts.ts";
import { createEnvironment, listEnvironments, removeEnvironment } from "#core/admin/environments.ts";
import { createSchedule, listSchedules } from "#core/admin/maintenance-schedules.ts";
import { findMemberByEmail, listMembers, setMember } from "#core/admin/members.ts";
import { createOrganisation, showOrganisation } from "#core/admin/organisations.ts";
import { createToken, listTokens, revokeToken } from "#core/admin/personal-tokens.ts";
import { profileByIdentity } from "#core/catalogue/index.ts";
import { AppError } from "#core/shared/errors.ts";
import type { Key } from "#core/table/keys.ts";
import type { Member } from "#core/tenancy/member.ts";
import { backupCommands } from "./backup.ts";
import { catalogueCommands } from "./catalogue.ts";
import { clusterCommands } from "./clusters.ts";
import {
  type Command,
  optionValue,
  optionValues,
  orgOption,
  parseNumber,
  repeatableOption,
  stringOption,
} from "./command.ts";
import { checkIndexes, rebuildIndexes } from "./page-index.ts";
import { profilesCommands } from "./profiles.ts";
import { provisionerCommands } from "./provisioner.ts";
import { secretsCommands } from "./secrets.ts";
import { tableCommands } from "./table.ts";
import { translateCommands } from "./translate.ts";

/** Parses `SATURDAY 02:00 120`: day, time in UTC, minutes. */
function parseWindow(value: string) {
  const [day, startTime, duration] = value.trim().split(/\s+/);
  return { day, startTime, duration: parseNumber(duration) };
}

/** Returns what is stored without its key. */
function withoutKey<Stored extends object>(stored: Stored & Partial<Key>): Omit<Stored, keyof Key> {
  const { pk: _pk, sk: _sk, ...shown } = stored;
  return shown;
}

/** Returns a member without its key and what only the storage needs. */
function shownMember(member: Member) {
  const { writtenBy: _writtenBy, ...shown } = member;
  return withoutKey(shown);
}

/** All commands by name, one or two words. */
export const commands: Readonly<Record<string, Command>> = {
  "org create": {
    usage: "--slug <slug> --name <name> [--type BUSINESS|ENTERPRISE|INDIVIDUAL|TRIAL] [--email <contact>]",
    options: { slug: stringOption, name: stringOption, type: stringOption, email: stringOption },
    required: ["slug", "name"],
    optionOf: { contactEmail: "email" },
    async run(services, given) {
      const { slug, name, type, email } = given.values;
      return { print: await createOrganisation(services, { slug, name, type, contactEmail: email }) };
    },
  },
  "org show": {
    usage: "<slug>",
    options: {},
    positionals: 1,
    async run(services, { positionals: [slug = ""] }) {
      const { organisation, total } = await showOrganisation(services, slug);
      return { print: { organisation: withoutKey(organisation), total: withoutKey(total) } };
    },
  },
  "env create": {
    usage:
      "--org <slug> --name <name> --type production|staging|development|demo|other [--purpose …] [--description …]",
    options: {
      org: stringOption,
      name: stringOption,
      type: stringOption,
      purpose: stringOption,
      description: stringOption,
    },
    required: ["org", "name", "type"],
    async run(services, given) {
      const { name, type, purpose, description } = given.values;
      return { print: await createEnvironment(services, orgOption(given), { name, type, purpose, description }) };
    },
  },
  "env delete": {
    usage: "--org <slug> --slug <slug>",
    options: { org: stringOption, slug: stringOption },
    required: ["org", "slug"],
    async run(services, given) {
      const slug = optionValue(given, "slug") ?? "";
      await removeEnvironment(services, orgOption(given), slug);
      return { print: { deleted: slug } };
    },
  },
  "env list": {
    usage: "--org <slug>",
    options: { org: stringOption },
    required: ["org"],
    async run(services, given) {
      return { print: (await listEnvironments(services, orgOption(given))).map((each) => withoutKey(each)) };
    },
  },
  "account create": {
    usage:
      "--org <slug> --name <name> --provider <slug or profile identity> [--credentials <name>] [--tenant-id …] [--parent-folder …] [--parent-resource-pool …]",
    options: {
      org: stringOption,
      name: stringOption,
      provider: stringOption,
      credentials: stringOption,
      secret: repeatableOption,
      "tenant-id": stringOption,
      "parent-folder": stringOption,
      "parent-resource-pool": stringOption,
    },
    required: ["org", "name", "provider"],
    optionOf: {
      displayName: "name",
      cloudProfile: "provider",
      "metadata.tenantId": "tenant-id",
      "metadata.parentFolder": "parent-folder",
      "metadata.parentResourcePool": "parent-resource-pool",
    },
    async run(services, given) {
      if (optionValues(given, "secret").length > 0) {
        throw new AppError("invalid", "account.secrets_refused", [
          "--secret: secrets are not accepted here, because other users of the machine can read command lines; an admin of the organisation sends them to the API, to POST …/cloud-accounts/<identity>/credentials/<type>",
        ]);
      }
      const { values } = given;
      const metadata = {
        tenantId: values["tenant-id"],
        parentFolder: values["parent-folder"],
        parentResourcePool: values["parent-resource-pool"],
      };
      const account = await createAccount(services, orgOption(given), {
        displayName: values.name,
        cloudProfile: values.provider,
        credentials: values.credentials,
        metadata: Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined)),
      });
      return { print: account };
    },
  },
  "account list": {
    usage: "--org <slug> [--provider <slug>] [--quiet]",
    options: { org: stringOption, provider: stringOption, quiet: { type: "boolean" } },
    required: ["org"],
    async run(services, given) {
      const provider = optionValue(given, "provider");
      const accounts = (await listAccounts(services, orgOption(given))).filter(
        ({ cloudProfile }) => provider === undefined || profileByIdentity(cloudProfile)?.cloudProvider === provider,
      );
      if (given.values.quiet !== true) return { print: accounts };
      return { print: accounts.map(({ identity }) => identity).join("\n") };
    },
  },
  "schedule create": {
    usage: '--org <slug> --name <name> [--window "SATURDAY 02:00 120"]…',
    options: { org: stringOption, name: stringOption, window: repeatableOption },
    required: ["org", "name"],
    optionOf: { windows: "window" },
    async run(services, given) {
      const windows = optionValues(given, "window").map(parseWindow);
      return { print: await createSchedule(services, orgOption(given), { name: given.values.name, windows }) };
    },
  },
  "schedule list": {
    usage: "--org <slug>",
    options: { org: stringOption },
    required: ["org"],
    async run(services, given) {
      return { print: await listSchedules(services, orgOption(given)) };
    },
  },
  "member set": {
    usage:
      "--org <slug> --email <address> [--user <uuid>] [--kubernetes-role …] --role viewer|developer|admin|billing-admin, or --env <slug> --role …|none|inherit",
    options: {
      org: stringOption,
      email: stringOption,
      user: stringOption,
      role: stringOption,
      env: stringOption,
      "kubernetes-role": stringOption,
    },
    required: ["org", "email"],
    optionOf: { environment: "env", environmentRole: "role", kubernetesRole: "kubernetes-role" },
    async run(services, given) {
      const { email, user, role, env } = given.values;
      const roles = env === undefined ? { role } : { environment: env, environmentRole: role };
      const kubernetesRole = given.values["kubernetes-role"];
      const member = await setMember(services, orgOption(given), { email, user, kubernetesRole, ...roles });
      return { print: shownMember(member) };
    },
  },
  "member list": {
    usage: "--org <slug>",
    options: { org: stringOption },
    required: ["org"],
    async run(services, given) {
      return { print: (await listMembers(services, orgOption(given))).map(shownMember) };
    },
  },
  "token create": {
    usage: "--org <slug> --email <address> --name <name> [--days 365] [--source <CIDR>]…",
    options: {
      org: stringOption,
      email: stringOption,
      name: stringOption,
      days: stringOption,
      source: repeatableOption,
    },
    required: ["org", "email", "name"],
    optionOf: { sources: "source" },
    async run(services, given) {
      const { user } = await findMemberByEmail(services, orgOption(given), optionValue(given, "email") ?? "");
      const days = parseNumber(optionValue(given, "days"));
      const sources = optionValues(given, "source");
      const { record, token } = await createToken(services, { user, name: given.values.name, days, sources });
      return { print: { token, ...record } };
    },
  },
  "token list": {
    usage: "--org <slug> --email <address>",
    options: { org: stringOption, email: stringOption },
    required: ["org", "email"],
    async run(services, given) {
      const { user } = await findMemberByEmail(services, orgOption(given), optionValue(given, "email") ?? "");
      return { print: await listTokens(services, user) };
    },
  },
  "token revoke": {
    usage: "<token id, or the token itself>",
    options: {},
    positionals: 1,
    async run(services, { positionals: [given = ""] }) {
      return { print: await revokeToken(services, given) };
    },
  },
  "index check": {
    usage: "[--org <slug>]",
    options: { org: stringOption },
    async run(services, given) {
      const found = await checkIndexes(services, optionValue(given, "org"));
      return { print: found, failed: found.discrepancies.length > 0 };
    },
  },
  "index rebuild": {
    usage: "[--org <slug>]",
    options: { org: stringOption },
    async run(services, given) {
      return { print: await rebuildIndexes(services, optionValue(given, "org")) };
    },
  },
  ...catalogueCommands,
  ...profilesCommands,
  ...provisionerCommands,
  ...clusterCommands,
  ...translateCommands,
  ...secretsCommands,
  ...tableCommands,
  ...backupCommands,
};
