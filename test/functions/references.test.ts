import * as v from "valibot";
import { beforeAll, describe, expect, test } from "vitest";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { createSchedule } from "#core/admin/maintenance-schedules.ts";
import { setMember } from "#core/admin/members.ts";
import { createToken, revokeToken } from "#core/admin/personal-tokens.ts";
import {
  cloudProfiles,
  cloudProviders,
  clusterVersions,
  providerBySlug,
  updateChannels,
} from "#core/catalogue/index.ts";
import { MaintenanceScheduleResponse, UpdateChannelResponse } from "#core/cluster/schema.ts";
import { CloudAccountResponse } from "#core/references/cloud-accounts/schema.ts";
import { CloudCredentialsResponse } from "#core/references/cloud-credentials/schema.ts";
import { EnvironmentResponse } from "#core/references/environments/schema.ts";
import {
  AvailabilityZone,
  CloudProfile,
  CloudProvider,
  ClusterVersion,
  MembershipResponse,
  NodeType,
  OrganisationResponse,
  Region,
} from "#core/references/schema.ts";
import { formatToken, SECRET_BYTES } from "#core/tenancy/token.ts";
import { roundTripsOf } from "#test/support/faults.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

const NOW = "2026-11-23T10:00:00.123Z";
const SEEDED = "2026-11-01T00:00:00.000Z";

let world: World;
let tenant: Tenant;
let other: Tenant;
/** Base paths of the organisation: `org` under orgs, `organisation` under organisations. */
let org: string;
let organisation: string;
const people: Record<string, string> = {};

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(NOW) });
  tenant = await world.tenant(["production", "staging", "a-b", "a"]);
  other = await world.tenant();
  org = `/api/v1/orgs/${tenant.slug}`;
  organisation = `/api/v1/organisations/${tenant.slug}`;
  const everywhere = { production: "none", staging: "none", "a-b": "none", a: "none" } as const;
  for (const [who, person] of Object.entries({
    viewer: tenant.person("viewer"),
    "viewer not in staging": tenant.person("viewer", { staging: "none" }),
    "viewer nowhere": tenant.person("viewer", everywhere),
    "billing-admin": tenant.person("billing-admin"),
    "billing-admin who develops in staging": tenant.person("billing-admin", { staging: "developer" }),
  })) {
    people[who] = (await person).token;
  }
  people.admin = tenant.admin;
  people.stranger = other.admin;
  people.revoked = (await tenant.person("admin")).token;
  await revokeToken(world.services, people.revoked);
  const nodePools = [{ name: "web", nodeSize: "t3.xlarge", minSize: 2, maxSize: 2 }];
  const maintenanceScheduleIdentity = tenant.schedule.identity;
  for (const name of ["one", "two"]) {
    const body = tenant.creation({ name, nodePools, maintenanceScheduleIdentity });
    const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect(response.status, response.text).toBe(200);
  }
});

const get = (path: string, token: string | undefined = tenant.admin) => world.send("GET", path, { token });

async function ok(path: string, token = tenant.admin): Promise<Json> {
  const response = await get(path, token);
  expect(response.status, response.text).toBe(200);
  return response.body;
}

/** Expects a complete first page of exactly these elements, each of exactly the published shape. */
function expectPage(body: Json, shape: v.ObjectSchema<v.ObjectEntries, undefined>, content: unknown[]): void {
  for (const each of body.content) v.parse(v.strictObject(shape.entries), each);
  expect(body).toEqual({
    content,
    empty: content.length === 0,
    first: true,
    last: true,
    number: 0,
    numberOfElements: content.length,
    pageable: { offset: 0, pageNumber: 0, pageSize: 50, paged: true, sort: [], unpaged: false },
    size: 50,
    sort: [],
    totalElements: content.length,
    totalPages: content.length === 0 ? 0 : 1,
  });
}

const slugsIn = (body: Json) => body.content.map((each: Json) => each.slug.slugValue ?? each.slug);

const environmentOf = (slug: string, more: object = {}) => ({
  createdAt: NOW,
  description: "",
  id: tenant.environments[slug]?.id,
  identity: tenant.environments[slug]?.identity,
  modifiedAt: NOW,
  name: slug,
  organisationSlug: { slugValue: tenant.slug },
  purpose: "",
  slug: { slugValue: slug },
  totalClusters: 0,
  totalCpu: 0,
  totalMemory: 0,
  type: "other",
  ...more,
});
const TOTALS = { totalClusters: 2, totalCpu: 16, totalMemory: 65_536 };

