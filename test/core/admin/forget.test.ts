import { beforeEach, describe, expect, test } from "vitest";
import { findOrphanedResources, forgetCluster, listDue, showCluster } from "#core/admin/clusters.ts";
import { createEnvironment, listEnvironments, removeEnvironment } from "#core/admin/environments.ts";
import { acquireLease } from "#core/provisioning/lease.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { interrupt } from "#test/support/faults.ts";
import { clustersOf, expectInvariants } from "#test/support/invariants.ts";
import { makeScene, type Scene } from "#test/support/operating.ts";

let scene: Scene;
let world: Scene["world"];
let tenant: Scene["tenant"];

beforeEach(async () => {
  scene = await makeScene();
  ({ world, tenant } = scene);
});

describe("forgetting a cluster", () => {
  test("forgetting a cluster reports possible leftovers before and after, and changes nothing before the confirmation", async () => {
    const { identity, version } = await scene.create();
    await world.settle();
    world.advanceClock(3_600_000);
    await acquireLease(world.services, identity);
    const before = await showCluster(world.services, scene.at);
    const orphaned = await findOrphanedResources(world.services, scene.at);
    expect(await showCluster(world.services, scene.at)).toEqual(before);
    expect(orphaned).toMatchObject({
      ...{ identity, environment: "production", slug: "one", status: "started" },
      ...{ cloudProvider: "aws", region: "eu-west-1" },
      cloudAccount: { identity: tenant.account.identity, displayName: "AWS" },
      controlPlane: { version, highlyAvailable: false, poolID: 1, poolName: "default" },
      observation: { status: "started", version },
      nodePools: [
        { name: "web", nodeSize: "t3.medium", minSize: 3, maxSize: 3 },
        { name: "jobs", nodeSize: "m5.large", minSize: 1, maxSize: 9 },
      ],
    });
    expect(await forgetCluster(world.services, scene.at)).toEqual(orphaned);
    const { deleted, status, events, pointer } = await showCluster(world.services, { identity });
    expect([status, deleted?.at]).toEqual(["deleted", world.services.clock().toISOString()]);
    expect(events[0]).toEqual({
      ...{ type: "cluster.forgotten", at: deleted?.at },
      changes: [{ path: "status", from: "started", to: "deleted" }],
    });
    expect(pointer.lease.fence).toBe(before.pointer.lease.fence + 1);
    expect(await listDue(world.services, 10_000)).toEqual([]);
    const { dueAt, leaseUntil } = await scene.pointerOf(identity);
    expect([dueAt, leaseUntil]).toEqual([undefined, undefined]);
    await expect(forgetCluster(world.services, { identity })).rejects.toMatchObject({ kind: "conflict" });
    await expect(findOrphanedResources(world.services, { identity })).rejects.toMatchObject({ kind: "conflict" });
    await expectInvariants(world.services, tenant.slug);
  });

  const STATES: [string, () => Promise<unknown>][] = [
    ["new", async () => {}],
    ["being built", () => world.settle(2_000)],
    [
      "stopped",
      () =>
        world
          .settle()
          .then(() => scene.ask("stopping"))
          .then(() => world.settle()),
    ],
    ["deleting", () => world.settle().then(() => scene.ask("deleting"))],
    [
      "deleting, with its slug reused",
      async () => {
        await scene.ask("deleting");
        await scene.create();
      },
    ],
    [
      "unknown",
      async () => {
        world.faults.next = () => ({ kind: "fails", message: "account closed" });
        await world.settle(20_000);
        world.faults.next = undefined;
      },
    ],
  ];

  test.each(STATES)("forgetting a cluster in state %s leaves a consistent table", async (_, become) => {
    const { identity } = await scene.create();
    await become();
    const before = await clustersOf(world.services, tenant.slug);
    await forgetCluster(world.services, { identity });
    expect(await clustersOf(world.services, tenant.slug)).toHaveLength(before.length - 1);
    await expectInvariants(world.services, tenant.slug);
    await world.settle();
    await expectInvariants(world.services, tenant.slug);
  });

  test("a forgotten cluster can be undeleted", async () => {
    const { identity } = await scene.create();
    await world.settle();
    await forgetCluster(world.services, scene.at);
    expect((await scene.send("POST", `${tenant.path("production", "one")}/undelete`)).body.identity).toBe(identity);
    await world.settle();
    expect(await showCluster(world.services, scene.at)).toMatchObject({
      identity,
      status: "started",
      deleted: undefined,
    });
    await expectInvariants(world.services, tenant.slug);
  });

  test("forgetting a cluster completes the deletion of an environment that waited for it", async () => {
    const { identity } = await scene.create();
    await createEnvironment(world.services, tenant.slug, { name: "Spare", type: "other" });
    await scene.ask("deleting");
    await removeEnvironment(world.services, tenant.slug, "production");
    await forgetCluster(world.services, { identity });
    await expectInvariants(world.services, tenant.slug);
    await createEnvironment(world.services, tenant.slug, { name: "Production", type: "other" });
    expect((await listEnvironments(world.services, tenant.slug)).map(({ slug }) => slug)).toContain("production");
  });

  test("an interrupted forget is completed by repeating it", async () => {
    const { identity } = await scene.create();
    await scene.ask("deleting");
    await removeEnvironment(world.services, tenant.slug, "production");
    const sibling = world.sibling();
    let isKilled = false;
    sibling.wire.fault = ({ operation }) => {
      if (isKilled) return "before";
      isKilled = operation === "TransactWriteItems";
      return undefined;
    };
    await expect(forgetCluster(sibling.services, { identity })).rejects.toMatchObject({ kind: "unavailable" });
    const again = () => createEnvironment(world.services, tenant.slug, { name: "Production", type: "other" });
    await expect(again()).rejects.toMatchObject({ kind: "conflict" });
    await expect(forgetCluster(world.services, { identity })).rejects.toMatchObject({ kind: "conflict" });
    await again();
    await expectInvariants(world.services, tenant.slug);
  });

  test.each([
    ["building it", "observe", async () => {}],
    ["resyncing it", "observe", () => world.settle().then(() => world.advanceClock(3_600_000))],
    ["applying its plan", "apply", async () => {}],
  ] as const)("forgetting a cluster fences a worker that is %s", async (_, during, become) => {
    const { identity } = await scene.create();
    await become();
    const worker = scene.interrupted(() => forgetCluster(world.services, { identity }), during);
    expect(await reconcile(worker, identity)).toBe("fenced");
    const { events } = await showCluster(world.services, { identity });
    expect(events[0]?.type).toBe("cluster.forgotten");
    await expectInvariants(world.services, tenant.slug);
  });

  test("forgetting a cluster deletes items that a worker wrote concurrently", async () => {
    const { identity } = await scene.create();
    const sibling = world.sibling();
    interrupt(sibling.table, async () => {
      await reconcile(world.reconciler, identity, 0);
    });
    expect(await forgetCluster(sibling.services, { identity })).toMatchObject({ status: "provisioning" });
    await expectInvariants(world.services, tenant.slug);
  });
});
