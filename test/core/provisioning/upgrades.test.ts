import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { forgetCluster } from "#core/admin/clusters.ts";
import { LEASE_MS } from "#core/provisioning/lease.ts";
import { reconcileAll } from "#core/provisioning/work-queue.ts";
import { HOUR_MS } from "#core/shared/time.ts";
import { faultsOf, interrupt } from "#test/support/faults.ts";
import { eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { makeReconciledWorld, type ReconciledWorld } from "#test/support/reconciling.ts";
import { changeWindows, upgradesOf } from "#test/support/upgrades.ts";
import type { Json, Tenant, TestResponse } from "#test/support/world.ts";

/** The world's clock starts on Monday, 2026-11-23 at 10:00; the schedule of a tenant opens on Saturday from 02:00 to 04:00. */
const WINDOW = ["2026-11-28T02:00:00.000Z", "2026-11-28T04:00:00.000Z"];
const DAY_MS = 24 * HOUR_MS;
const [OLD, PATCH, MINOR] = ["v1.34.3-u-ame.1", "v1.34.4-u-ame.2", "v1.35.1-u-ame.1"];

let world: ReconciledWorld;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeReconciledWorld();
});

afterEach(async () => {
  world.faults.next = undefined;
  await expectInvariants(world.services, tenant.slug);
});

const send = (method: string, path: string, body?: unknown): Promise<TestResponse> =>
  world.send(method, path, { token: tenant.admin, body });
const at = (...rest: string[]) => [tenant.path("production", "one"), ...rest].join("/");
const get = async (): Promise<Json> => (await send("GET", at())).body;
const UPGRADES = () => `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`;
const nowOf = () => world.services.clock().toISOString();

/** Creates a running cluster with the schedule of its organisation. The clock is on a Monday at 10:00 then. */
async function create(more: Record<string, unknown> = {}, resyncMs = 12 * HOUR_MS): Promise<Json> {
  world = await makeReconciledWorld({ resyncMs });
  return await createIn(more);
}

/** Creates a running cluster in a new organisation of the present world. */
async function createIn(more: Record<string, unknown>): Promise<Json> {
  tenant = await world.tenant();
  const body = tenant.creation({
    nodePools: [{ name: "web", nodeSize: "t3.medium" }],
    maintenanceScheduleIdentity: tenant.schedule.identity,
    version: OLD,
    ...more,
  });
  const response = await send("POST", tenant.path("production"), body);
  expect(response.status, response.text).toBe(200);
  await world.settle(60_000);
  expect(await get()).toMatchObject({ status: "started" });
  return response.body;
}

/** Reconciles until a time. */
const workUntil = async (time: string) => {
  await world.settle(Date.parse(time) - world.services.clock().getTime());
  world.advanceClock(Math.max(0, Date.parse(time) - world.services.clock().getTime()));
};

/** Lets time pass without a worker. */
const sleepUntil = (time: string) => world.advanceClock(Date.parse(time) - world.services.clock().getTime());

async function request(identity: string, more: Record<string, unknown> = {}): Promise<Json> {
  const response = await send("POST", UPGRADES(), { clusterIdentity: identity, version: PATCH, ...more });
  expect(response.status, response.text).toBe(200);
  return response.body;
}

/** Statuses of an upgrade over time, from the events of its cluster. */
async function wayOf(cluster: string, upgrade: string): Promise<unknown[]> {
  const events = await eventsOf(world.services, cluster);
  const changes = events.flatMap((event): Json[] => event.changes);
  return changes.filter(({ path }) => path === `scheduledUpgrades[${upgrade}].status`).map(({ to }) => to);
}

const find = async (identity: string): Promise<Json> => (await send("GET", `${UPGRADES()}/${identity}`)).body;

