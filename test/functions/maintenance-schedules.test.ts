import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { finishDeletion } from "#test/support/deletion.ts";
import { expectError } from "#test/support/errors.ts";
import { expectInvariants, organisationEventsOf } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld();
});

beforeEach(async () => {
  tenant = await world.tenant();
});

const path = (...rest: string[]) => [`/api/v1/organisations/${tenant.slug}/maintenance-schedule`, ...rest].join("/");
const own = () => path(tenant.schedule.identity);
const send = (method: string, to: string, body?: unknown, headers: Record<string, string> = {}, by = world) =>
  by.send(method, to, { token: tenant.admin, body, headers });
const get = (to: string, headers: Record<string, string> = {}) => send("GET", to, undefined, headers);

/** Sends a request that must succeed. */
async function ok(method: string, to: string, body?: unknown): Promise<Json> {
  const response = await send(method, to, body);
  expect(response.status, response.text).toBeLessThan(205);
  return response.body;
}

const lastEvent = async () => (await organisationEventsOf(world.services, tenant.slug)).at(-1);
const createCluster = (name = "one") =>
  ok(
    "POST",
    tenant.path("production"),
    tenant.creation({ name, maintenanceScheduleIdentity: tenant.schedule.identity }),
  );

/** Windows in spellings that are allowed. */
const WINDOWS = [
  { day: "SATURDAY", startTime: "02:00", duration: 120 },
  { day: "sun", startTime: "0:30", duration: 1 },
  { day: "Wednesday", startTime: "23:59", duration: 1_440 },
];

