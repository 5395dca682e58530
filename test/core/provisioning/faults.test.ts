import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { readPointer } from "#core/cluster/store/pointer.ts";
import { LEASE_MS } from "#core/provisioning/lease.ts";
import type { Plan, Target } from "#core/provisioning/provisioner.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import type { ProvisionerFault } from "#core/provisioning/simulated/provisioner.ts";
import { reconcileAll } from "#core/provisioning/work-queue.ts";
import { eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { makeReconciledWorld, type ReconciledWorld, STEP_MS, targetOf } from "#test/support/reconciling.ts";
import type { Json, Tenant, TestResponse } from "#test/support/world.ts";

let world: ReconciledWorld;
let tenant: Tenant;
let last: string;

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
const get = async (query = ""): Promise<Json> => (await send("GET", at() + query)).body;

async function create(more: Record<string, unknown> = {}): Promise<Json> {
  tenant = await world.tenant();
  const nodePools = [{ name: "web", nodeSize: "t3.medium", minSize: 3 }];
  const response = await send("POST", tenant.path("production"), tenant.creation({ nodePools, ...more }));
  expect(response.status, response.text).toBe(200);
  last = response.body.identity;
  return response.body;
}

/** Values of a property over time, from the events. */
async function wayOf(identity: string, path: string): Promise<unknown[]> {
  const events = await eventsOf(world.services, identity);
  const changes = events.flatMap(({ changes }): Json[] => changes);
  return changes.filter((change) => change.path === path).map(({ to }) => to);
}
const statusesOf = (identity: string) => wayOf(identity, "status");
const failuresOf = (identity: string) => wayOf(identity, "conditions[Reconciled]");

const condition = (cluster: Json, type: string) => cluster.conditions.find((each: Json) => each.type === type);

/** Makes the next calls for the last created cluster fail. */
const fail = (fault: ProvisionerFault, times: number, operation: string) => {
  let left = times;
  world.faults.next = (call) =>
    call.identity === last && call.operation === operation && left-- > 0 ? fault : undefined;
};

const faults: [string, ProvisionerFault][] = [
  ["fails", { kind: "fails", message: "the cloud is full" }],
  ["hangs", { kind: "hangs" }],
  ["answers late", { kind: "late", ms: 400 }],
];

describe.each(faults)("a provisioner that %s", (_, fault) => {
  test.each(["observe", "apply"])("a failed call to %s is repeated, and the cluster starts", async (operation) => {
    const { identity } = await create();
    fail(fault, 2, operation);
    await world.settle();
    expect(await get()).toMatchObject({ status: "started", provisionStatus: "DONE" });
    expect(condition(await get(), "Reconciled").status).toBe("True");
    expect((await failuresOf(identity)).length).toBeGreaterThan(0);
  });

  test("a failed teardown is repeated, and the cluster is deleted", async () => {
    await create();
    await world.settle();
    await send("PATCH", at(), { status: "deleting" });
    fail(fault, 2, "destroy");
    await world.settle();
    expect((await send("GET", at())).status).toBe(404);
  });
});

describe("a provisioner that fails permanently", () => {
  test("a permanent failure is shown in conditions and in few events, and the backoff grows", async () => {
    const { identity } = await create();
    const calls: number[] = [];
    world.faults.next = ({ operation, identity: called }) => {
      if (operation !== "apply" || called !== identity) return undefined;
      calls.push(world.services.clock().getTime());
      return { kind: "fails", message: "the cloud is full" };
    };
    await world.settle(10 * 60_000);
    expect(condition(await get(), "Reconciled")).toMatchObject({
      status: "False",
      reason: "ProvisionerFailed",
      message: "applying the configuration failed; it will be retried: the cloud is full",
    });
    expect((await readPointer(world.services, identity))?.attempts).toBe(calls.length);
    const failures = await failuresOf(identity);
    expect(failures.length).toBeLessThanOrEqual(Math.log2(calls.length) + 1);
    expect(failures.length).toBeGreaterThan(2);
    const pauses = calls.slice(1).map((call, index) => call - (calls[index] ?? 0));
    expect(pauses.at(-1)).toBeGreaterThan(60_000);
    // Nine doublings lead to the maximum backoff of five minutes.
    expect(calls.length).toBeLessThan(20);
    world.faults.next = undefined;
    await world.settle();
    expect(await get()).toMatchObject({ status: "started" });
  });

  test("a very long error of the provisioner is shown truncated", async () => {
    const { identity } = await create();
    fail({ kind: "fails", message: `${"x".repeat(999)}😀${"y".repeat(1_000_000)}` }, 1, "apply");
    await world.settle();
    expect(await failuresOf(identity)).toEqual([`applying the configuration: ${"x".repeat(999)}\ufffd…`]);
    expect((await get()).status).toBe("started");
  });

  test("a cluster that the provisioner cannot observe keeps its state, is unknown after three failures, and recovers when observed", async () => {
    const { identity } = await create();
    await world.settle();
    await send("PATCH", at(), { status: "stopping" });
    fail({ kind: "fails", message: "no route" }, 4, "observe");
    await world.settle();
    expect(await statusesOf(identity)).toEqual([
      ...["provisioning", "provisioned", "starting", "started"],
      ...["stopping", "unknown", "stopping", "stopped"],
    ]);
    expect(await get()).toMatchObject({ status: "stopped", provisionStatus: "DONE", ameOIDC: true });
  });
});

describe("a provisioner whose response is lost", () => {
  test("a provisioner that executes a lost call later is refused by the fencing token", async () => {
    const { identity } = await create({ version: "v1.34.4-u-ame.1" });
    const { provisioner } = world.reconciler;
    let late: (() => Promise<void>) | undefined;
    const slow = {
      ...provisioner,
      async apply(plan: Plan, signal: AbortSignal) {
        if (late !== undefined) return await provisioner.apply(plan, signal);
        late = () => provisioner.apply(plan, signal);
        return await new Promise<void>(() => {});
      },
      async observe(of: Target, signal: AbortSignal) {
        const seen = await provisioner.observe(of, signal);
        if (late !== undefined && seen === undefined) await send("PATCH", at(), { version: "v1.35.0-u-ame.1" });
        return seen;
      },
    };
    expect(await reconcile({ ...world.reconciler, provisioner: slow }, identity)).toBe("released");
    await world.settle();
    await expect(late?.()).rejects.toThrow("a newer plan");
    world.advanceClock(10 * STEP_MS);
    const seen = await provisioner.observe(targetOf(identity), new AbortController().signal);
    expect(seen).toMatchObject({ version: "v1.35.0-u-ame.1" });
  });
});

describe("a provisioner that loses a cluster", () => {
  test("a lost cluster becomes unknown and is built again", async () => {
    const { identity } = await create();
    await world.settle();
    fail({ kind: "forgets" }, 1, "observe");
    // No request triggers it: the hourly reconcile finds it.
    await world.settle(2 * 60 * 60_000);
    expect((await statusesOf(identity)).slice(3, 5)).toEqual(["started", "unknown"]);
    expect(await get()).toMatchObject({ status: "started", provisionStatus: "DONE" });
  });
});

describe("a provisioner that reports a wrong result", () => {
  test("a wrong report that a cluster serves is corrected at the next observation", async () => {
    const { identity } = await create();
    const observation = {
      collectedAt: "2026-11-23T10:00:00.000Z",
      phase: "DONE",
      power: "started",
      version: "v1.30.0-u-ame.1",
      endpoint: undefined,
      nodePools: [],
    } as const;
    fail({ kind: "lies", observation }, 2, "observe");
    await world.settle();
    expect(await get()).toMatchObject({ status: "started", provisionStatus: "DONE" });
    expect(condition(await get(), "UpToDate").status).toBe("True");
    expect((await statusesOf(identity)).filter((status) => status === "unknown").length).toBeGreaterThan(0);
  });

  test("a wrong report that a change was applied is detected", async () => {
    await create();
    await world.settle();
    await send("PATCH", at(), { status: "stopping" });
    fail({ kind: "lies" }, 3, "apply");
    await world.settle();
    expect(await get()).toMatchObject({ status: "stopped" });
  });
});

describe("two reconcilers of one cluster", () => {
  test("two reconcilers of one cluster run one after the other", async () => {
    const { identity } = await create();
    const both = await Promise.all([
      reconcileAll(world.reconciler, [identity], 1),
      reconcileAll(world.reconciler, [identity], 1),
      reconcileAll(world.reconciler, [identity], 1),
    ]);
    const outcomes = both.flat().map((each) => ("outcome" in each ? each.outcome : each.error));
    expect(outcomes.toSorted()).toEqual(["leased", "leased", "released"]);
    await world.settle();
    expect(await statusesOf(identity)).toEqual(["provisioning", "provisioned", "starting", "started"]);
  });

  test("the plan and the writes of a reconciler that stalls past its lease are refused", async () => {
    const { identity } = await create();
    await world.settle();
    await send("PATCH", at(), { status: "stopping" });
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const plans: Plan[] = [];
    const { provisioner } = world.reconciler;
    const stalled = reconcile(
      {
        ...world.reconciler,
        callMs: 60_000,
        provisioner: {
          ...provisioner,
          async apply(plan, signal) {
            plans.push(plan);
            await gate;
            await provisioner.apply(plan, signal);
          },
        },
      },
      identity,
    );
    await expect.poll(() => plans.length).toBe(1);
    expect(plans[0]?.isRunning).toBe(false);
    world.advanceClock(LEASE_MS + 1);
    await world.settle();
    expect((await get()).status).toBe("stopped");
    await send("PATCH", at(), { status: "starting" });
    await world.settle();
    const before = await get();
    expect(before.status).toBe("started");
    open();
    expect(await stalled).toBe("fenced");
    await world.settle();
    expect(await get()).toEqual(before);
    world.advanceClock(10 * STEP_MS);
    expect(await provisioner.observe(targetOf(identity), new AbortController().signal)).toMatchObject({
      power: "started",
    });
  });

  test("two reconcilers keep a user's request that arrives during a step", async () => {
    const { identity } = await create();
    const { provisioner } = world.reconciler;
    let asked = false;
    const done = await reconcile(
      {
        ...world.reconciler,
        provisioner: {
          ...provisioner,
          async observe(cluster, signal) {
            const seen = await provisioner.observe(cluster, signal);
            if (seen?.power === "started" && !asked) {
              asked = true;
              expect((await send("PATCH", at(), { status: "deleting" })).status).toBe(200);
            }
            return seen;
          },
        },
      },
      identity,
    );
    expect([done, asked]).toEqual(["released", true]);
    await world.settle();
    expect((await send("GET", at())).status).toBe(404);
  });
});