const providerShown = (slug: string) => {
  const { available, createdAt, id, modifiedAt, name, type } = providerBySlug(slug) ?? {};
  return { available, byon: slug === "byon", createdAt, id, modifiedAt, name, slug, type };
};

const profileShown = (slug: string) => {
  const regions = providerBySlug(slug)?.regions ?? [];
  const profile = cloudProfiles.find(({ cloudProvider }) => cloudProvider === slug);
  return {
    cloudProvider: slug,
    cloudProviderRegionResponses: regions.map(({ availabilityZones: _, ...region }) => region),
    cloudProviderResponse: providerShown(slug),
    displayName: profile?.displayName,
    enabled: true,
    identity: profile?.identity,
    metadata: {},
    public: true,
    regions: regions.map((region) => region.slug),
    type: slug,
  };
};

const accountShown = (account: Tenant["account"], slug: string) => ({
  cloudProfile: profileShown(slug),
  displayName: account.displayName,
  enabled: true,
  identity: account.identity,
  metadata: {},
  ...(account.primaryCloudCredentialsIdentity === undefined
    ? {}
    : { primaryCloudCredentialsIdentity: account.primaryCloudCredentialsIdentity }),
});

describe("environments", () => {
  test.each(["", "?show-compute=true"])("environments are listed by slug, with their totals%s", async (query) => {
    expectPage(await ok(`${org}/environments${query}`), EnvironmentResponse, [
      environmentOf("a"),
      environmentOf("a-b"),
      environmentOf("production", TOTALS),
      environmentOf("staging"),
    ]);
  });

  test("an environment is returned by its slug", async () => {
    const body = await ok(`${org}/environments/production?show-compute=true`);
    v.parse(v.strictObject(EnvironmentResponse.entries), body);
    expect(body).toEqual(environmentOf("production", TOTALS));
  });

  test("inaccessible environments are not listed, and return 403 by name", async () => {
    const token = people["viewer not in staging"];
    const page = await ok(`${org}/environments?pageSize=2&pageNumber=1`, token);
    expect(slugsIn(page)).toEqual(["production"]);
    expect(page).toMatchObject({ totalElements: 3, totalPages: 2 });
    expect((await get(`${org}/environments/staging`, token)).status).toBe(403);
    expect((await get(`${org}/environments/production`, token)).status).toBe(200);
    expectPage(await ok(`${org}/environments`, people["viewer nowhere"]), EnvironmentResponse, []);
    const developer = people["billing-admin who develops in staging"];
    expect(slugsIn(await ok(`${org}/environments`, developer))).toEqual(["staging"]);
    expect((await get(`${org}/environments/production`, developer)).status).toBe(403);
  });

  test("environments have the documented types", async () => {
    const types = await ok("/api/v1/environments/types", people.stranger);
    expect(types).toEqual(["production", "staging", "development", "demo", "other"]);
  });
});

