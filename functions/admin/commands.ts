/** The operator's commands. Each calls core functions, as HTTP operations do, and returns what to print. */

import { createAccount, listAccounts } from "#core/admin/cloud-accounts.ts";
import { createEnvironment, listEnvironments, removeEnvironment } from "#core/admin/environments.ts";
import { createSchedule, listSchedules } from "#core/admin/maintenance-schedules.ts";
import { listMembers, memberByEmail, setMember } from "#core/admin/members.ts";
import { createOrganisation, showOrganisation } from "#core/admin/organisations.ts";
import { createToken, listTokens, revokeToken } from "#core/admin/personal-tokens.ts";
import { profileByIdentity } from "#core/catalogue/index.ts";
import { AppError } from "#core/shared/errors.ts";
import { backupCommands } from "./backup.ts";
import { clusterCommands } from "./clusters.ts";
import { type Command, many, multiple, numeric, one, org, text } from "./command.ts";
import { checkIndexes, rebuildIndexes } from "./page-index.ts";
import { secretsCommands } from "./secrets.ts";
import { tableCommands } from "./table.ts";

/** Parses `SATURDAY 02:00 120`: day, time in UTC, minutes. */
function parseWindow(value: string) {
  const [day, startTime, duration] = value.trim().split(/\s+/);
  return { day, startTime, duration: numeric(duration) };
}

/** All commands by name, one or two words. */
export const commands: Readonly<Record<string, Command>> = {
  "org create": {
    usage: "--slug <slug> --name <name> [--type BUSINESS|ENTERPRISE|INDIVIDUAL|TRIAL] [--email <contact>]",
    options: { slug: text, name: text, type: text, email: text },
    required: ["slug", "name"],
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
      return { print: await showOrganisation(services, slug) };
    },
  },
  "env create": {
    usage:
      "--org <slug> --name <name> --type production|staging|development|demo|other [--purpose …] [--description …]",
    options: { org: text, name: text, type: text, purpose: text, description: text },
    required: ["org", "name", "type"],
    async run(services, given) {
      const { name, type, purpose, description } = given.values;
      return { print: await createEnvironment(services, org(given), { name, type, purpose, description }) };
    },
  },
  "env delete": {
    usage: "--org <slug> --slug <slug>",
    options: { org: text, slug: text },
    required: ["org", "slug"],
    async run(services, given) {
      const slug = one(given, "slug") ?? "";
      await removeEnvironment(services, org(given), slug);
      return { print: { deleted: slug } };
    },
  },
  "env list": {
    usage: "--org <slug>",
    options: { org: text },
    required: ["org"],
    async run(services, given) {
      return { print: await listEnvironments(services, org(given)) };
    },
  },
  "account create": {
    usage:
      "--org <slug> --name <name> --provider <slug or profile identity> [--credentials <name>] [--tenant-id …] [--parent-folder …] [--parent-resource-pool …]",
    options: {
      org: text,
      name: text,
      provider: text,
      credentials: text,
      secret: multiple,
      "tenant-id": text,
      "parent-folder": text,
      "parent-resource-pool": text,
    },
    required: ["org", "name", "provider"],
    async run(services, given) {
      if (many(given, "secret").length > 0) {
        throw new AppError("invalid", "account.secrets_refused", [
          "--secret: secrets are not supported, because no provisioner uses them; create a record without a secret with --credentials <name>",
        ]);
      }
      const { values } = given;
      const account = await createAccount(services, org(given), {
        displayName: values.name,
        cloudProfile: values.provider,
        credentials: values.credentials,
        metadata: {
          tenantId: values["tenant-id"],
          parentFolder: values["parent-folder"],
          parentResourcePool: values["parent-resource-pool"],
        },
      });
      return { print: account };
    },
  },
  "account list": {
    usage: "--org <slug> [--provider <slug>] [--quiet]",
    options: { org: text, provider: text, quiet: { type: "boolean" } },
    required: ["org"],
    async run(services, given) {
      const provider = one(given, "provider");
      const accounts = (await listAccounts(services, org(given))).filter(
        ({ cloudProfile }) => provider === undefined || profileByIdentity(cloudProfile)?.cloudProvider === provider,
      );
      if (given.values.quiet !== true) return { print: accounts };
      return { print: accounts.map(({ identity }) => identity).join("\n") };
    },
  },
  "schedule create": {
    usage: '--org <slug> --name <name> [--window "SATURDAY 02:00 120"]…',
    options: { org: text, name: text, window: multiple },
    required: ["org", "name"],
    async run(services, given) {
      const windows = many(given, "window").map(parseWindow);
      return { print: await createSchedule(services, org(given), { name: given.values.name, windows }) };
    },
  },
  "schedule list": {
    usage: "--org <slug>",
    options: { org: text },
    required: ["org"],
    async run(services, given) {
      return { print: await listSchedules(services, org(given)) };
    },
  },
  "member set": {
    usage:
      "--org <slug> --email <address> [--user <uuid>] [--kubernetes-role …] --role viewer|developer|admin|billing-admin, or --env <slug> --role …|none|inherit",
    options: { org: text, email: text, user: text, role: text, env: text, "kubernetes-role": text },
    required: ["org", "email"],
    async run(services, given) {
      const { email, user, role, env } = given.values;
      const roles = env === undefined ? { role } : { environment: env, environmentRole: role };
      const kubernetesRole = given.values["kubernetes-role"];
      return { print: await setMember(services, org(given), { email, user, kubernetesRole, ...roles }) };
    },
  },
  "member list": {
    usage: "--org <slug>",
    options: { org: text },
    required: ["org"],
    async run(services, given) {
      return { print: await listMembers(services, org(given)) };
    },
  },
  "token create": {
    usage: "--org <slug> --email <address> --name <name> [--days 365] [--source <CIDR>]…",
    options: { org: text, email: text, name: text, days: text, source: multiple },
    required: ["org", "email", "name"],
    async run(services, given) {
      const { user } = await memberByEmail(services, org(given), one(given, "email") ?? "");
      const days = numeric(one(given, "days"));
      const sources = many(given, "source");
      const { record, token } = await createToken(services, { user, name: given.values.name, days, sources });
      return { print: { token, ...record } };
    },
  },
  "token list": {
    usage: "--org <slug> --email <address>",
    options: { org: text, email: text },
    required: ["org", "email"],
    async run(services, given) {
      const { user } = await memberByEmail(services, org(given), one(given, "email") ?? "");
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
    options: { org: text },
    async run(services, given) {
      const found = await checkIndexes(services, one(given, "org"));
      return { print: found, failed: found.discrepancies.length > 0 };
    },
  },
  "index rebuild": {
    usage: "[--org <slug>]",
    options: { org: text },
    async run(services, given) {
      return { print: await rebuildIndexes(services, one(given, "org")) };
    },
  },
  ...clusterCommands,
  ...secretsCommands,
  ...tableCommands,
  ...backupCommands,
};