describe("a requested upgrade", () => {
  test("it runs in the next window, passes through every status, and its events show them", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity);
    expect(upgrade).toMatchObject({ status: "REQUESTED", fromClusterVersion: OLD, toClusterVersion: PATCH });
    await world.settle(60_000);
    expect(await find(upgrade.identity)).toMatchObject({
      status: "SCHEDULED",
      windowStart: WINDOW[0],
      windowEnd: WINDOW[1],
    });
    await workUntil("2026-11-27T02:00:00.000Z");
    await world.settle(0);
    expect(await find(upgrade.identity)).toMatchObject({ status: "SCHEDULED_NOTIFIED" });
    await workUntil("2026-11-28T01:59:59.999Z");
    expect(await get()).toMatchObject({ version: OLD });
    await workUntil("2026-11-28T02:30:00.000Z");
    expect(await get()).toMatchObject({ version: PATCH, status: "started" });
    expect(await find(upgrade.identity)).toMatchObject({ status: "SUCCEEDED" });
    expect(await wayOf(cluster.identity, upgrade.identity)).toEqual([
      "REQUESTED",
      "SCHEDULED",
      "SCHEDULED_NOTIFIED",
      "IN_PROGRESS",
      "SUCCEEDED",
    ]);
    const events = await eventsOf(world.services, cluster.identity);
    const start = events.find(({ changes }) => changes.some(({ to }) => to === "IN_PROGRESS"));
    expect(start?.at).toBe(WINDOW[0]);
    expect(start?.changes).toContainEqual({ path: "version", from: OLD, to: PATCH });
    const end = events.find(({ changes }) => changes.some(({ to }) => to === "SUCCEEDED"));
    expect(Date.parse(end?.at ?? "") - Date.parse(start?.at ?? "")).toBeLessThan(60_000);
  });

  test("with a later date it runs in the first window after the date, and inside of that window at the date", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity, { scheduleRequestDate: "2026-12-05T03:00:00+00:00" });
    await workUntil("2026-12-05T02:59:59.000Z");
    expect(await find(upgrade.identity)).toMatchObject({
      windowStart: "2026-12-05T03:00:00.000Z",
      windowEnd: "2026-12-05T04:00:00.000Z",
    });
    expect(await get()).toMatchObject({ version: OLD });
    await workUntil("2026-12-05T03:10:00.000Z");
    expect(await get()).toMatchObject({ version: PATCH });
  });

  test("without regard to the schedule it runs at its date, and without a date at once", async () => {
    const cluster = await create();
    const at = new Date(world.services.clock().getTime() + 3 * HOUR_MS).toISOString();
    await request(cluster.identity, { scheduleRequestDate: at, ignoreMaintenanceSchedule: true });
    await workUntil(new Date(Date.parse(at) - 1).toISOString());
    expect(await get()).toMatchObject({ version: OLD });
    await workUntil(new Date(Date.parse(at) + 60_000).toISOString());
    expect(await get()).toMatchObject({ version: PATCH });
    const next = await request(cluster.identity, { version: MINOR, ignoreMaintenanceSchedule: true });
    await world.settle(60_000);
    expect(await find(next.identity)).toMatchObject({ status: "SUCCEEDED" });
  });

  test("for a cluster without a schedule it runs at its date", async () => {
    const cluster = await create({ maintenanceScheduleIdentity: "" });
    const upgrade = await request(cluster.identity, { scheduleRequestDate: "2026-11-24T00:00:00Z" });
    await workUntil("2026-11-23T23:59:59.000Z");
    expect(await get()).toMatchObject({ version: OLD });
    await workUntil("2026-11-24T00:01:00.000Z");
    expect(await find(upgrade.identity)).toMatchObject({ status: "SUCCEEDED" });
  });

  test("it stays REQUESTED while the schedule has no windows, and is placed within an hour of the first window", async () => {
    const cluster = await create({}, HOUR_MS);
    await changeWindows(world, tenant, []);
    const upgrade = await request(cluster.identity);
    await world.settle(DAY_MS);
    expect(await find(upgrade.identity)).toMatchObject({ status: "REQUESTED" });
    await changeWindows(world, tenant, [{ day: "Wed", startTime: "9:00", duration: 60 }]);
    await world.settle(HOUR_MS);
    expect((await find(upgrade.identity)).windowStart).toMatch(/T09:00:00.000Z$/);
  });

  test("a window that workers slept through makes it MISSED, and the cluster keeps its version", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity);
    await workUntil("2026-11-27T12:00:00.000Z");
    sleepUntil("2026-11-28T04:00:00.000Z");
    await world.settle(60_000);
    expect(await find(upgrade.identity)).toMatchObject({ status: "MISSED" });
    await world.settle(10 * DAY_MS);
    expect(await get()).toMatchObject({ version: OLD });
  });

  test("workers that return before the end of the window still run it", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity);
    await world.settle(60_000);
    sleepUntil("2026-11-28T03:59:59.000Z");
    await world.settle(60_000);
    expect(await find(upgrade.identity)).toMatchObject({ status: "SUCCEEDED" });
  });

  test("of a cluster that is stopped during the window it is FAILED with the reason", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity);
    await send("PATCH", at(), { status: "stopping" });
    await workUntil("2026-11-28T02:30:00.000Z");
    expect(await find(upgrade.identity)).toMatchObject({
      status: "SCHEDULED_NOTIFIED",
      reason: "The cluster is stopped.",
    });
    await workUntil("2026-11-28T04:00:01.000Z");
    expect(await find(upgrade.identity)).toMatchObject({ status: "FAILED", reason: "The cluster is stopped." });
  });

  test("of a stopped cluster that starts during the window it runs once the cluster is started", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity);
    await send("PATCH", at(), { status: "stopping" });
    await workUntil("2026-11-28T03:00:00.000Z");
    await send("PATCH", at(), { status: "starting" });
    await world.settle(60_000);
    expect(await find(upgrade.identity)).toMatchObject({ status: "SUCCEEDED" });
    expect(await get()).toMatchObject({ version: PATCH, status: "started" });
  });

  test("a PATCH of the version is immediate and supersedes it", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity);
    await world.settle(60_000);
    await send("PATCH", at(), { version: MINOR });
    await world.settle(60_000);
    expect(await get()).toMatchObject({ version: MINOR });
    expect(await find(upgrade.identity)).toMatchObject({
      status: "SUPERSEDED",
      reason: `Version ${MINOR} was requested.`,
    });
    await world.settle(10 * DAY_MS);
    expect(await get()).toMatchObject({ version: MINOR });
  });

  test("a deletion supersedes it, and a restored cluster has none", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity);
    await send("PATCH", at(), { status: "deleting" });
    await world.settle(60_000);
    expect(await find(upgrade.identity)).toMatchObject({ status: "SUPERSEDED", reason: "The cluster was deleted." });
    expect((await send("POST", at("undelete"))).status).toBe(200);
    await world.settle(10 * DAY_MS);
    expect(await get()).toMatchObject({ version: OLD, status: "started" });
    const next = await request(cluster.identity);
    expect(next.identity).not.toBe(upgrade.identity);
  });

  test("an operator who forgets the cluster supersedes it", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity);
    await forgetCluster(world.services, { organisation: tenant.slug, environment: "production", cluster: "one" });
    expect(await find(upgrade.identity)).toMatchObject({ status: "SUPERSEDED" });
  });

  test("it moves with its cluster", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity);
    await world.settle(60_000);
    await send("PATCH", at(), { environmentSlug: "staging" });
    expect(await find(upgrade.identity)).toMatchObject({ environmentSlug: "staging", status: "SCHEDULED" });
    await workUntil("2026-11-28T02:10:00.000Z");
    expect((await send("GET", tenant.path("staging", "one"))).body).toMatchObject({ version: PATCH });
  });

  test("it is IN_PROGRESS while node pools are not upgraded, and a return to the version before supersedes it", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity, { ignoreMaintenanceSchedule: true });
    world.faults.next = ({ operation }) => (operation === "apply" ? { kind: "fails", message: "no" } : undefined);
    await world.settle(60_000);
    expect(await find(upgrade.identity)).toMatchObject({ status: "IN_PROGRESS" });
    expect((await send("DELETE", `${UPGRADES()}/${upgrade.identity}`)).status).toBe(409);
    const again = await send("POST", UPGRADES(), { clusterIdentity: cluster.identity, version: MINOR });
    expect([again.status, again.headers.get("retry-after")]).toEqual([409, "60"]);
    world.faults.next = undefined;
    expect((await send("PATCH", at(), { version: OLD })).status).toBe(200);
    await world.settle(60_000);
    expect(await find(upgrade.identity)).toMatchObject({ status: "SUPERSEDED" });
    expect(await get()).toMatchObject({ version: OLD });
  });

  test("the newest five upgrades of a cluster are kept, and finished ones for 90 days", async () => {
    const cluster = await create();
    const identities: string[] = [];
    for (let round = 0; round < 7; round++) identities.push((await request(cluster.identity)).identity);
    const listed = async () => (await send("GET", UPGRADES())).body.content.map((each: Json) => each.identity);
    expect(await listed()).toHaveLength(5);
    expect(new Set(await listed())).toEqual(new Set(identities.slice(2)));
    await send("DELETE", `${UPGRADES()}/${identities.at(-1)}`);
    await world.settle(60_000);
    world.advanceClock(90 * DAY_MS - 120_000);
    expect(await listed()).toHaveLength(5);
    world.advanceClock(180_000);
    expect(await listed()).toEqual([]);
  });
});