describe("cloud accounts", () => {
  test("cloud accounts are listed oldest first, with their whole profile", async () => {
    const accounts = [accountShown(tenant.account, "aws"), accountShown(tenant.byonAccount, "byon")];
    const body = await ok(`${org}/cloud-accounts`);
    // The clock of these tests does not advance, so accounts of the same age are ordered by identity.
    expectPage(
      body,
      CloudAccountResponse,
      accounts.sort((one, another) => (one.identity < another.identity ? -1 : 1)),
    );
  });

  test.each<[query: () => string, names: string[]]>([
    [() => "display-name=AWS", ["AWS"]],
    [() => "display-name=AW", []],
    [() => "display-name=aws", []],
    [() => "cloud-provider-slug=byon", ["Own"]],
    [() => "display-name=AWS&cloud-provider-slug=byon", []],
    [() => "display-name=AWS&cloud-provider-slug=aws", ["AWS"]],
    [() => "cloud-provider-slug=byo", []],
    [() => `display-name=${encodeURIComponent("A & B")}`, ["A & B"]],
  ])("cloud accounts are filtered by exact values (%#)", async (query, names) => {
    const mine = await world.tenant();
    await createAccount(world.services, mine.slug, { displayName: "A & B", cloudProfile: "aws" });
    const body = await ok(`/api/v1/orgs/${mine.slug}/cloud-accounts?${query()}`, mine.admin);
    expect(body.content.map((each: Json) => each.displayName)).toEqual(names);
    expect(body.totalElements).toBe(names.length);
    expect(body.last).toBe(true);
  });

  test("cloud accounts with an empty filter are all listed", async () => {
    expect(await ok(`${org}/cloud-accounts?display-name=`)).toMatchObject({ totalElements: 2 });
  });

  test("a cloud account is returned by its identity in any case", async () => {
    const { identity } = tenant.account;
    const body = await ok(`${org}/cloud-accounts/${identity.toUpperCase()}`);
    v.parse(v.strictObject(CloudAccountResponse.entries), body);
    expect(body).toEqual(accountShown(tenant.account, "aws"));
  });

  test("cloud accounts show the public part of their credentials", async () => {
    expectPage(await ok(`${org}/cloud-accounts/${tenant.account.identity}/credentials`), CloudCredentialsResponse, [
      {
        cloudAccountIdentity: tenant.account.identity,
        cloudType: "aws",
        createdAt: NOW,
        displayName: "main",
        identity: tenant.account.primaryCloudCredentialsIdentity,
        isPrimary: true,
        metadata: {},
      },
    ]);
    const none = await ok(`${org}/cloud-accounts/${tenant.byonAccount.identity}/credentials`);
    expectPage(none, CloudCredentialsResponse, []);
  });

  test("cloud accounts of another organisation are not found", async () => {
    const { identity } = other.account;
    expect((await get(`${org}/cloud-accounts/${identity}`)).status).toBe(404);
    expect((await get(`${org}/cloud-accounts/${identity}/credentials`)).status).toBe(404);
  });
});

describe("the catalogue", () => {
  test("the catalogue has cloud profiles with provider and regions", async () => {
    const shown = cloudProfiles.map(({ cloudProvider }) => profileShown(cloudProvider));
    expectPage(await ok(`${org}/cloud-profiles`), CloudProfile, shown);
  });

  test("the catalogue has providers", async () => {
    const body = await ok(`${org}/cloud-providers`);
    expectPage(
      body,
      CloudProvider,
      cloudProviders.map(({ slug }) => providerShown(slug)),
    );
    expect(body.content.find(({ slug }: Json) => slug === "aws")).toEqual({
      available: true,
      byon: false,
      createdAt: SEEDED,
      id: 3,
      modifiedAt: SEEDED,
      name: "Amazon Web Services",
      slug: "aws",
      type: "aws",
    });
  });

  test("the catalogue has regions, zones and node types of each provider", async () => {
    for (const provider of cloudProviders) {
      const regions = provider.regions.map(({ availabilityZones: _, ...region }) => region);
      expectPage(await ok(`${org}/cloud-providers/${provider.slug}/regions`), Region, regions);
      const nodeTypes = await ok(`/api/v1/cloud-providers/${provider.slug}/nodetypes?pageSize=1000`);
      for (const each of nodeTypes.content) v.parse(v.strictObject(NodeType.entries), each);
      expect(nodeTypes.content).toEqual(provider.nodeTypes.map(({ available: _, ...nodeType }) => nodeType));
      for (const { slug, availabilityZones } of provider.regions) {
        const path = `${org}/cloud-providers/${provider.slug}/regions/${slug}/availability-zones`;
        expectPage(
          await ok(path),
          AvailabilityZone,
          availabilityZones.map(({ available: _, ...zone }) => zone),
        );
      }
    }
    const [ireland] = (await ok(`${org}/cloud-providers/aws/regions`)).content;
    expect(ireland).toEqual({
      available: true,
      createdAt: SEEDED,
      id: 301,
      modifiedAt: SEEDED,
      name: "Europe (Ireland)",
      provider: "aws",
      restricted: false,
      slug: "eu-west-1",
    });
  });

  test("the catalogue has update channels and versions", async () => {
    const body = await ok(`${org}/update-channels`);
    expectPage(body, UpdateChannelResponse, [...updateChannels]);
    expect(body.content.at(-1)).toEqual({
      available: true,
      kubernetesClusterVersion: "v1.35.1-u-ame.1",
      name: "v1.35",
    });
    const versions = await ok("/api/v1/cluster-versions", people.stranger);
    for (const each of versions) v.parse(v.strictObject(ClusterVersion.entries), each);
    expect(versions).toEqual(clusterVersions.map(({ version }) => ({ version })));
  });
});

