import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkTable } from "#core/admin/integrity/check.ts";
import { setMember } from "#core/admin/members.ts";
import { createToken } from "#core/admin/personal-tokens.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import {
  keyText,
  MEMBER_PREFIX,
  memberEmailKey,
  memberKey,
  organisationKey,
  totalKey,
  userOrganisationKey,
} from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { emailHash, memberEntity } from "#core/tenancy/member.ts";
import { totalEntity } from "#core/tenancy/organisation.ts";
import { expectError } from "#test/support/errors.ts";
import { expectInvariants, organisationEventsOf } from "#test/support/invariants.ts";
import { fillOverrides } from "#test/support/members.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

let now = Date.parse("2026-11-23T10:00:00.123Z");
let world: World;
let tenant: Tenant;
/** Identity of the only admin. */
let admin: string;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(now) });
});

beforeEach(async () => {
  tenant = await world.tenant();
  admin = (await ok("GET", own())).memberIdentity;
});

const own = () => `/api/v1/organisations/${tenant.slug}/me`;
const path = (...rest: string[]) => [`/api/v1/organisations/${tenant.slug}/members`, ...rest].join("/");
const inEnvironment = (environment: string, ...rest: string[]) =>
  [`/api/v1/orgs/${tenant.slug}/environments/${environment}/members`, ...rest].join("/");
const send = (
  method: string,
  to: string,
  body?: unknown,
  {
    headers = {},
    token = tenant.admin,
    by = world,
  }: { headers?: Record<string, string>; token?: string; by?: World } = {},
) => by.send(method, to, { token, body, headers });

/** Sends a request that must succeed. */
async function ok(method: string, to: string, body?: unknown, more: Parameters<typeof send>[3] = {}): Promise<Json> {
  const response = await send(method, to, body, more);
  expect(response.status, response.text).toBeLessThan(205);
  return response.body;
}

const add = (more: object = {}): Promise<Json> =>
  ok("POST", path(), { email: "eve@example.com", role: "viewer", ...more });
const lastEvent = async () => (await organisationEventsOf(world.services, tenant.slug)).at(-1);
const tokenOf = async (user: string) => (await createToken(world.services, { user, name: "test" })).token;

/** Reads the organisation's counters. */
async function totalOf() {
  const key = totalKey(tenant.slug);
  const item = (await world.table.get([key])).get(keyText(key));
  if (item === undefined) throw new Error("no totals");
  return totalEntity.read(item);
}