describe("an upgrade whose worker dies", () => {
  test("at whichever write it dies, before or after the write, each status is recorded once and the upgrade succeeds", {
    timeout: 120_000,
  }, async () => {
    world = await makeReconciledWorld({ maxAttempts: 1 });
    const ways = new Set<string>();
    for (let position = 0, hasDied = true; hasDied; position++) {
      for (const fault of faultsOf(position, ["before", "after"])) {
        const cluster = await createIn({});
        const upgrade = await request(cluster.identity, { ignoreMaintenanceSchedule: true });
        let writes = 0;
        world.wire.fault = ({ operation }) =>
          ["TransactWriteItems", "UpdateItem"].includes(operation) && writes++ === position ? fault : undefined;
        await reconcileAll(world.reconciler, [cluster.identity], 1);
        world.wire.fault = () => undefined;
        world.advanceClock(LEASE_MS + 1);
        await world.settle(60_000);
        hasDied = writes > position;
        ways.add((await wayOf(cluster.identity, upgrade.identity)).join(" "));
        expect(await get()).toMatchObject({ version: PATCH, status: "started" });
        await expectInvariants(world.services, tenant.slug);
      }
      expect(position).toBeLessThan(40);
    }
    expect([...ways]).toEqual(["REQUESTED SCHEDULED SCHEDULED_NOTIFIED IN_PROGRESS SUCCEEDED"]);
  });
});