describe("maintenance schedules", () => {
  const shown = () => ({
    clusterCount: 2,
    identity: tenant.schedule.identity,
    name: "weekend",
    windows: [{ day: "SATURDAY", duration: 120, startTime: "2:00" }],
  });

  test("maintenance schedules count their clusters", async () => {
    const list = await ok(`${organisation}/maintenance-schedule`);
    for (const each of list) v.parse(v.strictObject(MaintenanceScheduleResponse.entries), each);
    expect(list).toEqual([shown()]);
    expect(await ok(`${organisation}/maintenance-schedule/${tenant.schedule.identity.toUpperCase()}`)).toEqual(shown());
  });

  test("maintenance schedules are listed oldest first, also without clusters", async () => {
    let seconds = 0;
    const ticking = await makeWorld({ clock: () => new Date(Date.parse(NOW) + ++seconds * 1_000) });
    const mine = await ticking.tenant();
    for (const name of ["b", "a", "c"]) await createSchedule(ticking.services, mine.slug, { name });
    const path = `/api/v1/organisations/${mine.slug}/maintenance-schedule`;
    const { status, body } = await ticking.send("GET", path, { token: mine.admin });
    expect(status).toBe(200);
    expect(body.map(({ name, clusterCount }: Json) => [name, clusterCount])).toEqual([
      ["weekend", 0],
      ["b", 0],
      ["a", 0],
      ["c", 0],
    ]);
    expect(body[1].windows).toEqual([]);
  });

  test("maintenance schedules of another organisation are not found", async () => {
    expect((await get(`${organisation}/maintenance-schedule/${other.schedule.identity}`)).status).toBe(404);
  });
});

describe("organisations", () => {
  test("a caller's memberships are listed by slug", async () => {
    const email = "in.both@example.com";
    const { user } = await setMember(world.services, tenant.slug, { email, role: "viewer", kubernetesRole: "view" });
    await setMember(world.services, other.slug, { email, user, role: "billing-admin" });
    const { token } = await createToken(world.services, { user, name: "test" });
    const memberships = [
      { of: tenant, role: "viewer", kubernetesRole: "view" },
      { of: other, role: "billing-admin", kubernetesRole: "" },
    ].map(({ of, role, kubernetesRole }) => ({
      email: { email },
      identity: of.identity,
      kubernetesRole,
      memberIdentity: user,
      name: "Testers",
      organisationIdentity: of.identity,
      role,
      slug: { slugValue: of.slug },
    }));
    const sorted = memberships.sort((one, another) => (one.slug.slugValue < another.slug.slugValue ? -1 : 1));
    expectPage(await ok("/api/v1/memberships", token), MembershipResponse, sorted);
    expect(slugsIn(await ok("/api/v1/memberships"))).toEqual([tenant.slug]);
  });

  test("a caller without memberships gets an empty page", async () => {
    const user = "0b1f2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
    const { token } = await createToken(world.services, { user, name: "test" });
    expectPage(await ok("/api/v1/memberships", token), MembershipResponse, []);
  });

  test("an organisation is shown to every member", async () => {
    const body = await ok(organisation, people["billing-admin"]);
    v.parse(v.strictObject(OrganisationResponse.entries), body);
    expect(body).toEqual({
      acceptedTerms: false,
      createdAt: NOW,
      id: tenant.identity,
      identity: tenant.identity,
      name: "Testers",
      restrictedToAvailableCloudProviders: false,
      slug: { slugValue: tenant.slug },
      type: "BUSINESS",
      vatCodeValidated: false,
    });
  });
});

/** Every path, with the status for a billing-admin and for a member of another organisation. */
const PATHS: [path: () => string, billingAdmin: number, stranger: number][] = [
  [() => `${org}/environments`, 403, 403],
  [() => `${org}/environments/production`, 403, 403],
  [() => "/api/v1/environments/types", 200, 200],
  [() => `${org}/cloud-accounts`, 403, 403],
  [() => `${org}/cloud-accounts/${tenant.account.identity}`, 403, 403],
  [() => `${org}/cloud-accounts/${tenant.account.identity}/credentials`, 403, 403],
  [() => `${org}/cloud-profiles`, 200, 403],
  [() => `${org}/cloud-providers`, 200, 403],
  [() => `${org}/cloud-providers/aws/regions`, 200, 403],
  [() => `${org}/cloud-providers/aws/regions/eu-west-1/availability-zones`, 200, 403],
  [() => "/api/v1/cloud-providers/aws/nodetypes", 200, 200],
  [() => `${org}/update-channels`, 200, 403],
  [() => "/api/v1/cluster-versions", 200, 200],
  [() => `${organisation}/maintenance-schedule`, 403, 403],
  [() => `${organisation}/maintenance-schedule/${tenant.schedule.identity}`, 403, 403],
  [() => "/api/v1/memberships", 200, 200],
  [() => organisation, 200, 403],
];

