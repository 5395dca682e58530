import { beforeEach, describe, expect, test } from "vitest";
import { findOrphanedResources, forgetCluster, listDue, retryCluster, showCluster } from "#core/admin/clusters.ts";
import { acquireLease } from "#core/provisioning/lease.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { expectInvariants, tombstonesOf } from "#test/support/invariants.ts";
import { makeScene, type Scene } from "#test/support/operating.ts";

let scene: Scene;
let world: Scene["world"];
let tenant: Scene["tenant"];

beforeEach(async () => {
  scene = await makeScene();
  ({ world, tenant } = scene);
});

const due = (withinMinutes?: number) => listDue(world.services, withinMinutes);

describe("the operator's list of due clusters", () => {
  test("due clusters are listed longest overdue first, with their delay, and future ones on request", async () => {
    const first = await scene.create();
    world.advanceClock(61_500);
    const second = await scene.create({ name: "two" });
    world.advanceClock(2_000);
    expect(await due()).toEqual([
      {
        ...{ identity: first.identity, organisation: tenant.slug, path: "CLUSTER#production#one" },
        ...{ dueAt: first.createdAt, lateSeconds: 63, attempts: 0 },
        lease: { until: undefined, isHeld: false, fence: 0 },
      },
      expect.objectContaining({ identity: second.identity, path: "CLUSTER#production#two", lateSeconds: 2 }),
    ]);
    await world.settle();
    expect(await due()).toEqual([]);
    // A converged cluster is due again within the hour.
    expect(await due(61)).toEqual([
      expect.objectContaining({ lateSeconds: 0 }),
      expect.objectContaining({ lateSeconds: 0 }),
    ]);
  });

  test("the list of due clusters shows the failure, its count and the lease owner", async () => {
    const { identity } = await scene.create();
    world.faults.next = () => ({ kind: "fails", message: "no quota" });
    await reconcile(world.reconciler, identity, 0);
    world.faults.next = undefined;
    world.advanceClock(60_000);
    await acquireLease(world.services, identity);
    const until = new Date(world.services.clock().getTime() + 45_000).toISOString();
    expect(await due()).toMatchObject([
      { attempts: 1, lastError: { message: "no quota" }, lease: { isHeld: true, until, fence: 1 } },
    ]);
  });
});