describe("an upgrade that changes while a user writes", () => {
  test.each<[string, () => Promise<void>, { version?: string }]>([
    ["starts", () => workUntil("2026-11-28T02:05:00.000Z"), { version: PATCH }],
    ["is planned", () => world.settle(60_000), {}],
  ])("a PATCH during which it %s keeps both changes", async (_, act, expected) => {
    const cluster = await create();
    const upgrade = await request(cluster.identity);
    if (expected.version !== undefined) await workUntil("2026-11-28T01:59:00.000Z");
    const other = world.sibling();
    interrupt(other.table, async () => {
      await act();
    });
    const response = await other.send("PATCH", at(), { token: tenant.admin, body: { deleteProtection: true } });
    expect([response.status, response.body.deleteProtection], response.text).toEqual([200, true]);
    expect(await get()).toMatchObject({ deleteProtection: true, ...expected });
    await workUntil("2026-11-28T03:00:00.000Z");
    expect(await find(upgrade.identity)).toMatchObject({ status: "SUCCEEDED" });
  });

  test("a PATCH during which an upgrade is requested keeps the upgrade", async () => {
    const cluster = await create();
    const other = world.sibling();
    let upgrade: Json;
    interrupt(other.table, async () => {
      upgrade = await request(cluster.identity);
    });
    const response = await other.send("PATCH", at(), { token: tenant.admin, body: { deleteProtection: true } });
    expect(response.status, response.text).toBe(200);
    await workUntil("2026-11-28T03:00:00.000Z");
    expect(await find(upgrade.identity)).toMatchObject({ status: "SUCCEEDED" });
  });
});

