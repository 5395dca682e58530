import { randomBytes, randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createEnvironment, removeEnvironment } from "#core/admin/environments.ts";
import { setMember } from "#core/admin/members.ts";
import { createOrganisation } from "#core/admin/organisations.ts";
import { createToken, revokeToken } from "#core/admin/personal-tokens.ts";
import type { EnvironmentRole, Role } from "#core/tenancy/role.ts";
import { formatToken, SECRET_BYTES } from "#core/tenancy/token.ts";
import {
  type Json,
  makeWorld,
  type RequestOptions,
  type Tenant,
  type TestResponse,
  type World,
} from "#test/support/world.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;
const START = Date.parse("2026-11-23T10:00:00.000Z");

let now = START;
let world: World;
let tenant: Tenant;
let nodePool: string;

const nodePools = [{ name: "p", nodeSize: "t3.medium" }];

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(now), trustedProxies: ["10.0.0.0/8", "2001:db8:1::/48"] });
  tenant = await world.tenant();
  for (const [environment, name] of [
    ["production", "one"],
    ["production", "two"],
    ["staging", "three"],
  ] as const) {
    const body = tenant.creation({ name, nodePools });
    const response = await world.send("POST", tenant.path(environment), { token: tenant.admin, body });
    expect(response.status, response.text).toBe(200);
  }
  const pools = await world.send("GET", `${tenant.path("production", "one")}/pools`, { token: tenant.admin });
  nodePool = pools.body[0].identity;
});

beforeEach(() => {
  now = START;
});

type Operation = "list" | "list environment" | "create" | "get" | "list pools" | "get pool";
const OPERATIONS: Operation[] = ["list", "list environment", "create", "get", "list pools", "get pool"];

let created = 0;

/** Sends an operation to an organisation of the tenant's form. */
function act(operation: Operation, sending: RequestOptions, environment = "production", organisation = tenant.slug) {
  const path = (...parts: string[]) => ["/api/v1/orgs", organisation, "clusters", ...parts].join("/");
  const cluster = environment === "staging" ? "three" : "one";
  const paths: Record<Operation, string> = {
    list: path(),
    "list environment": path(environment),
    create: path(environment),
    get: path(environment, cluster),
    "list pools": path(environment, cluster, "pools"),
    "get pool": path(environment, cluster, "pools", nodePool),
  };
  if (operation !== "create") return world.send("GET", paths[operation], sending);
  const body = tenant.creation({ name: `c${++created}` });
  return world.send("POST", paths.create, { ...sending, body });
}

const namesIn = (response: TestResponse): string[] =>
  response.body.content.map((each: Json) => each.environmentSlug.slugValue);

function expectForbidden(response: TestResponse): void {
  expect(response.status, response.text).toBe(403);
  expect(response.body).toEqual({ message: expect.any(String), details: [response.body.message] });
}

