import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { expectError } from "#test/support/errors.ts";
import { eventsOf } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

const NEWER = "v1.35.1-u-ame.1";
const NOW = Date.parse("2026-11-23T10:00:00.000Z");

let world: World;
let tenant: Tenant;
let cluster: Json;
let now = NOW;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(now) });
});

beforeEach(async () => {
  now = NOW;
  tenant = await world.tenant();
  cluster = await create("one");
});

const upgrades = (...rest: string[]) => [`/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`, ...rest].join("/");
const send = (
  method: string,
  path: string,
  body?: unknown,
  { token = tenant.admin, headers = {} }: { token?: string; headers?: Record<string, string> } = {},
): Promise<TestResponse> => world.send(method, path, { token, body, headers });

async function create(name: string, environment = "production"): Promise<Json> {
  const response = await send("POST", tenant.path(environment), tenant.creation({ name }));
  expect(response.status, response.text).toBe(200);
  return response.body;
}

const request = (more: Record<string, unknown> = {}, token?: string) =>
  send("POST", upgrades(), { clusterIdentity: cluster.identity, version: NEWER, ...more }, token ? { token } : {});

async function requested(more: Record<string, unknown> = {}): Promise<Json> {
  const response = await request(more);
  expect(response.status, response.text).toBe(200);
  return response.body;
}