/** Methods of the paths that can be written. */
const WRITABLE = {
  get(path: string): string | undefined {
    const collections = [`${org}/environments`, `${org}/cloud-accounts`, `${organisation}/maintenance-schedule`];
    if (collections.includes(path)) return "GET, HEAD, POST";
    const isElement = collections.some((each) => path.startsWith(`${each}/`) && !path.endsWith("/credentials"));
    return isElement ? "DELETE, GET, HEAD, PATCH" : undefined;
  },
};

describe.each(PATHS)("the reference path %#", (path, billingAdmin, stranger) => {
  test("a reference path is accessible for its roles only", async () => {
    expect((await get(path())).status).toBe(200);
    expect((await get(path(), people.viewer)).status).toBe(200);
    expect((await get(path(), people["billing-admin"])).status).toBe(billingAdmin);
    expect((await get(path(), people.stranger)).status).toBe(stranger);
    expect((await world.send("GET", path())).status).toBe(401);
    expect((await get(path(), "ame_nothing")).status).toBe(401);
  });

  test("a reference path requires a valid token, used from an allowed network", async () => {
    const { user } = await tenant.person("viewer");
    const make = async (more: object) => (await createToken(world.services, { user, name: "test", ...more })).token;
    const revoked = await make({});
    await revokeToken(world.services, revoked);
    const elsewhere = await make({ sources: ["192.0.2.0/24"] });
    const unknown = formatToken(user, user, Buffer.alloc(SECRET_BYTES));
    for (const token of [revoked, unknown, await make({ days: 0 })]) {
      const response = await get(path(), token);
      expect(response.status, response.text).toBe(401);
    }
    expect((await get(path(), elsewhere)).status).toBe(403);
    const there = await world.send("GET", path(), { token: elsewhere, peer: "192.0.2.1" });
    expect(there.status, there.text).toBe(200);
  });

  test("a reference path refuses PUT, and answers HEAD", async () => {
    const response = await world.send("PUT", path(), { token: tenant.admin, body: {} });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(WRITABLE.get(path()) ?? "GET, HEAD");
    expect((await get(`${path()}/`)).status).toBe(404);
    const head = await world.send("HEAD", path(), { token: tenant.admin });
    expect([head.status, head.text]).toEqual([200, ""]);
  });

  test("a reference path names unknown parameters, and refuses invalid ones", async () => {
    const response = await get(`${path()}?colour=blue`);
    expect(response.status, response.text).toBe(200);
    expect(response.headers.get("warning")).toBe('299 - "Ignored, because unknown: colour"');
    const long = await get(`${path()}?x=${"y".repeat(4_096)}`);
    expect(long.status).toBe(400);
    if (response.body.content === undefined) return;
    for (const query of ["pageSize=0", "pageSize=1001", "page=-1", "sortDirection=up", "sort=name", "size=1&size=1"]) {
      expect((await get(`${path()}?${query}`)).status, query).toBe(400);
    }
  });

  test("a reference path returns no internal property", async () => {
    const { text } = await get(path());
    expect(text).not.toMatch(/"(revision|heldClusters|pk|sk|hash|entity|ttl|user|environmentRoles|credentials)":/);
  });
});