describe("authentication with a token", () => {
  const get = (sending: RequestOptions) => act("get", sending);

  test.each(["Token", "Bearer", "token", "BEARER"])("a token is accepted with the scheme %s", async (scheme) => {
    expect((await get({ headers: { authorization: `${scheme} ${tenant.admin}` } })).status).toBe(200);
  });

  test("a missing, malformed, unknown, expired or revoked token returns the same 401", async () => {
    const { user } = await tenant.person("admin");
    const { record, token } = await createToken(world.services, { user, name: "good" });
    expect((await get({ token })).status).toBe(200);
    const expired = await createToken(world.services, { user, name: "old", days: 0.5 });
    const revoked = await createToken(world.services, { user, name: "gone" });
    await revokeToken(world.services, revoked.record.tokenId);
    now += DAY_MS;
    const secret = () => randomBytes(SECRET_BYTES);
    const other = (await tenant.person("admin")).user;
    const authorizations = {
      missing: undefined,
      empty: "",
      "without scheme": token,
      "of another scheme": `Basic ${token}`,
      "without token": "Token",
      malformed: "Token ame_x",
      foreign: "Token ghp_0123456789abcdefghijABCDEFGHIJ012345",
      "with another checksum": `Token ${token.slice(0, -1)}${token.endsWith("0") ? "1" : "0"}`,
      "cut short": `Token ${token.slice(0, -1)}`,
      "with more": `Token ${token}0`,
      twice: `Token ${token} ${token}`,
      unknown: `Token ${formatToken(randomUUID(), user, secret())}`,
      "with another secret": `Token ${formatToken(record.tokenId, user, secret())}`,
      "of another user": `Token ${formatToken(record.tokenId, other, secret())}`,
      expired: `Token ${expired.token}`,
      revoked: `Token ${revoked.token}`,
    };
    const texts = new Set<string>();
    for (const [kind, authorization] of Object.entries(authorizations)) {
      for (const operation of OPERATIONS) {
        const response = await act(operation, authorization === undefined ? {} : { headers: { authorization } });
        expect([kind, operation, response.status]).toEqual([kind, operation, 401]);
        expect(response.headers.get("www-authenticate")).toMatch(/Token.*Bearer/);
        texts.add(
          `${response.text} ${response.headers.get("content-type")} ${response.headers.get("www-authenticate")}`,
        );
      }
    }
    expect(texts.size).toBe(1);
    expect((await get({ token })).status).toBe(200);
  });

  test("a token expires after a year by default", async () => {
    const { user } = await tenant.person("viewer");
    const { token } = await createToken(world.services, { user, name: "default" });
    const { token: short } = await createToken(world.services, { user, name: "week", days: 7 });
    for (const [days, year, week] of [
      [6.9, 200, 200],
      [7.1, 200, 401],
      [364.9, 200, 401],
      [366.1, 401, 401],
    ] as const) {
      now = START + days * DAY_MS;
      expect([days, (await get({ token })).status, (await get({ token: short })).status]).toEqual([days, year, week]);
    }
  });

  test("a token is refused from the first request after its revocation, and the user's other tokens are accepted", async () => {
    const { user, token } = await tenant.person("viewer");
    const other = await createToken(world.services, { user, name: "other" });
    expect((await get({ token: other.token })).status).toBe(200);
    await revokeToken(world.services, other.token);
    expect((await get({ token: other.token })).status).toBe(401);
    expect((await get({ token })).status).toBe(200);
  });

  test("a token is neither stored nor logged", async () => {
    const { token } = await tenant.person("viewer");
    await get({ token });
    await get({ token: `${token.slice(0, -1)}-` });
    const secret = token.slice(48, -6);
    let items = 0;
    for await (const item of world.table.scan()) {
      items++;
      expect(JSON.stringify(item)).not.toContain(secret);
    }
    expect(items).toBeGreaterThan(10);
    expect(world.logs.length).toBeGreaterThan(0);
    expect(world.logs.join("\n")).not.toContain(secret);
  });

  const from = async (sources: string[], sending: RequestOptions) => {
    const { user } = await tenant.person("viewer");
    const { token } = await createToken(world.services, { user, name: "limited", sources });
    return get({ ...sending, token });
  };
  const forwarded = (peer: string, list: string) => ({ peer, headers: { "x-forwarded-for": list } });

  test.each<[string, string[], RequestOptions, number]>([
    ["inside its range", ["192.0.2.0/24"], { peer: "192.0.2.200" }, 200],
    ["outside its range", ["192.0.2.0/24"], { peer: "192.0.3.1" }, 403],
    ["inside its second range", ["192.0.2.0/24", "198.51.100.7/32"], { peer: "198.51.100.7" }, 200],
    ["an address next to its only one", ["198.51.100.7/32"], { peer: "198.51.100.8" }, 403],
    ["an IPv6 address in range", ["2001:db8::/32"], { peer: "2001:DB8:0:0::7" }, 200],
    ["an IPv6 address out of range", ["2001:db8::/32"], { peer: "2001:db9::7" }, 403],
    ["an IPv6 address, limited to all of IPv4", ["0.0.0.0/0"], { peer: "2001:db8::7" }, 403],
    ["an IPv4-mapped IPv6 address in range", ["192.0.2.0/24"], { peer: "::ffff:192.0.2.1" }, 200],
    ["an IPv4-mapped IPv6 address in hexadecimal", ["192.0.2.0/24"], { peer: "::ffff:c000:201" }, 200],
    ["an IPv4-mapped IPv6 address out of range", ["192.0.2.0/24"], { peer: "::ffff:192.0.3.1" }, 403],
    ["an IPv4-mapped IPv6 address, limited to all of IPv6", ["::/0"], { peer: "::ffff:192.0.2.1" }, 403],
    ["no address", ["0.0.0.0/0", "::/0"], { peer: "" }, 403],
    ["an untrusted client that forwards", ["192.0.2.0/24"], forwarded("203.0.113.5", "192.0.2.1"), 403],
    ["its range, with any forwarded address", ["192.0.2.0/24"], forwarded("192.0.2.1", "203.0.113.5"), 200],
    ["a trusted proxy without a forwarded address", ["192.0.2.0/24"], { peer: "10.0.0.1" }, 403],
    ["behind a trusted proxy", ["192.0.2.0/24"], forwarded("10.0.0.1", "192.0.2.1"), 200],
    ["behind a trusted IPv6 proxy", ["192.0.2.0/24"], forwarded("2001:db8:1::1", "::ffff:192.0.2.1"), 200],
    ["behind an IPv4-mapped trusted proxy", ["192.0.2.0/24"], forwarded("::ffff:10.0.0.1", "192.0.2.1"), 200],
    ["behind two trusted proxies", ["192.0.2.0/24"], forwarded("10.0.0.1", "192.0.2.1, 10.9.9.9"), 200],
    [
      "a client behind a trusted proxy with a forged address",
      ["192.0.2.0/24"],
      forwarded("10.0.0.1", "192.0.2.1, 203.0.113.5"),
      403,
    ],
    [
      "a trusted proxy that forwards an invalid address",
      ["192.0.2.0/24"],
      forwarded("10.0.0.1", "192.0.2.1, unknown"),
      403,
    ],
  ])("a token with allowed networks used from %s (%j)", async (_, sources, sending, status) => {
    const response = await from(sources, sending);
    expect(response.status, response.text).toBe(status);
    if (status === 403) expectForbidden(response);
  });
});

