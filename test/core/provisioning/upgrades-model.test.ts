import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { automaticTarget } from "#core/cluster/rules/automatic-upgrade.ts";
import { isStep } from "#core/cluster/rules/versions.ts";
import { reconcileAll } from "#core/provisioning/work-queue.ts";
import type { MaintenanceWindow } from "#core/shared/maintenance-windows.ts";
import { HOUR_MS } from "#core/shared/time.ts";
import { clustersOf, eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { makeReconciledWorld, type ReconciledWorld, scanDue } from "#test/support/reconciling.ts";
import { changeWindows, isOpen, upgradesOf } from "#test/support/upgrades.ts";
import type { Json, Tenant } from "#test/support/world.ts";

/** `MODEL_RUNS` sets more runs. */
const RUNS = Number(process.env.MODEL_RUNS ?? 6);
const LIMIT_MS = 60_000 + RUNS * 15_000;
const DAY_MS = 24 * HOUR_MS;

const VERSIONS = ["v1.33.4-u-ame.1", "v1.33.8-u-ame.1", "v1.34.3-u-ame.1", "v1.34.4-u-ame.2", "v1.35.1-u-ame.1"];

/** Statuses that can follow each status of an upgrade. */
const LEGAL: Record<string, readonly string[]> = {
  "": ["REQUESTED", "SCHEDULED"],
  REQUESTED: ["SCHEDULED", "SUPERSEDED"],
  SCHEDULED: ["REQUESTED", "SCHEDULED_NOTIFIED", "SUPERSEDED", "MISSED"],
  SCHEDULED_NOTIFIED: ["REQUESTED", "SCHEDULED", "IN_PROGRESS", "SUPERSEDED", "FAILED", "MISSED"],
  IN_PROGRESS: ["SUCCEEDED", "SUPERSEDED"],
};

const windows: fc.Arbitrary<MaintenanceWindow[]> = fc.array(
  fc.record({
    day: fc.constantFrom("MON", "tuesday", "Sat", "SUNDAY"),
    startTime: fc.constantFrom("0:00", "01:30", "2:00", "23:30"),
    duration: fc.constantFrom(30, 120, 1_440),
  }),
  { maxLength: 2 },
);

const body = fc.oneof(
  fc.record({ version: fc.constantFrom(...VERSIONS) }),
  fc.record({ enableAutoUpgrade: fc.boolean() }),
  fc.record({ updateChannel: fc.constantFrom("", "v1.33", "v1.34", "v1.35") }),
  fc.record({ hasSchedule: fc.boolean() }),
  fc.record({ status: fc.constantFrom("starting", "stopping") }),
  fc.record({ environmentSlug: fc.constantFrom("production", "staging") }),
);

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("request" as const),
      version: fc.constantFrom(...VERSIONS),
      inHours: fc.constantFrom(-1, 0, 5, 100),
      ignoreMaintenanceSchedule: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("patch" as const), body }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("change windows" as const), windows }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete and undelete" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("sleep" as const), hours: fc.constantFrom(1, 30, 200) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("work" as const),
      hours: fc.constantFrom(0, 1, 30, 170, 400),
      /** Numbers of the database calls at which workers die, before or after the call. */
      deaths: fc.array(fc.tuple(fc.nat(40), fc.constantFrom("before" as const, "after" as const)), { maxLength: 3 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

let world: ReconciledWorld;
const zone = process.env.TZ;

afterAll(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

beforeAll(() => {
  // Amsterdam changes its clocks on March 29, and New York on March 8.
  process.env.TZ = "Europe/Amsterdam";
});

/** One cluster, and what happened to it. */
interface History {
  tenant: Tenant;
  identity: string;
  /** Windows of the schedule from a time on. */
  schedules: { from: number; windows: readonly MaintenanceWindow[] }[];
  /** Times with workers, in milliseconds. */
  worked: [from: number, to: number][];
}

const nowMs = () => world.services.clock().getTime();

/** Works until nothing is due within some hours. Workers die at some of their calls: their lease then expires. */
async function work(history: History, hours: number, deaths: readonly (readonly [number, "before" | "after"])[]) {
  const [from, end] = [nowMs(), nowMs() + hours * HOUR_MS];
  let calls = 0;
  world.wire.fault = () => {
    const death = deaths.find(([position]) => position === calls);
    calls++;
    return death?.[1];
  };
  for (;;) {
    const due = await scanDue(world, new Date(end)).catch(() => undefined);
    const own = due?.find(({ identity }) => identity === history.identity);
    if (due !== undefined && own === undefined) break;
    if (own === undefined) continue;
    world.advanceClock(Math.max(0, Date.parse(own.dueAt) - nowMs()));
    const [result] = await reconcileAll(world.reconciler, [history.identity], 1);
    const isIdle = result === undefined || "error" in result || result.outcome !== "released";
    if (isIdle) world.advanceClock(5_000);
  }
  world.wire.fault = () => undefined;
  world.advanceClock(Math.max(0, end - nowMs()));
  history.worked.push([from, nowMs()]);
}

async function run(history: History, given: Step): Promise<void> {
  const { tenant, identity } = history;
  const send = (method: string, path: string, sent?: unknown) =>
    world.send(method, path, { token: tenant.admin, body: sent });
  const upgrades = `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`;
  const [cluster] = await clustersOf(world.services, tenant.slug);
  if (cluster === undefined) throw new Error("cluster not found");
  const path = tenant.path(cluster.environment, "one");
  switch (given.kind) {
    case "request": {
      const { version, ignoreMaintenanceSchedule, inHours } = given;
      const scheduleRequestDate = new Date(nowMs() + inHours * HOUR_MS).toISOString();
      const request = { clusterIdentity: identity, version, ignoreMaintenanceSchedule, scheduleRequestDate };
      expect([200, 400, 409]).toContain((await send("POST", upgrades, request)).status);
      return;
    }
    case "cancel": {
      const newest = (await send("GET", `${upgrades}?statuses=REQUESTED,SCHEDULED,SCHEDULED_NOTIFIED`)).body.content[0];
      if (newest !== undefined)
        expect([200, 409]).toContain((await send("DELETE", `${upgrades}/${newest.identity}`)).status);
      return;
    }
    case "patch": {
      const { hasSchedule, ...rest } = given.body as Record<string, unknown>;
      const maintenanceScheduleIdentity = hasSchedule === true ? tenant.schedule.identity : "";
      const sent = hasSchedule === undefined ? rest : { maintenanceScheduleIdentity };
      expect([200, 400, 409]).toContain((await send("PATCH", path, sent)).status);
      return;
    }
    case "change windows":
      await changeWindows(world, tenant, given.windows);
      history.schedules.push({ from: nowMs(), windows: given.windows });
      return;
    case "delete and undelete":
      await send("PATCH", path, { status: "deleting" });
      await work(history, 1, []);
      expect((await send("POST", `${path}/undelete`)).status).toBe(200);
      return;
    case "sleep":
      world.advanceClock(given.hours * HOUR_MS);
      return;
    case "work":
      await work(history, given.hours, given.deaths);
  }
}

/** State of an upgrade, as the events of its cluster show it. */
interface Shown {
  status: string;
  windowStart?: string;
  windowEnd?: string;
  isImmediate: boolean;
}

/** Asserts that events show legal statuses, starts inside of windows, single steps, and misses only without workers. */
async function expectLegal({ identity, schedules, worked }: History): Promise<void> {
  const shown = new Map<string, Shown>();
  for (const event of await eventsOf(world.services, identity)) {
    const atMs = Date.parse(event.at);
    for (const { path, to } of event.changes as Json[]) {
      const [, upgrade, name] = /^scheduledUpgrades\[(.+)\]\.(\w+)$/.exec(path) ?? [];
      if (upgrade === undefined || name === undefined) continue;
      const present = shown.get(upgrade) ?? { status: "", isImmediate: false };
      shown.set(upgrade, present);
      if (name === "windowStart" || name === "windowEnd") present[name] = to;
      if (name === "ignoreMaintenanceSchedule") present.isImmediate = to;
      if (name !== "status") continue;
      expect(LEGAL[present.status], `${present.status} to ${to}`).toContain(to);
      present.status = to;
    }
    for (const each of shown.values()) {
      const isStart = (event.changes as Json[]).some(({ to }) => to === "IN_PROGRESS");
      if (!isStart || each.status !== "IN_PROGRESS") continue;
      const { windowStart = "", windowEnd = "" } = each;
      expect(windowStart <= event.at && event.at < windowEnd, `${windowStart} ${event.at} ${windowEnd}`).toBe(true);
      const version = (event.changes as Json[]).find(({ path }) => path === "version");
      expect(isStep(version.from, version.to, undefined) && version.from < version.to).toBe(true);
      const isWholeDay = Date.parse(windowEnd) - Date.parse(windowStart) === DAY_MS;
      const current = schedules.findLast(({ from }) => from <= atMs);
      // Without a schedule, the period is a whole day from the date.
      if (!isWholeDay) expect(isOpen(current?.windows ?? [], new Date(atMs))).toBe(true);
    }
    for (const [upgrade, { status, windowStart = "", windowEnd = "" }] of shown) {
      const isEnd = (event.changes as Json[]).some(
        ({ path, to }) => to === "MISSED" && path === `scheduledUpgrades[${upgrade}].status`,
      );
      if (!isEnd || status !== "MISSED") continue;
      // Two deaths in a row cost two leases of 45 s.
      const [start, end] = [Date.parse(windowStart) + 180_000, Date.parse(windowEnd) - 180_000];
      const isWatched = worked.some(([from, to]) => from < end && to > start && from < to);
      expect([upgrade, windowStart, isWatched]).toEqual([upgrade, windowStart, false]);
    }
  }
}

test("upgrades start only in their windows, are missed only without workers, and end, whatever users change and whenever workers die", {
  timeout: LIMIT_MS,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(step, { minLength: 6, maxLength: 18 }), async (isAutomatic, steps) => {
      // In a world of its own, because the tokens of a world expire after a simulated year.
      world = await makeReconciledWorld({ maxAttempts: 1, resyncMs: DAY_MS, startsAt: "2026-03-02T10:00:00.000Z" });
      const tenant = await world.tenant();
      const made = await world.send("POST", tenant.path("production"), {
        token: tenant.admin,
        body: tenant.creation({
          version: VERSIONS[0],
          maintenanceScheduleIdentity: tenant.schedule.identity,
          enableAutoUpgrade: isAutomatic,
          updateChannel: "v1.35",
          nodePools: [{ name: "web", nodeSize: "t3.medium" }],
        }),
      });
      const first = [{ day: "SATURDAY", startTime: "02:00", duration: 120 }];
      await changeWindows(world, tenant, first);
      const history: History = {
        tenant,
        identity: made.body.identity,
        schedules: [{ from: 0, windows: first }],
        worked: [],
      };
      await work(history, 1, []);
      for (const each of steps) {
        await run(history, each);
        await expectInvariants(world.services, tenant.slug);
      }
      // Three windows: the channel may be two minor versions ahead, and one upgrade may be planned for another version first.
      await work(history, 22 * 24, []);
      await expectLegal(history);
      await expectInvariants(world.services, tenant.slug);
      const now = world.services.clock().toISOString();
      for (const { status, windowEnd } of await upgradesOf(world.services, tenant.slug)) {
        if (["REQUESTED", "SCHEDULED", "SCHEDULED_NOTIFIED"].includes(status)) {
          expect([status, (windowEnd ?? "9") > now]).toEqual([status, true]);
        } else expect(["SUCCEEDED", "SUPERSEDED", "FAILED", "MISSED"]).toContain(status);
      }
      const [cluster] = await clustersOf(world.services, tenant.slug);
      const open = history.schedules.at(-1)?.windows ?? [];
      const waits = (await upgradesOf(world.services, tenant.slug)).some(
        ({ automatic, status }) => !automatic && ["REQUESTED", "SCHEDULED", "SCHEDULED_NOTIFIED"].includes(status),
      );
      if (cluster === undefined || cluster.status !== "started" || waits) return;
      if (cluster.maintenanceScheduleIdentity !== undefined && open.length > 0) {
        expect([cluster.version, automaticTarget(cluster)]).toEqual([cluster.version, undefined]);
      }
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});