describe("creating a maintenance schedule", () => {
  test("a new schedule is returned with its windows as sent, an entity tag and its location", async () => {
    const response = await send("POST", path(), { name: "night & day", windows: WINDOWS });
    expect(response.status, response.text).toBe(200);
    const { identity } = response.body;
    expect(response.body).toEqual({ identity, name: "night & day", windows: WINDOWS, clusterCount: 0 });
    expect(response.headers.get("location")).toBe(`http://localhost${path(identity)}`);
    const found = await get(path(identity.toUpperCase()));
    expect([found.body, found.headers.get("etag")]).toEqual([response.body, response.headers.get("etag")]);
    expect((await get(path())).body).toHaveLength(2);
    const event = await lastEvent();
    expect(event).toMatchObject({ type: "maintenance-schedule.created", user: expect.any(String) });
    const created = { name: "night & day", windows: WINDOWS };
    expect(event?.changes).toEqual([{ path: `maintenanceSchedules[${identity}]`, to: created }]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("windows that are absent or null are none", async () => {
    for (const windows of [undefined, null, []]) {
      expect(await ok("POST", path(), { name: "none", windows })).toMatchObject({ windows: [] });
    }
  });

  test("all problems are reported at once, and nothing is created", async () => {
    const windows = [
      { day: "Caturday", startTime: "24:00", duration: 0 },
      { day: "sat", startTime: "2:00", duration: 1.5 },
    ];
    const response = await send("POST", `${path()}?dryRun=maybe`, { windows });
    expect(response.status).toBe(400);
    const paths = response.body.details.map((detail: string) => detail.split(": ")[0]).toSorted();
    const expected = ["day", "duration", "startTime"].map((name) => `windows[0].${name}`);
    expect(paths).toEqual(["dryRun", "name", ...expected, "windows[1].duration"]);
    const many = Array(21).fill(WINDOWS[0]);
    expectError(await send("POST", path(), { name: "x", windows: many }), 400, /^windows: .*at most 20/);
    for (const name of ["", "x".repeat(65), 5]) expectError(await send("POST", path(), { name }), 400, /^name/);
    expect((await get(path())).body).toHaveLength(1);
  });

  test("unknown properties are named, and refused by a strict request", async () => {
    const windows = [{ ...WINDOWS[0], timeZone: "CET" }];
    expect((await send("POST", path(), { name: "a", windows })).headers.get("warning")).toContain("timeZone");
    const strict = await send("POST", path(), { name: "a", windows }, { prefer: "handling=strict" });
    expectError(strict, 400, /^windows\[0\]\.timeZone: unknown property/);
  });
});

describe("changing a maintenance schedule", () => {
  test("a change is returned, stored, shown in clusters and appended to the events", async () => {
    await createCluster();
    const before = await get(own());
    const cluster = tenant.path("production", "one");
    const shown = (await get(cluster)).headers.get("etag") ?? "";
    const response = await send("PATCH", own(), { name: "weekday", windows: WINDOWS });
    expect(response.status, response.text).toBe(200);
    expect(response.body).toEqual({ ...before.body, name: "weekday", windows: WINDOWS, clusterCount: 1 });
    const found = await get(own());
    expect([found.body, found.headers.get("etag")]).toEqual([response.body, response.headers.get("etag")]);
    // A cluster contains its schedule.
    const after = await get(cluster, { "if-none-match": shown });
    expect([after.status, after.body.maintenanceSchedule.name]).toEqual([200, "weekday"]);
    const at = `maintenanceSchedules[${tenant.schedule.identity}]`;
    expect(await lastEvent()).toMatchObject({
      type: "maintenance-schedule.updated",
      changes: [
        { path: `${at}.name`, from: "weekend", to: "weekday" },
        { path: `${at}.windows`, from: before.body.windows, to: WINDOWS },
      ],
    });
  });

  test("a change keeps what it leaves out; null leaves out, and an empty array removes all windows", async () => {
    const before = (await get(own())).body;
    expect(await ok("PATCH", own(), { name: "other", windows: null })).toEqual({ ...before, name: "other" });
    expect(await ok("PATCH", own(), { windows: [] })).toEqual({ ...before, name: "other", windows: [] });
  });

  test("a change to the present values writes nothing; another spelling is a change", async () => {
    const before = await get(own());
    const { windows } = before.body;
    world.wire.spans.length = 0;
    expect(await ok("PATCH", own(), { name: "weekend", windows })).toEqual(before.body);
    expect(world.wire.spans.map(({ operation }) => operation)).toEqual(["BatchGetItem"]);
    const spelled = [{ ...windows[0], day: "Sat" }];
    expect(await ok("PATCH", own(), { windows: spelled })).toMatchObject({ windows: spelled });
  });

  test("If-Match is compared with the revision, which the number of clusters does not change", async () => {
    const tag = (await get(own())).headers.get("etag") ?? "";
    await createCluster();
    const now = await get(own(), { "if-none-match": tag });
    expect([now.status, now.body.clusterCount]).toEqual([200, 1]);
    expect((await send("PATCH", own(), { name: "one" }, { "if-match": tag })).status).toBe(200);
    const refused = await send("PATCH", own(), { name: "two" }, { "if-match": tag });
    expectError(refused, 412, /If-Match/);
    expect(refused.headers.get("etag")).toBe((await get(own())).headers.get("etag"));
    expectError(await send("DELETE", own(), undefined, { "if-match": tag }), 412, /If-Match/);
  });

  test("concurrent changes and creations all happen", async () => {
    const requests = [
      send("PATCH", own(), { name: "renamed" }, {}, world.sibling()),
      send("PATCH", own(), { windows: WINDOWS }, {}, world.sibling()),
      ...["a", "b", "c"].map((name) => send("POST", path(), { name }, {}, world.sibling())),
    ];
    for (const { status, text } of await Promise.all(requests)) expect(status, text).toBe(200);
    expect((await get(own())).body).toMatchObject({ name: "renamed", windows: WINDOWS });
    expect((await get(path())).body).toHaveLength(4);
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("deleting a maintenance schedule", () => {
  test("an unused schedule is deleted, and is not found afterwards", async () => {
    expect((await send("DELETE", own())).status).toBe(204);
    for (const method of ["GET", "DELETE"]) expectError(await send(method, own()), 404, /no maintenance schedule/);
    expectError(await send("PATCH", own(), { name: "x" }), 404, /no maintenance schedule/);
    expect((await get(path())).body).toEqual([]);
    expect(await lastEvent()).toMatchObject({ type: "maintenance-schedule.deleted" });
    const creation = tenant.creation({ maintenanceScheduleIdentity: tenant.schedule.identity });
    expectError(await send("POST", tenant.path("production"), creation), 400, /^maintenanceScheduleIdentity/);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a schedule is kept while a live cluster uses it, and can be deleted when those clusters are deleting", async () => {
    await createCluster("one");
    await createCluster("two");
    expect((await get(own())).body.clusterCount).toBe(2);
    expectError(await send("DELETE", own()), 409, /"weekend" is used by 2 clusters/);
    await ok("PATCH", tenant.path("production", "one"), { maintenanceScheduleIdentity: "" });
    expectError(await send("DELETE", own()), 409, /used by 1 cluster;/);
    await ok("PATCH", tenant.path("production", "two"), { status: "deleting" });
    expect((await get(own())).body.clusterCount).toBe(0);
    expect((await send("DELETE", own())).status).toBe(204);
    expect((await get(tenant.path("production", "two"))).body.maintenanceSchedule).toBeUndefined();
    await expectInvariants(world.services, tenant.slug);
    await finishDeletion(world.services, tenant.slug, "production", "two");
    await expectInvariants(world.services, tenant.slug);
    expectError(
      await send("POST", `${tenant.path("production", "two")}/undelete`, {}),
      409,
      /schedule .* does not exist/,
    );
  });

  test("a schedule is never deleted while a cluster takes it, in either order", async () => {
    for (let round = 0; round < 6; round++) {
      const { identity } = await ok("POST", path(), { name: `r${round}` });
      const creation = tenant.creation({ name: `c${round}`, maintenanceScheduleIdentity: identity });
      const [removed, created] = await Promise.all([
        send("DELETE", path(identity), undefined, {}, world.sibling()),
        send("POST", tenant.path("production"), creation, {}, world.sibling()),
      ]);
      expect(["204 400", "409 200"]).toContain(`${removed.status} ${created.status}`);
    }
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("roles for maintenance schedules", () => {
  test("a role below admin reads, and can neither create, change nor delete", async () => {
    for (const role of ["viewer", "developer", "billing-admin"] as const) {
      const { token } = await tenant.person(role, { production: "admin" });
      for (const [method, to, body] of [
        ["POST", path(), { name: "x" }],
        ["PATCH", own(), { name: "x" }],
        ["DELETE", own(), undefined],
      ] as const) {
        expectError(await world.send(method, to, { token, body }), 403, /role admin/);
      }
    }
    const other = await world.tenant();
    expectError(await world.send("DELETE", own(), { token: other.admin }), 403, /not a member/);
    expectError(await send("PATCH", path(other.schedule.identity), { name: "x" }), 404, /no maintenance schedule/);
    expectError(await send("DELETE", path("__proto__")), 404, /no maintenance schedule "__proto__"/);
  });
});