describe("adding a member", () => {
  test("a new member is returned with its location, and reads what its role allows", async () => {
    const body = { email: "Eve@example.com", username: "Eve", role: "developer", kubernetesRole: "edit" };
    const response = await send("POST", path(), body);
    expect(response.status, response.text).toBe(200);
    expect(response.body).toEqual({
      email: { email: "Eve@example.com" },
      username: "Eve",
      role: "developer",
      kubernetesRole: "edit",
      environments: [],
      identity: tenant.identity,
      organisationIdentity: tenant.identity,
      memberIdentity: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: "Testers",
      slug: { slugValue: tenant.slug },
      createdAt: new Date(now).toISOString(),
      modifiedAt: new Date(now).toISOString(),
    });
    const { memberIdentity } = response.body;
    expect(response.headers.get("location")).toBe(`http://localhost${path(memberIdentity)}`);
    const found = await send("GET", path(memberIdentity.toUpperCase()));
    expect([found.body, found.headers.get("etag")]).toEqual([response.body, response.headers.get("etag")]);
    const token = await tokenOf(memberIdentity);
    expect(await ok("GET", own(), undefined, { token })).toEqual(response.body);
    expect((await send("POST", path(), { email: "x@y", role: "viewer" }, { token })).status).toBe(403);
    const { content } = await ok("GET", "/api/v1/memberships", undefined, { token });
    expect(content.map(({ memberIdentity: each }: Json) => each)).toEqual([memberIdentity]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("all problems are reported at once, and nothing is added", async () => {
    const bad = { email: "x", role: "owner", kubernetesRole: 7, username: "x".repeat(101), memberIdentity: "me" };
    const response = await send("POST", `${path()}?dryRun=maybe`, bad);
    expect(response.status).toBe(400);
    const paths = response.body.details.map((detail: string) => detail.split(": ")[0]);
    expect(paths.toSorted()).toEqual(["dryRun", "email", "kubernetesRole", "memberIdentity", "role", "username"]);
    expectError(await send("POST", path(), {}), 400, /^email: is required/);
    for (const email of ["a b@c", "@", "a@", `${"x".repeat(250)}@abcd`, "\ud800@x", 5, {}]) {
      expectError(await send("POST", path(), { email, role: "viewer" }), 400, /^email/);
    }
    expect((await ok("GET", path())).totalElements).toBe(1);
    await expectInvariants(world.services, tenant.slug);
  });

  test("unknown properties are named, and refused by a strict request", async () => {
    const body = { email: "a@b", role: "viewer", colour: "blue" };
    expect((await send("POST", path(), body)).headers.get("warning")).toContain("colour");
    const strict = { headers: { prefer: "handling=strict" } };
    expectError(await send("POST", path(), { ...body, email: "c@d" }, strict), 400, /^colour: unknown property/);
  });

  test("an e-mail address belongs to one member, without regard to case, also if an earlier release added it", async () => {
    await add();
    expectError(await send("POST", path(), { email: "EVE@example.com", role: "admin" }), 409, /is already the address/);
    const link = memberEmailKey(tenant.slug, emailHash("eve@example.com"));
    expect(await commit(world.table, new Transaction().delete("link", link), deadlineIn())).toEqual([]);
    expectError(await send("POST", path(), { email: "EVE@example.com", role: "admin" }), 409, /is already the address/);
  });

  test("one of several concurrent additions of an address succeeds, the others return 409", async () => {
    for (let round = 0; round < 3; round++) {
      const all = await Promise.all(
        Array.from({ length: 5 }, (_, at) =>
          send(
            "POST",
            path(),
            { email: at % 2 ? `R${round}@b` : `r${round}@B`, role: "admin" },
            { by: world.sibling() },
          ),
        ),
      );
      expect(all.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409, 409]);
    }
    expect(await totalOf()).toMatchObject({ members: 4, admins: 4 });
    await expectInvariants(world.services, tenant.slug);
  });

  test("an organisation with 1,000 members gets no other one", async () => {
    const almost = new Transaction().update("total", totalKey(tenant.slug), "SET #members = :most", {
      values: { ":most": 999 },
    });
    expect(await commit(world.table, almost, deadlineIn())).toEqual([]);
    const all = await Promise.all(
      ["a@b", "b@b", "c@b"].map((email) => send("POST", path(), { email, role: "viewer" }, { by: world.sibling() })),
    );
    expect(all.map(({ status }) => status).toSorted()).toEqual([200, 409, 409]);
    expect(all.find(({ status }) => status === 409)?.body.message).toContain("at most 1000 members");
    // The check of the whole table in other tests must find nothing.
    const back = new Transaction().update("total", totalKey(tenant.slug), "SET #members = :two", {
      values: { ":two": 2 },
    });
    expect(await commit(world.table, back, deadlineIn())).toEqual([]);
  });

  test("a user of another organisation can be added, and keeps the token", async () => {
    const other = await world.tenant();
    const { user, token } = await other.person("viewer");
    expect((await send("GET", own(), undefined, { token })).status).toBe(403);
    await add({ memberIdentity: user.toUpperCase() });
    expect(await ok("GET", own(), undefined, { token })).toMatchObject({ memberIdentity: user, role: "viewer" });
    expectError(
      await send("POST", path(), { email: "n@b", role: "admin", memberIdentity: user }),
      409,
      /already a member/,
    );
  });
});

describe("changing a member", () => {
  test("a change is returned and stored, and applies to the next request", async () => {
    const { memberIdentity } = await add({ username: "Eve" });
    const token = await tokenOf(memberIdentity);
    expect((await send("POST", path(), { email: "x@y", role: "viewer" }, { token })).status).toBe(403);
    now += 1_000;
    const changed = await ok("PATCH", path(memberIdentity), { role: "admin", kubernetesRole: "view", username: "" });
    expect(changed).toMatchObject({ role: "admin", kubernetesRole: "view", modifiedAt: new Date(now).toISOString() });
    expect(changed).not.toHaveProperty("username");
    expect(await ok("GET", path(memberIdentity))).toEqual(changed);
    await ok("POST", path(), { email: "x@y", role: "viewer" }, { token });
    expect(await totalOf()).toMatchObject({ members: 3, admins: 2 });
    await expectInvariants(world.services, tenant.slug);
  });

  test("a value equal to the present one is no change, with the same entity tag and no event", async () => {
    const { memberIdentity } = await add();
    const { headers } = await send("GET", path(memberIdentity));
    const events = (await organisationEventsOf(world.services, tenant.slug)).length;
    const response = await send("PATCH", path(memberIdentity), { role: "viewer", kubernetesRole: null, username: "" });
    expect([response.status, response.headers.get("etag")]).toEqual([200, headers.get("etag")]);
    expect(await organisationEventsOf(world.services, tenant.slug)).toHaveLength(events);
    // Also for the last admin.
    expect((await send("PATCH", path(admin), { role: "admin" })).status).toBe(200);
  });

  test("If-Match requires the current entity tag, and a user who is added again has another one", async () => {
    const { memberIdentity } = await add();
    const etag = (await send("GET", path(memberIdentity))).headers.get("etag") ?? "";
    expect((await send("GET", path(memberIdentity), undefined, { headers: { "if-none-match": etag } })).status).toBe(
      304,
    );
    await ok("DELETE", path(memberIdentity), undefined, { headers: { "if-match": etag } });
    await add({ memberIdentity });
    for (const [method, body] of [["PATCH", { role: "developer" }], ["DELETE"]] as const) {
      const refused = await send(method, path(memberIdentity), body, { headers: { "if-match": etag } });
      expectError(refused, 412, /does not match the current entity tag/);
    }
    const roles = inEnvironment("staging", memberIdentity);
    expectError(await send("POST", roles, { role: "none" }, { headers: { "if-match": etag } }), 412, /entity tag/);
    const { headers } = await send("GET", path(memberIdentity));
    const current = { headers: { "if-match": headers.get("etag") ?? "" } };
    await ok("POST", roles, { role: "none" }, current);
    expectError(await send("DELETE", roles, undefined, current), 412, /entity tag/);
  });

  test("an identity that no member has is a 404, also one that is no identity or of another organisation", async () => {
    const other = await world.tenant();
    const { user } = await other.person("viewer");
    for (const identity of [user, randomUUID(), "me", "%23", "a".repeat(3_000)]) {
      for (const [method, body] of [["GET"], ["PATCH", { role: "admin" }], ["DELETE"]] as const) {
        expectError(await send(method, path(identity), body), 404, /There is no member/);
      }
      expectError(await send("POST", inEnvironment("staging", identity), { role: "none" }), 404, /There is no member/);
      expectError(await send("DELETE", inEnvironment("staging", identity)), 404, /There is no member/);
    }
  });
});

describe("removing a member", () => {
  test("the next request of a removed member is refused, and the membership is in no list", async () => {
    const { memberIdentity } = await add({ role: "admin" });
    const token = await tokenOf(memberIdentity);
    await ok("GET", path(), undefined, { token });
    expect((await send("DELETE", path(memberIdentity))).status).toBe(204);
    expectError(await send("GET", path(), undefined, { token }), 403, /not a member/);
    expect((await ok("GET", "/api/v1/memberships", undefined, { token })).content).toEqual([]);
    expect((await ok("GET", path())).content.map((each: Json) => each.memberIdentity)).toEqual([admin]);
    expectError(await send("DELETE", path(memberIdentity)), 404, /There is no member/);
    const keys = [
      memberKey(tenant.slug, memberIdentity),
      userOrganisationKey(memberIdentity, tenant.slug),
      memberEmailKey(tenant.slug, emailHash("eve@example.com")),
    ];
    expect((await world.table.get(keys)).size).toBe(0);
    expect((await checkTable(world.services)).contradictions).toEqual([]);
  });

  test("a member who is added again has no role of the earlier membership", async () => {
    const { memberIdentity } = await add();
    await ok("POST", inEnvironment("staging", memberIdentity), { role: "admin" });
    await ok("DELETE", path(memberIdentity));
    expect(await add({ memberIdentity })).toMatchObject({ memberIdentity, environments: [] });
  });

  test("a request that waits for a status is refused when its member is removed", async () => {
    const { memberIdentity } = await add();
    const token = await tokenOf(memberIdentity);
    await ok("POST", tenant.path("staging"), tenant.creation());
    const waiting = send("GET", `${tenant.path("staging", "one")}?waitFor=status:started`, undefined, {
      token,
      headers: { prefer: "wait=20" },
    });
    await ok("DELETE", path(memberIdentity));
    expectError(await waiting, 403, /not a member/);
  });
});

describe("the last admin", () => {
  test("the last admin can be neither removed nor get another role, also without a token and by an operator", async () => {
    const { memberIdentity } = await add({ role: "admin" });
    // A user without a token is an admin: the other one can go.
    await ok("PATCH", path(admin), { role: "viewer" });
    await ok("PATCH", path(memberIdentity), { role: "admin" }, { token: await tokenOf(memberIdentity) });
    const as = { token: await tokenOf(memberIdentity) };
    expectError(await send("DELETE", path(memberIdentity), undefined, as), 409, /"eve@example.com" is the last admin/);
    for (const role of ["viewer", "developer", "billing-admin"]) {
      expectError(await send("PATCH", path(memberIdentity), { role }, as), 409, /cannot get another role/);
    }
    const demoted = setMember(world.services, tenant.slug, { email: "eve@example.com", role: "viewer" });
    await expect(demoted).rejects.toMatchObject({ kind: "conflict", code: "member.last_admin" });
    expect(await totalOf()).toMatchObject({ admins: 1 });
    await expectInvariants(world.services, tenant.slug);
  });

  test("of several concurrent removals and demotions of all admins, one admin is left", async () => {
    for (let round = 0; round < 4; round++) {
      const others = await Promise.all([1, 2].map((at) => add({ email: `${round}-${at}@b`, role: "admin" })));
      const identities = [admin, ...others.map(({ memberIdentity }) => memberIdentity)];
      const tokens = await Promise.all(identities.map(tokenOf));
      // Each removes the next one, so that no request is refused for its own caller's loss alone.
      const all = await Promise.all(
        identities.map((_, at) => {
          const target = path(identities[(at + 1) % identities.length] ?? "");
          const as = { token: tokens[at] ?? "", by: world.sibling() };
          return at % 2 === 0 ? send("PATCH", target, { role: "viewer" }, as) : send("DELETE", target, undefined, as);
        }),
      );
      for (const { status, text } of all) expect([200, 204, 403, 404, 409], text).toContain(status);
      expect((await totalOf()).admins).toBeGreaterThanOrEqual(1);
      await expectInvariants(world.services, tenant.slug);
      const admins = await adminsOf();
      expect(admins.length).toBeGreaterThanOrEqual(1);
      // The next round begins with one admin.
      const [first = ""] = admins;
      const token = await tokenOf(first);
      for (const each of admins.slice(1)) await ok("DELETE", path(each), undefined, { token });
      admin = first;
      tenant.admin = token;
    }
  });

  /** Returns the identities of the admins. */
  async function adminsOf(): Promise<string[]> {
    const items = await world.table.query({ pk: organisationKey(tenant.slug).pk, prefix: MEMBER_PREFIX });
    return items.map((item) => memberEntity.read(item)).flatMap(({ role, user }) => (role === "admin" ? [user] : []));
  }

  test("the admins of an organisation that an earlier release wrote are counted by the first write", async () => {
    const forget = new Transaction().update("total", totalKey(tenant.slug), "REMOVE #admins");
    expect(await commit(world.table, forget, deadlineIn())).toEqual([]);
    expectError(await send("DELETE", path(admin)), 409, /is the last admin/);
    const { memberIdentity } = await add({ role: "admin" });
    expect((await totalOf()).admins).toBe(2);
    const again = new Transaction().update("total", totalKey(tenant.slug), "REMOVE #admins");
    expect(await commit(world.table, again, deadlineIn())).toEqual([]);
    const as = { token: await tokenOf(memberIdentity), by: world.sibling() };
    const both = await Promise.all([
      send("PATCH", path(memberIdentity), { role: "viewer" }),
      send("PATCH", path(admin), { role: "viewer" }, as),
    ]);
    expect(both.map(({ status }) => status).toSorted()[0]).toBe(200);
    expect((await totalOf()).admins).toBe(1);
    await expectInvariants(world.services, tenant.slug);
  });

  test("the check of the table finds a wrong number of admins", async () => {
    const wrong = new Transaction().update("total", totalKey(tenant.slug), "ADD #admins :one", {
      values: { ":one": 1 },
    });
    expect(await commit(world.table, wrong, deadlineIn())).toEqual([]);
    const { contradictions } = await checkTable(world.services);
    expect(contradictions).toEqual([{ where: `organisation ${tenant.slug}: admins`, text: "is 2, should be 1" }]);
    const right = new Transaction().update("total", totalKey(tenant.slug), "ADD #admins :one", {
      values: { ":one": -1 },
    });
    expect(await commit(world.table, right, deadlineIn())).toEqual([]);
  });
});

describe("roles in an environment", () => {
  test("a role in an environment applies there at once, and those in the organisation apply after its removal", async () => {
    const { memberIdentity } = await add();
    const token = await tokenOf(memberIdentity);
    const create = (environment: string, name: string) =>
      send("POST", tenant.path(environment), tenant.creation({ name }), { token });
    expect((await create("staging", "a")).status).toBe(403);
    const roles = inEnvironment("staging", memberIdentity);
    const set = await ok("POST", roles, { role: "developer", kubernetesRole: "cluster-admin" });
    const { identity } = tenant.environments.staging ?? {};
    expect(set.environments).toEqual([{ identity, role: "developer", kubernetesRole: "cluster-admin" }]);
    expect([(await create("staging", "a")).status, (await create("production", "a")).status]).toEqual([200, 403]);
    // A property that is absent does not change.
    expect((await ok("POST", roles, { role: "none" })).environments).toEqual([
      { identity, role: "none", kubernetesRole: "cluster-admin" },
    ]);
    expect((await send("GET", tenant.path("staging"), undefined, { token })).status).toBe(403);
    expect((await send("DELETE", roles)).status).toBe(204);
    expect((await send("GET", tenant.path("staging"), undefined, { token })).status).toBe(200);
    expect((await ok("GET", path(memberIdentity))).environments).toEqual([]);
    expectError(await send("DELETE", roles), 404, /no other role in environment "staging"/);
    await expectInvariants(world.services, tenant.slug);
  });

  test("the list of an environment's members shows the roles that apply there", async () => {
    const { memberIdentity } = await add({ email: "zoe@example.com", username: "Zoe", kubernetesRole: "view" });
    await ok("POST", inEnvironment("staging", memberIdentity), { kubernetesRole: "" });
    const shown = async (environment: string) =>
      (await ok("GET", inEnvironment(environment))).content.find(
        (each: Json) => each.memberIdentity === memberIdentity,
      );
    const member = { email: { email: "zoe@example.com" }, memberIdentity, username: "Zoe", role: "viewer" };
    expect(await shown("staging")).toEqual({
      ...member,
      environmentIdentity: tenant.environments.staging?.identity,
      isOverridden: true,
      kubernetesRole: "",
    });
    expect(await shown("production")).toMatchObject({ ...member, isOverridden: false, kubernetesRole: "view" });
    await ok("POST", inEnvironment("staging", memberIdentity), { role: "none" });
    expect(await shown("staging")).toMatchObject({ role: "none", isOverridden: true });
  });

  test("an admin of the organisation with another role in an environment can change it, and an admin of only an environment cannot", async () => {
    await ok("POST", inEnvironment("staging", admin), { role: "none" });
    expect((await send("GET", tenant.path("staging"))).status).toBe(403);
    const { token } = await tenant.person("viewer", { staging: "admin" });
    const refused = await send("DELETE", inEnvironment("staging", admin), undefined, { token });
    expectError(refused, 403, /role admin or higher in organisation/);
    await ok("DELETE", inEnvironment("staging", admin));
    expect((await send("GET", tenant.path("staging"))).status).toBe(200);
  });

  test("a request without a role is refused, and a role in a new environment of the same name is not inherited", async () => {
    const { memberIdentity } = await add();
    expectError(await send("POST", inEnvironment("staging", memberIdentity), {}), 400, /role and kubernetesRole/);
    const bad = await send("POST", inEnvironment("staging", memberIdentity), { role: "owner", kubernetesRole: "root" });
    expect(bad.body.details).toHaveLength(2);
    await ok("POST", inEnvironment("staging", memberIdentity), { role: "admin" });
    await ok("DELETE", `/api/v1/orgs/${tenant.slug}/environments/staging`);
    await ok("POST", `/api/v1/orgs/${tenant.slug}/environments`, { name: "staging" });
    const { content } = await ok("GET", inEnvironment("staging"));
    expect(content.find((each: Json) => each.memberIdentity === memberIdentity)).toMatchObject({ role: "viewer" });
  });

  test("a repetition with the same idempotency key returns the first response, and changes nothing", async () => {
    const { memberIdentity } = await add();
    const roles = inEnvironment("staging", memberIdentity);
    const shown = async () => (await ok("GET", path(memberIdentity))).environments.map(({ role }: Json) => role);
    // The second request asks for the present role.
    for (const [key, role, later] of [
      ["first", "none", "admin"],
      ["second", "admin", "viewer"],
    ] as const) {
      const headers = { "idempotency-key": key };
      const first = await send("POST", roles, { role }, { headers });
      await ok("POST", roles, { role: later });
      const again = await send("POST", roles, { role }, { headers });
      expect([again.text, again.headers.get("idempotency-replayed")]).toEqual([first.text, "true"]);
      expect(await shown()).toEqual([later]);
      expectError(await send("POST", roles, { role: "developer" }, { headers }), 422, /used for another request/);
    }
  });

  test("a member with other roles in 200 environments gets no more, and can change the present ones", async () => {
    const { memberIdentity } = await add();
    await ok("POST", inEnvironment("staging", memberIdentity), { role: "admin" });
    await fillOverrides(world.services, tenant.slug, memberIdentity);
    expectError(await send("POST", inEnvironment("production", memberIdentity), { role: "none" }), 409, /at most 200/);
    await ok("POST", inEnvironment("staging", memberIdentity), { role: "none", kubernetesRole: "view" });
    await ok("DELETE", inEnvironment("staging", memberIdentity));
    await ok("POST", inEnvironment("production", memberIdentity), { role: "none" });
  });

  test("concurrent changes of roles in environments and in the organisation all apply", async () => {
    const { memberIdentity } = await add();
    const all = await Promise.all([
      send("POST", inEnvironment("staging", memberIdentity), { role: "admin" }, { by: world.sibling() }),
      send("POST", inEnvironment("production", memberIdentity), { role: "none" }, { by: world.sibling() }),
      send("PATCH", path(memberIdentity), { role: "developer" }, { by: world.sibling() }),
      send("PATCH", path(memberIdentity), { username: "Eve" }, { by: world.sibling() }),
    ]);
    expect(all.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const member = await ok("GET", path(memberIdentity));
    expect(member).toMatchObject({ role: "developer", username: "Eve" });
    expect(member.environments.map(({ role }: Json) => role).toSorted()).toEqual(["admin", "none"]);
  });
});

describe("reading members", () => {
  test("members are listed by address in pages, also one whom an operator added", async () => {
    for (const email of ["c@b", "a@b", "b@b"]) await add({ email });
    await setMember(world.services, tenant.slug, { email: "!@b", role: "billing-admin" });
    const listed = await ok("GET", `${path()}?pageSize=2`);
    expect(listed.content.map(({ email }: Json) => email.email)).toEqual(["!@b", expect.stringMatching(/@/)]);
    expect([listed.totalElements, listed.totalPages]).toEqual([5, 3]);
    const reversed = await ok("GET", `${path()}?sortDirection=DESC`);
    const emails = reversed.content.map(({ email }: Json) => email.email);
    expect(emails).toEqual(emails.toSorted().toReversed());
    expect(reversed.sort).toMatchObject([{ property: "email", direction: "DESC" }]);
    expectError(await send("GET", `${path()}?pageSize=0`), 400, /pageSize/);
  });

  test("a viewer reads members, a billing-admin only the own membership, a stranger nothing", async () => {
    const [viewer, billing] = await Promise.all([tenant.person("viewer"), tenant.person("billing-admin")]);
    const stranger = (await world.tenant()).admin;
    const paths = [path(), path(admin), inEnvironment("staging")];
    for (const [token, status] of [
      [viewer.token, 200],
      [billing.token, 403],
      [stranger, 403],
    ] as const) {
      for (const to of paths) expect([to, (await send("GET", to, undefined, { token })).status]).toEqual([to, status]);
    }
    expect(await ok("GET", own(), undefined, { token: billing.token })).toMatchObject({ role: "billing-admin" });
    expect((await send("GET", own(), undefined, { token: stranger })).status).toBe(403);
    const none = await tenant.person("viewer", { staging: "none" });
    expect((await send("GET", inEnvironment("staging"), undefined, { token: none.token })).status).toBe(403);
  });

  test("only an admin writes members, whatever the role in an environment is", async () => {
    const { memberIdentity } = await add();
    for (const role of ["viewer", "developer", "billing-admin"] as const) {
      const { token } = await tenant.person(role, { staging: "admin" });
      for (const [method, to, body] of [
        ["POST", path(), { email: "n@b", role: "viewer" }],
        ["PATCH", path(memberIdentity), { role: "admin" }],
        ["DELETE", path(memberIdentity)],
        ["POST", inEnvironment("staging", memberIdentity), { role: "admin" }],
        ["DELETE", inEnvironment("staging", memberIdentity)],
      ] as const) {
        expectError(await send(method, to, body, { token }), 403, /role admin or higher in organisation/);
      }
    }
  });
});

describe("the events of members", () => {
  test("each write appends one event with the changes and the requester", async () => {
    const { memberIdentity } = await add({ username: "Eve" });
    const at = `members[${memberIdentity}]`;
    const settings = { email: "eve@example.com", username: "Eve", role: "viewer", kubernetesRole: "" };
    expect(await lastEvent()).toMatchObject({
      type: "member.added",
      user: admin,
      changes: [{ path: at, to: settings }],
    });
    await ok("PATCH", path(memberIdentity), { role: "admin" });
    const change = { path: `${at}.role`, from: "viewer", to: "admin" };
    expect(await lastEvent()).toMatchObject({ type: "member.updated", changes: [change] });
    expect(await lastEvent()).not.toHaveProperty("environmentIdentity");
    await ok("POST", inEnvironment("staging", memberIdentity), { role: "none" });
    const environment = tenant.environments.staging?.identity ?? "";
    expect(await lastEvent()).toMatchObject({
      type: "member.updated",
      environmentIdentity: environment,
      changes: [{ path: `${at}.environments[${environment}].role`, to: "none" }],
    });
    await setMember(world.services, tenant.slug, { email: "eve@example.com", role: "viewer" });
    expect(await lastEvent()).toMatchObject({
      type: "member.updated",
      changes: [{ ...change, from: "admin", to: "viewer" }],
    });
    expect(await lastEvent()).not.toHaveProperty("user");
    await ok("DELETE", path(memberIdentity));
    expect(await lastEvent()).toMatchObject({ type: "member.removed", changes: [{ path: at, from: settings }] });
    const { content } = await ok("GET", `/api/v1/organisations/${tenant.slug}/events`);
    expect(content.map(({ type }: Json) => type).slice(0, 2)).toEqual(["member.removed", "member.updated"]);
  });
});