describe("roles of members", () => {
  const READS: Operation[] = ["list", "list environment", "get", "list pools", "get pool"];

  test.each<[Role, Operation[]]>([
    ["viewer", READS],
    ["developer", OPERATIONS],
    ["admin", OPERATIONS],
    ["billing-admin", []],
  ])("the role %s allows %j and nothing else", async (role, allowed) => {
    const { token } = await tenant.person(role);
    for (const operation of OPERATIONS) {
      const response = await act(operation, { token });
      expect([operation, response.status]).toEqual([operation, allowed.includes(operation) ? 200 : 403]);
      if (response.status === 403) expectForbidden(response);
    }
  });

  test.each<[Role, EnvironmentRole, Operation[]]>([
    ["viewer", "developer", OPERATIONS],
    ["viewer", "admin", OPERATIONS],
    ["viewer", "none", ["list"]],
    ["viewer", "billing-admin", ["list"]],
    ["developer", "viewer", READS],
    ["admin", "viewer", READS],
    ["admin", "none", ["list"]],
    ["billing-admin", "viewer", READS],
    ["billing-admin", "developer", OPERATIONS],
    ["billing-admin", "none", []],
    ["billing-admin", "billing-admin", []],
  ])(
    "the role %s with the override %s in production allows %j there, and elsewhere what the role allows",
    async (role, override, allowed) => {
      const { token } = await tenant.person(role, { production: override });
      for (const operation of OPERATIONS) {
        const there = await act(operation, { token });
        expect([operation, there.status]).toEqual([operation, allowed.includes(operation) ? 200 : 403]);
        if (operation === "list" || operation === "get pool") continue;
        const elsewhere = await act(operation, { token }, "staging");
        const may = role === "billing-admin" ? false : role !== "viewer" || READS.includes(operation);
        expect([operation, elsewhere.status]).toEqual([operation, may ? 200 : 403]);
      }
    },
  );

  test("a member lists and counts only accessible environments", async () => {
    const all = await act("list", { token: tenant.admin });
    const total = (environment: string) => namesIn(all).filter((name) => name === environment).length;
    expect(total("production")).toBeGreaterThan(1);
    for (const [role, override, seen] of [
      ["viewer", { production: "none" }, ["staging"]],
      ["viewer", { staging: "none" }, ["production"]],
      ["admin", { staging: "billing-admin" }, ["production"]],
      ["billing-admin", { staging: "viewer" }, ["staging"]],
      ["viewer", { staging: "admin" }, ["production", "staging"]],
      ["viewer", { production: "none", staging: "none" }, []],
    ] as const) {
      const { token } = await tenant.person(role, override);
      const response = await act("list", { token });
      expect(response.status, response.text).toBe(200);
      expect([...new Set(namesIn(response))]).toEqual(seen);
      const expected = seen.reduce((sum, environment) => sum + total(environment), 0);
      expect(response.body).toMatchObject({ totalElements: expected, numberOfElements: expected });
      const one = await world.send("GET", `${tenant.path()}?size=1`, { token });
      expect(one.body).toMatchObject({ totalElements: expected, totalPages: expected });
      const link = `pageNumber=${Math.max(0, expected - 1)}`;
      if (expected > 0) expect(one.headers.get("link")).toMatch(new RegExp(`${link}[&>][^,]*rel="last"`));
    }
  });

  test("a changed role and a removed override apply to the next request", async () => {
    const email = `${randomUUID()}@example.com`;
    const set = (more: object) => setMember(world.services, tenant.slug, { email, ...more });
    const { user } = await set({ role: "viewer" });
    const { token } = await createToken(world.services, { user, name: "test" });
    const mayCreate = async (environment: string) => (await act("create", { token }, environment)).status;
    expect([await mayCreate("production"), await mayCreate("staging")]).toEqual([403, 403]);
    await set({ environment: "staging", environmentRole: "developer" });
    expect([await mayCreate("production"), await mayCreate("staging")]).toEqual([403, 200]);
    await set({ role: "developer", environment: "staging", environmentRole: "viewer" });
    expect([await mayCreate("production"), await mayCreate("staging")]).toEqual([200, 403]);
    await set({ environment: "staging", environmentRole: "inherit" });
    expect([await mayCreate("production"), await mayCreate("staging")]).toEqual([200, 200]);
  });

  test("a new environment with the name of a removed one inherits no role override", async () => {
    const other = await world.tenant(["kept", "again"]);
    const path = other.path("again");
    const higher = await other.person("viewer", { again: "admin" });
    const none = await other.person("viewer", { again: "none" });
    const send = (method: string, { token }: { token: string }) =>
      world.send(
        method,
        path,
        method === "GET" ? { token } : { token, body: other.creation({ name: `c${++created}` }) },
      );
    expect((await send("GET", none)).status).toBe(403);
    await removeEnvironment(world.services, other.slug, "again");
    expect((await send("GET", higher)).status).toBe(404);
    await createEnvironment(world.services, other.slug, { name: "again", type: "other" });
    expect((await send("POST", higher)).status).toBe(403);
    expect((await send("GET", higher)).status).toBe(200);
    expect((await send("POST", { token: other.admin })).status).toBe(200);
    expect((await send("GET", none)).body.totalElements).toBe(1);
    expect((await world.send("GET", other.path(), none)).body.totalElements).toBe(1);
  });
});