describe("the operator's view of a cluster", () => {
  test("a cluster is shown with state, pools, reconciler notes and newest events, by identity and by path", async () => {
    const { identity, version } = await scene.create();
    await world.settle();
    const shown = await showCluster(world.services, { identity: identity.toUpperCase() });
    expect(shown).toMatchObject({
      ...{ identity, organisation: tenant.slug, environment: "production", slug: "one" },
      ...{ status: "started", desiredStatus: "starting", provisionStatus: "DONE", version, generation: 1 },
      deleted: undefined,
      nodePools: [
        { name: "web", minSize: 3, maxSize: 3, provisionStatus: "DONE" },
        { name: "jobs", minSize: 1, maxSize: 9, provisionStatus: "DONE" },
      ],
      pointer: {
        ...{ path: "CLUSTER#production#one", attempts: 0, observation: { status: "started", version } },
        lease: { isHeld: false, until: undefined },
      },
    });
    expect(shown.conditions.map(({ type }) => type)).toContain("Ready");
    expect(shown.pointer.dueAt).toBeDefined();
    expect(shown.events.at(-1)).toMatchObject({ type: "cluster.created", user: expect.any(String) });
    expect(shown.events.map(({ at }) => at)).toEqual(
      shown.events
        .map(({ at }) => at)
        .toSorted()
        .reverse(),
    );
    expect(await showCluster(world.services, scene.at)).toEqual(shown);
    for (let turn = 0; turn < 20; turn++) {
      await scene.send("PATCH", tenant.path("production", "one"), { deleteProtection: turn % 2 === 0 });
    }
    const { events } = await showCluster(world.services, scene.at);
    expect([events.length, new Set(events.map(({ type }) => type))]).toEqual([20, new Set(["cluster.updated"])]);
  });

  test("a deleted cluster is shown as deleted, with its last state", async () => {
    const { identity } = await scene.create();
    await scene.ask("deleting");
    await world.settle();
    const [stone] = await tombstonesOf(world.services, tenant.slug);
    const shown = await showCluster(world.services, { identity });
    expect(shown).toMatchObject({
      status: "deleted",
      deleted: { at: stone?.deletedAt, keptUntil: new Date((stone?.ttl ?? 0) * 1_000).toISOString() },
      nodePools: [{ name: "web" }, { name: "jobs" }],
      events: [{ type: "cluster.deleted" }, {}, {}],
    });
    expect(await showCluster(world.services, scene.at)).toEqual(shown);
    const another = await scene.create();
    expect((await showCluster(world.services, scene.at)).identity).toBe(another.identity);
    await scene.ask("deleting");
    await world.settle();
    await expect(showCluster(world.services, scene.at)).rejects.toMatchObject({
      code: "cluster.multiple_deleted",
      details: [expect.stringContaining("Several"), ...[1, 2].map(() => expect.stringMatching(/was deleted at/))],
    });
  });

  test.each([
    [{ identity: "4dd78818-1f3e-499f-a4a3-9b4784658b49" }, /^There is no cluster with the identity "4dd78818-/],
    [{ identity: "../one" }, /^There is no cluster with the identity "..\/one"/],
    [
      { organisation: "Demo", environment: "a b", cluster: "#" },
      /^There is no cluster "#" in environment "a b" of organisation "Demo"/,
    ],
    [{ organisation: "demo", environment: "production", cluster: "nobody" }, /^There is no cluster "nobody"/],
  ])("the cluster %j is reported as not found", async (sought, message) => {
    for (const act of [showCluster, retryCluster, findOrphanedResources, forgetCluster]) {
      await expect(act(world.services, sought)).rejects.toMatchObject({ kind: "notFound", message });
    }
  });
});

describe("the operator's retry of a cluster", () => {
  test("a retry makes the cluster due now, resets its failure count, and does not change the lease", async () => {
    const { identity } = await scene.create();
    world.faults.next = () => ({ kind: "fails", message: "no quota" });
    for (let failures = 0; failures < 2; failures++) {
      await reconcile(world.reconciler, identity, 0);
      world.advanceClock(10_000);
    }
    world.faults.next = undefined;
    await acquireLease(world.services, identity);
    const before = await scene.pointerOf(identity);
    expect(before).toMatchObject({ attempts: 2, lastError: { message: "no quota" } });
    world.advanceClock(5_000);
    const { dueAt } = await retryCluster(world.services, scene.at);
    const { lastError: _, ...rest } = before;
    expect(dueAt).toBe(world.services.clock().toISOString());
    expect(await scene.pointerOf(identity)).toEqual({
      ...rest,
      dueAt,
      requestedAt: dueAt,
      attempts: 0,
      wakes: before.wakes + 1,
    });
    await expectInvariants(world.services, tenant.slug);
    world.advanceClock(60_000);
    await world.settle();
    expect((await showCluster(world.services, scene.at)).status).toBe("started");
  });

  test("a retry is not lost when a worker finishes at the same time", async () => {
    const { identity } = await scene.create();
    await world.settle();
    world.advanceClock(3_600_000);
    // Converged: without a trigger the worker would return in an hour.
    await reconcile(
      scene.interrupted(() => retryCluster(world.services, { identity })),
      identity,
      0,
    );
    expect(await due()).toMatchObject([{ identity, lease: { until: undefined } }]);
  });

  test("a retry of a deleted cluster is refused", async () => {
    const { identity } = await scene.create();
    await scene.ask("deleting");
    await world.settle();
    const before = await scene.pointerOf(identity);
    await expect(retryCluster(world.services, { identity })).rejects.toMatchObject({ kind: "conflict" });
    expect(await scene.pointerOf(identity)).toEqual(before);
  });
});
