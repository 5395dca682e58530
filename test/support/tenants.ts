/** Creates organisations for tests. */

import { randomBytes, randomUUID } from "node:crypto";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { createEnvironment } from "#core/admin/environments.ts";
import { createSchedule } from "#core/admin/maintenance-schedules.ts";
import { setMember } from "#core/admin/members.ts";
import { createOrganisation } from "#core/admin/organisations.ts";
import { createToken } from "#core/admin/personal-tokens.ts";
import { profileByIdentity } from "#core/catalogue/index.ts";
import type { Services } from "#core/context.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import type { RawItem } from "#core/table/entity.ts";
import { memberEmailKey, organisationKey, tokenKey, userTokenKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import type { Environment } from "#core/tenancy/environment.ts";
import { emailHash, memberEmailEntity, memberEntity } from "#core/tenancy/member.ts";
import type { CloudAccount, MaintenanceSchedule } from "#core/tenancy/references-entity.ts";
import type { EnvironmentRole, Role } from "#core/tenancy/role.ts";
import { formatToken, hashToken, parseToken, SECRET_BYTES } from "#core/tenancy/token.ts";

/** Test organisation. */
export interface Tenant {
  slug: string;
  identity: string;
  environments: Record<string, Environment>;
  account: CloudAccount;
  byonAccount: CloudAccount;
  schedule: MaintenanceSchedule;
  /** Token of a new admin. */
  admin: string;
  /** Creates a person with a role, role overrides for environments (by slug), and a token. */
  person(role: Role, overrides?: Record<string, EnvironmentRole>): Promise<{ user: string; token: string }>;
  /** Builds a valid creation of a cluster. */
  creation(more?: Record<string, unknown>): Record<string, unknown>;
  /** Returns a path of clusters. */
  path(environment?: string, cluster?: string): string;
}

/** Stored items of an organisation, and the results of its creation. */
interface Made extends Pick<Tenant, "slug" | "identity" | "environments" | "account" | "byonAccount" | "schedule"> {
  admin: { user: string; token: string };
}

/** Organisation to copy. `madeAt` is its creation in milliseconds since the epoch. */
type Pattern = Made & { items: readonly RawItem[]; madeAt: number };

let count = 0;
const newSlug = () => `org_${++count}-${randomUUID().slice(0, 8)}`;

/** The first organisation of this process with given environment names, of whatever world. */
const patterns = new Map<string, Promise<Pattern>>();

/**
 * Builds functions that create organisations. The first organisation with given environment names is created by the regular
 * functions; later ones with the same names, also in other worlds, are copies with new names and times, in one transaction, not a dozen.
 */
export function tenantsOn(services: Services): (environments: readonly string[]) => Promise<Tenant> {
  return async (environments) => {
    const names = environments.join();
    const pattern = await patterns.get(names)?.catch(() => undefined);
    if (pattern !== undefined) return tenantOf(services, await copy(services, pattern));
    const first = makeFirst(services, environments);
    patterns.set(names, first);
    return tenantOf(services, await first);
  };
}

async function makeFirst(services: Services, names: readonly string[]): Promise<Pattern> {
  const madeAt = services.clock().getTime();
  const slug = newSlug();
  const { identity } = await createOrganisation(services, { slug, name: "Testers" });
  const environments: Record<string, Environment> = {};
  for (const name of names) environments[name] = await createEnvironment(services, slug, { name, type: "other" });
  const account = await createAccount(services, slug, { displayName: "AWS", cloudProfile: "aws", credentials: "main" });
  const byonAccount = await createAccount(services, slug, { displayName: "Own", cloudProfile: "byon" });
  const windows = [{ day: "SATURDAY", startTime: "2:00", duration: 120 }];
  const schedule = await createSchedule(services, slug, { name: "weekend", windows });
  const admin = await makePerson(services, slug, "admin", {});
  const made = { slug, identity, environments, account, byonAccount, schedule, admin };
  return { ...made, items: await itemsOf(services, made), madeAt };
}

async function itemsOf({ table }: Services, { slug, admin }: Made): Promise<RawItem[]> {
  const everything = { from: "!", to: "~" };
  const { tokenId = "" } = parseToken(admin.token) ?? {};
  const [ofOrganisation, ofUser, token] = await Promise.all([
    table.query({ pk: organisationKey(slug).pk, ...everything }),
    table.query({ pk: userTokenKey(admin.user, tokenId).pk, ...everything }),
    table.get([tokenKey(tokenId)]),
  ]);
  return [...ofOrganisation, ...ofUser, ...token.values()];
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;

/** Stores a copy of an organisation with another slug, other identities, another token, and the present time. */
async function copy(services: Services, pattern: Pattern): Promise<Made> {
  const text = JSON.stringify(pattern);
  const age = services.clock().getTime() - pattern.madeAt;
  // References to the catalogue are the same for all.
  const own = [...new Set(text.match(UUID))].filter((each) => profileByIdentity(each) === undefined);
  const others = new Map(own.map((each) => [each, randomUUID()]));
  const renamed = text
    .replaceAll(UUID, (each) => others.get(each) ?? each)
    .replaceAll(pattern.slug, newSlug())
    .replaceAll(TIME, (each) => new Date(Date.parse(each) + age).toISOString());
  const { items, ...made }: Pattern = JSON.parse(renamed);
  const { token } = pattern.admin;
  const { tokenId = "" } = parseToken(token) ?? {};
  const fresh = formatToken(others.get(tokenId) ?? "", made.admin.user, randomBytes(SECRET_BYTES));
  const transaction = new Transaction();
  for (const item of items) {
    if (item.entity === memberEmailEntity.name) continue;
    if (item.entity === memberEntity.name) {
      const { organisation, email, user } = memberEntity.read(item);
      // The key contains a hash of the address, which renaming does not change.
      const link = memberEmailEntity.write(memberEmailKey(organisation, emailHash(email)), { user });
      transaction.create("copy", link);
    }
    transaction.create("copy", JSON.parse(JSON.stringify(item).replaceAll(hashToken(token), hashToken(fresh))));
  }
  const failures = await commit(services.table, transaction, deadlineIn());
  if (failures.length > 0) throw new Error(`${made.slug} already exists`);
  return { ...made, admin: { ...made.admin, token: fresh } };
}

async function makePerson(
  services: Services,
  organisation: string,
  role: Role,
  overrides: Record<string, EnvironmentRole>,
): Promise<Made["admin"]> {
  const email = `${randomUUID()}@example.com`;
  const { user } = await setMember(services, organisation, { email, role });
  for (const [environment, environmentRole] of Object.entries(overrides)) {
    await setMember(services, organisation, { email, environment, environmentRole });
  }
  const { token } = await createToken(services, { user, name: "test" });
  return { user, token };
}

/** Returns a tenant whose items were copied to the table of other services. */
export const tenantCopy = (services: Services, tenant: Tenant): Tenant => ({
  ...tenant,
  person: (role, overrides = {}) => makePerson(services, tenant.slug, role, overrides),
});

function tenantOf(services: Services, made: Made): Tenant {
  const { slug, identity, environments, account, byonAccount, schedule, admin } = made;
  return {
    slug,
    identity,
    environments,
    account,
    byonAccount,
    schedule,
    admin: admin.token,
    person: (role, overrides = {}) => makePerson(services, slug, role, overrides),
    creation: (more = {}) => ({
      name: "one",
      region: "eu-west-1",
      version: "v1.34.4-u-ame.2",
      cloudAccountIdentity: account.identity,
      nodePools: [],
      ...more,
    }),
    path: (environment, cluster) =>
      ["/api/v1/orgs", slug, "clusters", environment, cluster].filter((part) => part !== undefined).join("/"),
  };
}