describe("access to an organisation", () => {
  test("a caller without a role in an organisation gets the same 403 whether or not the organisation exists", async () => {
    const stranger = await (await world.tenant()).person("admin");
    for (const operation of OPERATIONS) {
      const there = await act(operation, stranger);
      const nowhere = await act(operation, stranger, "production", "nowhere");
      const elsewhere = await act(operation, stranger, "mars");
      expectForbidden(there);
      expectForbidden(nowhere);
      expect(there.text.replaceAll(tenant.slug, "nowhere")).toBe(nowhere.text);
      expect(elsewhere.text).toBe(there.text);
    }
  });

  test("only roles in an organisation allow access to it, also for a member of two organisations", async () => {
    const slug = `other-${randomUUID().slice(0, 8)}`;
    await createOrganisation(world.services, { slug, name: "Others" });
    await createEnvironment(world.services, slug, { name: "production", type: "production" });
    const { user, token } = await tenant.person("admin", { staging: "none" });
    await setMember(world.services, slug, { email: "both@example.com", user, role: "viewer" });
    expect((await act("create", { token })).status).toBe(200);
    expectForbidden(await act("create", { token }, "production", slug));
    expect((await act("list", { token }, "production", slug)).body.totalElements).toBe(0);
    for (const operation of ["get", "list pools", "get pool"] as const) {
      expect((await act(operation, { token }, "production", slug)).status).toBe(404);
    }
    expectForbidden(await act("get", { token }, "staging"));
  });
});