describe("pages", () => {
  const linksOf = (response: TestResponse) =>
    Object.fromEntries(
      (response.headers.get("link") ?? "").split(", ").map((each) => {
        const [, url = "", rel = ""] = /^<http:\/\/localhost([^>]*)>; rel="([a-z]+)"$/.exec(each) ?? [];
        return [rel, url];
      }),
    );

  test("pages of references are connected by their links, in both directions", async () => {
    for (const direction of ["ASC", "DESC"]) {
      const seen: string[] = [];
      let path: string | undefined = `${org}/environments?pageSize=3&sortDirection=${direction}&show-compute=true`;
      for (let walked = 0; path !== undefined && walked < 5; walked++) {
        const response = await get(path);
        expect(response.status, response.text).toBe(200);
        expect(response.body.sort).toEqual([
          {
            ascending: direction === "ASC",
            direction,
            ignoreCase: false,
            nullHandling: "NATIVE",
            property: "slug",
          },
        ]);
        expect(response.body.totalPages).toBe(2);
        seen.push(...slugsIn(response.body));
        path = linksOf(response).next;
      }
      const ascending = ["a", "a-b", "production", "staging"];
      expect(seen).toEqual(direction === "ASC" ? ascending : ascending.reverse());
    }
  });

  test("links of a page keep its other parameters", async () => {
    const response = await get(`${org}/cloud-accounts?display-name=AWS&size=1&page=7`);
    expect(response.body).toMatchObject({ content: [], empty: true, last: true, number: 7, totalElements: 1 });
    const path = `${org}/cloud-accounts?display-name=AWS&pageNumber=0&pageSize=1`;
    expect(linksOf(response)).toEqual({ first: path, prev: path, last: path });
  });

  test("pages of the catalogue can be reversed too", async () => {
    const path = `${org}/cloud-providers/aws/regions/us-west-2/availability-zones`;
    const last = await ok(`${path}?sortDirection=DESC&pageSize=1`);
    expect(slugsIn(last)).toEqual(["us-west-2d"]);
    expect(last).toMatchObject({ sort: [], totalElements: 4, totalPages: 4, first: true, last: false });
    const second = await ok(`${path}?${new URLSearchParams({ pageable: '{"page":1,"size":3}' })}`);
    expect(slugsIn(second)).toEqual(["us-west-2d"]);
    const channels = await ok(`${org}/update-channels?sortDirection=DESC`);
    expect(channels.content).toEqual([...updateChannels].reverse());
    expect(channels.sort[0].property).toBe("kubernetesClusterVersion");
  });
});