describe("a maintenance schedule that changes", () => {
  test("an earlier window applies within an hour, and a removed one does not run", async () => {
    const cluster = await create({}, HOUR_MS);
    const upgrade = await request(cluster.identity);
    await world.settle(60_000);
    await changeWindows(world, tenant, [{ day: "TUESDAY", startTime: "20:00", duration: 30 }]);
    await world.settle(HOUR_MS);
    expect(await find(upgrade.identity)).toMatchObject({
      status: "SCHEDULED",
      windowStart: "2026-11-24T20:00:00.000Z",
    });
    // Minutes before the window there is no resync any more: the worker finds the change at the start of the window.
    await workUntil("2026-11-24T19:59:00.000Z");
    await changeWindows(world, tenant, [{ day: "THU", startTime: "1:00", duration: 30 }]);
    await workUntil("2026-11-24T21:00:00.000Z");
    expect(await get()).toMatchObject({ version: OLD });
    expect(await find(upgrade.identity)).toMatchObject({ windowStart: "2026-11-26T01:00:00.000Z" });
    await workUntil("2026-11-26T01:05:00.000Z");
    expect(await find(upgrade.identity)).toMatchObject({ status: "SUCCEEDED" });
  });

  test("a cluster that loses its schedule runs its requested upgrade at its date", async () => {
    const cluster = await create();
    const upgrade = await request(cluster.identity, { scheduleRequestDate: "2026-11-25T00:00:00Z" });
    await world.settle(60_000);
    await send("PATCH", at(), { maintenanceScheduleIdentity: "" });
    await world.settle(60_000);
    expect(await find(upgrade.identity)).toMatchObject({ windowStart: "2026-11-25T00:00:00.000Z" });
  });
});