describe("POST of a scheduled upgrade", () => {
  test("the response has the documented properties, an entity tag and a location", async () => {
    const response = await request({ scheduleRequestDate: "2026-12-01T03:00:00+01:00" });
    expect(response.body).toEqual({
      automatic: false,
      clusterIdentity: cluster.identity,
      clusterSlug: "one",
      createdAt: "2026-11-23T10:00:00.000Z",
      environmentSlug: "production",
      fromClusterVersion: "v1.34.4-u-ame.2",
      identity: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      ignoreMaintenanceSchedule: false,
      modifiedAt: "2026-11-23T10:00:00.000Z",
      organisationSlug: tenant.slug,
      scheduleRequestDate: "2026-12-01T02:00:00.000Z",
      status: "REQUESTED",
      toClusterVersion: NEWER,
    });
    const location = response.headers.get("location") ?? "";
    const found = await send("GET", new URL(location).pathname);
    expect([found.status, found.body, found.headers.get("etag")]).toEqual([
      200,
      response.body,
      response.headers.get("etag"),
    ]);
  });

  test("every problem of a request is reported at once", async () => {
    const { status, body } = await request({
      version: "v1.34.3-u-ame.1",
      scheduleRequestDate: "2026-02-30T00:00:00Z",
      ignoreMaintenanceSchedule: "yes",
    });
    expect(status).toBe(400);
    expect(body.details.map((each: string) => each.split(":")[0]).toSorted()).toEqual([
      "ignoreMaintenanceSchedule",
      "scheduleRequestDate",
      "version",
    ]);
    expect(body.details.join()).toContain("existing day");
  });

  test.each([
    [{ clusterIdentity: undefined }, /clusterIdentity: is required/],
    [{ clusterIdentity: "one" }, /must be a uuid/],
    [{ clusterIdentity: randomUUID() }, /must be a cluster of the organisation/],
    [{ version: undefined }, /version: is required/],
    [{ version: "1.35" }, /must be one of v1\.33/],
    [{ version: "v1.34.4-u-ame.2" }, /newer than the cluster's version v1\.34\.4-u-ame\.2$/],
    [{ version: "v1.34.4-u-ame.1" }, /to change to this older version, send it in a PATCH of the cluster$/],
    [{ version: "v1.33.4-u-ame.1" }, /the cluster cannot change to this older version$/],
    [{ scheduleRequestDate: "tomorrow" }, /date and time with an offset/],
    [{ scheduleRequestDate: "2026-12-01T00:00:00" }, /date and time with an offset/],
    [{ scheduleRequestDate: "2026-12-01T24:00:00Z" }, /date and time with an offset/],
    [{ scheduleRequestDate: "2027-12-01T00:00:00Z" }, /at most 366 days ahead/],
  ])("a request with %j is refused", async (more, message) => {
    expectError(await request(more), 400, message);
  });

  test("a version that is two minor versions ahead is refused with the reachable ones", async () => {
    const response = await send(
      "POST",
      tenant.path("production"),
      tenant.creation({ name: "old", version: "v1.33.4-u-ame.1" }),
    );
    expectError(await request({ clusterIdentity: response.body.identity }), 400, /reachable now: v1\.33\.4-u-ame\.2/);
  });

  test("the identity of the cluster is accepted in any case, and a date in the past", async () => {
    const past = "2020-01-01T00:00:00Z";
    await requested({ clusterIdentity: cluster.identity.toUpperCase(), scheduleRequestDate: past });
  });

  test("an unknown property is a warning, and with handling=strict a problem", async () => {
    expect((await request({ when: "now" })).headers.get("warning")).toContain("when");
    const body = { clusterIdentity: cluster.identity, version: NEWER, when: "now" };
    const strict = await send("POST", upgrades(), body, { headers: { prefer: "handling=strict" } });
    expectError(strict, 400, /when: unknown property/);
  });

  test("a cluster that is being deleted is a conflict", async () => {
    await send("PATCH", tenant.path("production", "one"), { status: "deleting" });
    expectError(await request(), 409, /being deleted/);
  });

  test("a second request replaces the first one, and one event shows both", async () => {
    const first = await requested();
    now += 1_000;
    const second = await requested({ version: "v1.35.0-u-ame.1" });
    expect(second.identity).not.toBe(first.identity);
    expect((await send("GET", upgrades(first.identity))).body).toMatchObject({
      status: "SUPERSEDED",
      reason: "Another upgrade was requested.",
      modifiedAt: new Date(now).toISOString(),
    });
    const events = await eventsOf(world.services, cluster.identity);
    expect(events.map(({ type }) => type)).toEqual([
      "cluster.created",
      "scheduled-upgrade.requested",
      "scheduled-upgrade.rescheduled",
    ]);
    expect(events.at(-1)?.changes).toContainEqual({
      path: `scheduledUpgrades[${first.identity}].status`,
      to: "SUPERSEDED",
    });
    expect(events.at(-1)?.user).toBeDefined();
  });

  test("requests at the same time leave one unfinished upgrade", async () => {
    const responses = await Promise.all(Array.from({ length: 6 }, () => request()));
    expect(responses.map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(new Set(responses.map(({ body }) => body.identity)).size).toBe(6);
    const { body } = await send("GET", `${upgrades()}?statuses=REQUESTED`);
    expect(body.totalElements).toBe(1);
  });

  test("the revision of the cluster rises, and its configuration stays as observed", async () => {
    const path = tenant.path("production", "one");
    const before = await send("GET", path);
    await requested();
    const after = await send("GET", path);
    expect(after.body).toEqual(before.body);
    expect(after.headers.get("etag")).not.toBe(before.headers.get("etag"));
  });
});

describe("DELETE of a scheduled upgrade", () => {
  test("it answers the superseded upgrade, a repetition answers the same, and its event names the user", async () => {
    const upgrade = await requested();
    const response = await send("DELETE", upgrades(upgrade.identity));
    expect([response.status, response.body]).toEqual([
      200,
      { ...upgrade, status: "SUPERSEDED", reason: "It was cancelled." },
    ]);
    const again = await send("DELETE", upgrades(upgrade.identity));
    expect([again.status, again.body, again.headers.get("etag")]).toEqual([
      200,
      response.body,
      response.headers.get("etag"),
    ]);
    const [event, ...others] = (await eventsOf(world.services, cluster.identity)).slice(2);
    expect([event?.type, others, event?.user === undefined]).toEqual(["scheduled-upgrade.cancelled", [], false]);
    expect((await request()).status).toBe(200);
  });

  test("an unknown identity is a 404", async () => {
    for (const identity of [randomUUID(), "one", "__proto__"]) {
      expectError(await send("DELETE", upgrades(identity)), 404, /no scheduled upgrade/);
      expectError(await send("GET", upgrades(identity)), 404, /no scheduled upgrade/);
    }
  });
});

describe("access to scheduled upgrades", () => {
  test("a viewer reads, and neither requests nor cancels; a developer does all", async () => {
    const upgrade = await requested();
    const viewer = (await tenant.person("viewer")).token;
    expect((await send("GET", upgrades(upgrade.identity), undefined, { token: viewer })).status).toBe(200);
    expect((await send("GET", upgrades(), undefined, { token: viewer })).body.totalElements).toBe(1);
    expectError(await request({}, viewer), 403, /role developer/);
    expectError(await send("DELETE", upgrades(upgrade.identity), undefined, { token: viewer }), 403, /role developer/);
    const developer = (await tenant.person("developer")).token;
    expect((await request({}, developer)).status).toBe(200);
  });

  test("the role in the environment of the cluster decides, also after a move", async () => {
    const { identity = "" } = tenant.environments.production ?? {};
    const developer = (await tenant.person("viewer", { production: "developer", staging: "none" })).token;
    const upgrade = (await request({}, developer)).body;
    expect([identity === "", upgrade.status]).toEqual([false, "REQUESTED"]);
    await send("PATCH", tenant.path("production", "one"), { environmentSlug: "staging" });
    expectError(await send("GET", upgrades(upgrade.identity), undefined, { token: developer }), 404, /no scheduled/);
    expectError(await send("DELETE", upgrades(upgrade.identity), undefined, { token: developer }), 404, /no scheduled/);
    expect((await send("GET", upgrades(), undefined, { token: developer })).body.content).toEqual([]);
    expectError(await request({}, developer), 400, /must be a cluster of the organisation/);
    expect((await send("GET", upgrades(upgrade.identity))).body.environmentSlug).toBe("staging");
  });

  test("a member of another organisation gets nothing, and cannot name the cluster in its own", async () => {
    const upgrade = await requested();
    const other = await world.tenant();
    const token = other.admin;
    expectError(await request({}, token), 403, /not a member/);
    for (const method of ["GET", "DELETE"])
      expectError(await send(method, upgrades(upgrade.identity), undefined, { token }), 403, /not a member/);
    const own = `/api/v1/orgs/${other.slug}/scheduled-cluster-upgrades`;
    expectError(await send("GET", `${own}/${upgrade.identity}`, undefined, { token }), 404, /no scheduled upgrade/);
    const body = { clusterIdentity: cluster.identity, version: NEWER };
    expectError(await send("POST", own, body, { token }), 400, /must be a cluster of the organisation/);
    expect((await send("GET", own, undefined, { token })).body.content).toEqual([]);
  });

  test("upgrades in a deleted environment are hidden while its clusters are being deleted", async () => {
    const { identity } = await requested();
    expect((await send("PATCH", tenant.path("production", "one"), { status: "deleting" })).status).toBe(200);
    expect((await send("GET", upgrades(identity))).body.status).toBe("REQUESTED");
    expect((await send("DELETE", `/api/v1/orgs/${tenant.slug}/environments/production`)).status).toBe(204);
    for (const method of ["GET", "DELETE"]) expectError(await send(method, upgrades(identity)), 404, /no scheduled/);
    expect((await send("GET", upgrades())).body.content).toEqual([]);
    expectError(await request(), 400, /must be a cluster of the organisation/);
  });

  test("a billing-admin may not list upgrades", async () => {
    const { token } = await tenant.person("billing-admin");
    expectError(await send("GET", upgrades(), undefined, { token }), 403, /does not allow reading scheduled upgrades/);
  });
});

describe("the list of scheduled upgrades", () => {
  test("it is ordered by age and filtered by clusters and statuses", async () => {
    const other = await create("two", "staging");
    const first = await requested();
    now += 1_000;
    const second = await requested({ clusterIdentity: other.identity });
    now += 1_000;
    const third = await requested();
    const list = async (query: string) => {
      const { status, body, text } = await send("GET", `${upgrades()}?${query}`);
      expect(status, text).toBe(200);
      return body.content.map(({ identity }: Json) => identity);
    };
    expect(await list("")).toEqual([first, second, third].map(({ identity }) => identity));
    expect(await list("sortDirection=DESC&pageSize=1&pageNumber=1")).toEqual([second.identity]);
    expect(await list("statuses=REQUESTED")).toEqual([second.identity, third.identity]);
    expect(await list("statuses=SUPERSEDED,%20MISSED")).toEqual([first.identity]);
    expect(await list(`clusterIdentities=${other.identity.toUpperCase()}`)).toEqual([second.identity]);
    expect(await list(`clusterIdentities=${cluster.identity},${other.identity}&statuses=`)).toHaveLength(3);
    const { body, headers } = await send("GET", `${upgrades()}?statuses=REQUESTED&pageSize=1`);
    expect([body.totalElements, body.totalPages, body.last]).toEqual([2, 2, false]);
    expect(headers.get("link")).toContain("statuses=REQUESTED");
  });

  test.each([
    ["statuses=requested", /statuses: .* must be some of REQUESTED, /],
    ["statuses=REQUESTED,", /statuses/],
    ["clusterIdentities=one", /clusterIdentities: .* must be uuids/],
    ["statuses=REQUESTED&statuses=MISSED", /statuses/],
    ["pageSize=0", /pageSize/],
  ])("the query %s is refused", async (query, message) => {
    expectError(await send("GET", `${upgrades()}?${query}`), 400, message);
  });
});
