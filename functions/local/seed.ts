/** Creates the demo organisation and its token in a new data directory. */

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createAccount, listAccounts } from "#core/admin/cloud-accounts.ts";
import { createEnvironment } from "#core/admin/environments.ts";
import { createSchedule, listSchedules } from "#core/admin/maintenance-schedules.ts";
import { findMemberByEmail, setMember } from "#core/admin/members.ts";
import { createOrganisation } from "#core/admin/organisations.ts";
import { createToken, listTokens } from "#core/admin/personal-tokens.ts";
import { cloudProfiles } from "#core/catalogue/index.ts";
import type { Services } from "#core/context.ts";
import { AppError } from "#core/shared/errors.ts";
import { parseToken } from "#core/tenancy/token.ts";
import { writePrivateFile } from "./private-file.ts";

/** Slug of the demo organisation. */
const DEMO = "demo";

const DEMO_MEMBER = "demo@example.com";

const SCHEDULES = [
  { name: "weekend", windows: [{ day: "SATURDAY", startTime: "02:00", duration: 120 }] },
  {
    name: "weekday nights",
    windows: ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY"].map((day) => ({ day, startTime: "01:00", duration: 60 })),
  },
];

/** Ignores a conflict: an earlier, interrupted start has already created the object. */
async function ignoreConflict(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!(error instanceof AppError && error.kind === "conflict")) throw error;
  }
}

/**
 * Creates the demo organisation: environments, a cloud account with credentials (without a secret) for every provider, two
 * maintenance schedules, a member with a token. Existing objects do not change, so the next start completes an interrupted one.
 *
 * @param directory directory of the token file, which only its user can read; undefined writes no file
 * @returns the token; undefined if the file exists and its token is not valid any more
 */
export async function seed(services: Services, directory: string | undefined): Promise<string | undefined> {
  const stored = directory === undefined ? undefined : readToken(directory);
  if (stored !== undefined) return await ifValid(services, stored);
  await ignoreConflict(createOrganisation(services, { slug: DEMO, name: "Demo" }));
  await ignoreConflict(createEnvironment(services, DEMO, { name: "production", type: "production" }));
  await ignoreConflict(createEnvironment(services, DEMO, { name: "staging", type: "staging" }));
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
  const { user } = await findMemberByEmail(services, DEMO, DEMO_MEMBER);
  const { token } = await createToken(services, { user, name: "local server" });
  // Written last: without the file, the next start checks everything above again.
  if (directory !== undefined) writeToken(directory, token);
  return token;
}

const tokenFile = (directory: string) => join(directory, "token");

function readToken(directory: string): string | undefined {
  const file = tokenFile(directory);
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, "utf8").trim();
  return parseToken(text) === undefined ? undefined : text;
}

function writeToken(directory: string, token: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writePrivateFile(
    tokenFile(directory),
    `${token}
`,
  );
}

async function ifValid(services: Services, token: string): Promise<string | undefined> {
  const credentials = parseToken(token);
  if (credentials === undefined) return undefined;
  const records = await listTokens(services, credentials.user);
  const record = records.find(({ tokenId }) => tokenId === credentials.tokenId);
  const isValid =
    record !== undefined && record.revokedAt === undefined && Date.parse(record.expiresAt) > services.clock().getTime();
  return isValid ? token : undefined;
}