describe("missing references and the order of errors", () => {
  const NOTHING = "00000000-0000-4000-8000-000000000000";
  test.each<[path: () => string, says: RegExp]>([
    [() => `${org}/environments/mars`, /no environment "mars"/],
    [() => `${org}/environments/Mars`, /slug in the path/],
    [() => `${org}/cloud-accounts/${NOTHING}`, /no cloud account "0/],
    [() => `${org}/cloud-accounts/__proto__`, /no cloud account "__proto__"/],
    [() => `${org}/cloud-accounts/constructor/credentials`, /no cloud account "constructor"/],
    [() => `${org}/cloud-providers/mars/regions`, /no cloud provider "mars"/],
    [() => `${org}/cloud-providers/AWS/regions`, /provider slug in the path/],
    [() => `${org}/cloud-providers/mars/regions/eu-west-1/availability-zones`, /no cloud provider "mars"/],
    [() => `${org}/cloud-providers/aws/regions/mars/availability-zones`, /no region "mars" of .* "aws"/],
    [() => `${org}/cloud-providers/aws/regions/a%20b/availability-zones`, /region slug in the path/],
    [() => "/api/v1/cloud-providers/mars/nodetypes", /no cloud provider "mars"/],
    [() => "/api/v1/cloud-providers/a%2Fb/nodetypes", /provider slug in the path/],
    [() => `${organisation}/maintenance-schedule/${NOTHING}`, /no maintenance schedule "0/],
    [() => `${organisation}/maintenance-schedule/__proto__`, /no maintenance schedule "__proto__"/],
    [() => `${organisation}/maintenance-schedule/a%23b`, /no maintenance schedule "a#b"/],
    [() => "/api/v1/organisations/Not.A.Slug", /slug in the path/],
    [() => "/api/v1/environments/mars", /Unknown path/],
  ])("a missing reference returns 404 with a message (%#)", async (path, says) => {
    const response = await get(path());
    expect(response.status, response.text).toBe(404);
    expect(response.body.message).toMatch(says);
    expect(Object.keys(response.body).sort()).toEqual(["details", "message"]);
  });
});

describe("the first of several errors is returned", () => {
  test.each<[what: string, path: () => string, who: string, status: number]>([
    ["token before malformed", () => "/api/v1/cloud-providers/AWS/nodetypes", "nobody", 401],
    ["revoked token before malformed", () => "/api/v1/cloud-providers/AWS/nodetypes", "revoked", 401],
    ["token before malformed region", () => `${org}/cloud-providers/aws/regions/X/availability-zones`, "nobody", 401],
    ["malformed before role", () => `${org}/cloud-providers/AWS/regions?page=x`, "stranger", 404],
    ["role before missing provider", () => `${org}/cloud-providers/mars/regions?page=x`, "stranger", 403],
    ["role before missing account", () => `${org}/cloud-accounts/mars?page=x`, "stranger", 403],
    ["permission before missing account", () => `${org}/cloud-accounts/mars?page=x`, "billing-admin", 403],
    ["permission before missing schedule", () => `${organisation}/maintenance-schedule/mars`, "billing-admin", 403],
    ["role before query", () => `${org}/environments?page=x`, "stranger", 403],
    ["permission before query", () => `${org}/environments?page=x`, "billing-admin", 403],
    ["missing environment before permission", () => `${org}/environments/mars`, "billing-admin", 404],
    ["missing before query", () => `${org}/cloud-providers/mars/regions?page=x`, "viewer", 404],
    ["missing environment before query", () => `${org}/environments/mars?show-compute=x`, "viewer", 404],
    ["missing account before query", () => `${org}/cloud-accounts/mars/credentials?page=x`, "viewer", 404],
    ["missing node types before query", () => "/api/v1/cloud-providers/mars/nodetypes?page=x", "viewer", 404],
    [
      "an unknown organisation is like another caller's organisation",
      () => "/api/v1/organisations/mars",
      "viewer",
      403,
    ],
  ])("the error order is: %s", async (_, path, who, status) => {
    const response = await get(path(), people[who] ?? "ame_nothing");
    expect(response.status, response.text).toBe(status);
  });

  test("all errors of a query are reported together", async () => {
    const response = await get(`${org}/environments?show-compute=maybe&pageSize=0&sort=name`);
    expect(response.status).toBe(400);
    expect(response.body.details.map((detail: string) => detail.split(":")[0]).sort()).toEqual([
      "pageSize",
      "show-compute",
      "sort",
    ]);
  });
});

test("a reference read makes one round trip; memberships and the list of schedules make two", async () => {
  world.wire.latencyMs = 15;
  try {
    for (const [path] of PATHS) {
      world.wire.spans.length = 0;
      expect((await get(path())).status).toBe(200);
      const isTwo = path() === "/api/v1/memberships" || path() === `${organisation}/maintenance-schedule`;
      expect(roundTripsOf(world.wire.spans), path()).toBe(isTwo ? 2 : 1);
    }
  } finally {
    world.wire.latencyMs = 0;
  }
});

test("a caller with only a token finds everything for a creation, and creates a cluster", async () => {
  const { token } = await tenant.person("developer");
  const mine = (await ok("/api/v1/memberships", token)).content[0];
  const base = `/api/v1/orgs/${mine.slug.slugValue}`;
  const [environment] = (await ok(`${base}/environments`, token)).content;
  const account = (await ok(`${base}/cloud-accounts`, token)).content.find(
    (each: Json) => each.enabled && each.primaryCloudCredentialsIdentity !== undefined,
  );
  const provider = account.cloudProfile.cloudProvider;
  const region = (await ok(`${base}/cloud-providers/${provider}/regions`, token)).content.find(
    (each: Json) => each.available,
  );
  const [zone] = (await ok(`${base}/cloud-providers/${provider}/regions/${region.slug}/availability-zones`, token))
    .content;
  const [nodeType] = (await ok(`/api/v1/cloud-providers/${provider}/nodetypes`, token)).content;
  const channel = (await ok(`${base}/update-channels`, token)).content.find((each: Json) => each.available);
  const versions = await ok("/api/v1/cluster-versions", token);
  const [schedule] = await ok(`/api/v1/organisations/${mine.slug.slugValue}/maintenance-schedule`, token);
  const body = {
    name: "found",
    region: region.slug,
    version: versions.at(-1).version,
    cloudAccountIdentity: account.identity,
    updateChannel: channel.name,
    maintenanceScheduleIdentity: schedule.identity,
    nodePools: [{ name: "web", nodeSize: nodeType.type, availabilityZone: zone.slug }],
  };
  const made = await world.send("POST", `${base}/clusters/${environment.slug.slugValue}`, { token, body });
  expect(made.status, made.text).toBe(200);
  expect(made.body).toMatchObject({ slug: { slugValue: "found" }, region: region.slug, cloudProvider: provider });
});