describe("automatic upgrades", () => {
  test("a cluster follows its update channel in its next window, one minor version in each", async () => {
    const cluster = await create({ enableAutoUpgrade: true, updateChannel: "v1.35", version: "v1.33.4-u-ame.1" });
    expect(cluster.version).toBe("v1.33.4-u-ame.1");
    await workUntil("2026-11-28T01:59:00.000Z");
    expect(await get()).toMatchObject({ version: "v1.33.4-u-ame.1" });
    await workUntil("2026-11-28T05:00:00.000Z");
    expect(await get()).toMatchObject({ version: PATCH });
    await workUntil("2026-12-05T01:59:00.000Z");
    expect(await get()).toMatchObject({ version: PATCH });
    await workUntil("2026-12-05T05:00:00.000Z");
    expect(await get()).toMatchObject({ version: MINOR });
    const upgrades = await upgradesOf(world.services, tenant.slug);
    expect(upgrades.map(({ automatic, status, toVersion }) => [automatic, status, toVersion])).toEqual([
      [true, "SUCCEEDED", PATCH],
      [true, "SUCCEEDED", MINOR],
    ]);
    await world.settle(15 * DAY_MS);
    expect(await upgradesOf(world.services, tenant.slug)).toHaveLength(2);
  });

  test("a cluster without a channel follows the patches of its minor version", async () => {
    await create({ enableAutoUpgrade: true });
    await workUntil("2026-11-28T05:00:00.000Z");
    expect(await get()).toMatchObject({ version: PATCH });
    await world.settle(15 * DAY_MS);
    expect(await get()).toMatchObject({ version: PATCH });
  });

  test("a cluster without a schedule or without enableAutoUpgrade is not upgraded", async () => {
    for (const more of [{ enableAutoUpgrade: true, maintenanceScheduleIdentity: "" }, { updateChannel: "v1.34" }]) {
      await create(more);
      await world.settle(15 * DAY_MS);
      expect(await get()).toMatchObject({ version: OLD });
      expect(await upgradesOf(world.services, tenant.slug)).toEqual([]);
    }
  });

  test("after a missed window the next one is used, and one upgrade is MISSED however many windows passed", async () => {
    await create({ enableAutoUpgrade: true });
    sleepUntil("2026-12-14T00:00:00.000Z");
    await workUntil("2026-12-19T05:00:00.000Z");
    expect(await get()).toMatchObject({ version: PATCH });
    const upgrades = await upgradesOf(world.services, tenant.slug);
    expect(upgrades.map(({ status, windowStart }) => [status, windowStart])).toEqual([
      ["MISSED", WINDOW[0]],
      ["SUCCEEDED", "2026-12-19T02:00:00.000Z"],
    ]);
  });

  test("a change of the channel supersedes the planned upgrade, and so does turning it off", async () => {
    await create({ enableAutoUpgrade: true });
    await send("PATCH", at(), { updateChannel: "v1.35" });
    await world.settle(60_000);
    const statuses = async () =>
      (await upgradesOf(world.services, tenant.slug)).map(({ status, toVersion }) => [status, toVersion]);
    expect(await statuses()).toEqual([
      ["SUPERSEDED", PATCH],
      ["SCHEDULED", MINOR],
    ]);
    await send("PATCH", at(), { enableAutoUpgrade: false });
    await world.settle(60_000);
    expect((await statuses()).at(-1)).toEqual(["SUPERSEDED", MINOR]);
    await world.settle(10 * DAY_MS);
    expect(await get()).toMatchObject({ version: OLD });
  });

  test("a requested upgrade takes the place of an automatic one, which cannot be cancelled", async () => {
    const cluster = await create({ enableAutoUpgrade: true });
    const [automatic] = await upgradesOf(world.services, tenant.slug);
    const cancelled = await send("DELETE", `${UPGRADES()}/${automatic?.identity}`);
    expect([cancelled.status, cancelled.body.message]).toEqual([409, expect.stringContaining("enableAutoUpgrade")]);
    const upgrade = await request(cluster.identity, { scheduleRequestDate: "2026-12-01T00:00:00Z" });
    await workUntil("2026-11-30T00:00:00.000Z");
    expect(await get()).toMatchObject({ version: OLD });
    expect(await find(automatic?.identity ?? "")).toMatchObject({ status: "SUPERSEDED" });
    await send("DELETE", `${UPGRADES()}/${upgrade.identity}`);
    await world.settle(60_000);
    expect((await upgradesOf(world.services, tenant.slug)).at(-1)).toMatchObject({
      automatic: true,
      status: "SCHEDULED",
      windowStart: "2026-12-05T02:00:00.000Z",
    });
  });

  test("a return to the version before is not reverted in the same window", async () => {
    await create({ enableAutoUpgrade: true });
    await workUntil("2026-11-28T02:10:00.000Z");
    expect(await get()).toMatchObject({ version: PATCH });
    await send("PATCH", at(), { version: OLD });
    await workUntil("2026-11-28T05:00:00.000Z");
    expect(await get()).toMatchObject({ version: OLD });
    expect((await upgradesOf(world.services, tenant.slug)).at(-1)).toMatchObject({
      status: "SCHEDULED",
      windowStart: "2026-12-05T02:00:00.000Z",
    });
  });

  test("a stopped cluster is upgraded in the next window after its start", async () => {
    await create({ enableAutoUpgrade: true });
    await send("PATCH", at(), { status: "stopping" });
    await workUntil("2026-11-29T00:00:00.000Z");
    expect((await upgradesOf(world.services, tenant.slug)).map(({ status }) => status)).toEqual(["SUPERSEDED"]);
    await send("PATCH", at(), { status: "starting" });
    await workUntil("2026-12-05T05:00:00.000Z");
    expect(await get()).toMatchObject({ version: PATCH, status: "started" });
    expect(nowOf()).toBe("2026-12-05T05:00:00.000Z");
  });
});
