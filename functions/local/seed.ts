/** What a new data directory begins with: an organisation to try things in, and a token for it. */

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createAccount, listAccounts } from "#core/admin/cloud-accounts.ts";
import { createEnvironment } from "#core/admin/environments.ts";
import { createSchedule, listSchedules } from "#core/admin/maintenance-schedules.ts";
import { memberByEmail, setMember } from "#core/admin/members.ts";
import { createOrganisation } from "#core/admin/organisations.ts";
import { createToken, listTokens } from "#core/admin/personal-tokens.ts";
import { cloudProfiles } from "#core/catalogue/index.ts";
import type { Services } from "#core/context.ts";
import { AppError } from "#core/shared/errors.ts";
import { parseToken } from "#core/tenancy/token.ts";
import { writePrivately } from "./private-file.ts";

/** The organisation that is there from the first start. */
export const DEMO = "demo";

const DEMO_MEMBER = "demo@example.com";

const SCHEDULES = [
  { name: "weekend", windows: [{ day: "SATURDAY", startTime: "02:00", duration: 120 }] },
  {
    name: "weekday nights",
    windows: ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY"].map((day) => ({ day, startTime: "01:00", duration: 60 })),
  },
];

/** Does what may have been done by an earlier start that was killed half-way. */
async function unlessThere(make: Promise<unknown>): Promise<void> {
  try {
    await make;
  } catch (error) {
    if (!(error instanceof AppError && error.kind === "conflict")) throw error;
  }
}

/**
 * Seeds the demo organisation: environments, a cloud account with credentials (without any secret) for every provider, two
 * maintenance schedules, a member with a token. What is there already stays as it is, so a start that was killed half-way is
 * finished by the next.
 *
 * @param directory where the token is kept, in a file that its user alone can read; undefined keeps it nowhere
 * @returns the token; undefined where the file was there already, but the token in it does not work any more
 */
export async function seed(services: Services, directory: string | undefined): Promise<string | undefined> {
  const kept = directory === undefined ? undefined : keptToken(directory);
  if (kept !== undefined) return await stillGood(services, kept);
  await unlessThere(createOrganisation(services, { slug: DEMO, name: "Demo" }));
  await unlessThere(createEnvironment(services, DEMO, { name: "production", type: "production" }));
  await unlessThere(createEnvironment(services, DEMO, { name: "staging", type: "staging" }));
  const accounts = await listAccounts(services, DEMO);
  for (const { identity, cloudProvider, displayName } of cloudProfiles) {
    if (accounts.some(({ cloudProfile }) => cloudProfile === identity)) continue;
    await createAccount(services, DEMO, {
      displayName: `Demo ${cloudProvider}`,
      cloudProfile: identity,
      credentials: `${displayName} without secrets`,
    });
  }
  const schedules = await listSchedules(services, DEMO);
  for (const schedule of SCHEDULES) {
    if (!schedules.some(({ name }) => name === schedule.name)) await createSchedule(services, DEMO, schedule);
  }
  await setMember(services, DEMO, { email: DEMO_MEMBER, role: "admin", kubernetesRole: "cluster-admin" });
  const { user } = await memberByEmail(services, DEMO, DEMO_MEMBER);
  const { token } = await createToken(services, { user, name: "local server" });
  // The file comes last: without it everything above is looked at again.
  if (directory !== undefined) keepToken(directory, token);
  return token;
}

const tokenFile = (directory: string) => join(directory, "token");

function keptToken(directory: string): string | undefined {
  const file = tokenFile(directory);
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, "utf8").trim();
  return parseToken(text) === undefined ? undefined : text;
}

function keepToken(directory: string, token: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writePrivately(
    tokenFile(directory),
    `${token}
`,
  );
}

async function stillGood(services: Services, token: string): Promise<string | undefined> {
  const credentials = parseToken(token);
  if (credentials === undefined) return undefined;
  const records = await listTokens(services, credentials.user);
  const record = records.find(({ tokenId }) => tokenId === credentials.tokenId);
  const works =
    record !== undefined && record.revokedAt === undefined && Date.parse(record.expiresAt) > services.clock().getTime();
  return works ? token : undefined;
}
