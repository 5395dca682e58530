import { TransactionConflictException } from "@aws-sdk/client-dynamodb";
import { beforeEach, describe, expect, test } from "vitest";
import { retryCluster } from "#core/admin/clusters.ts";
import { type AcquiredLease, acquireLease, LEASE_MS, raiseFence, releaseForRequest } from "#core/provisioning/lease.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { releaseLease } from "#core/provisioning/status-writer.ts";
import { makeScene, type Scene } from "#test/support/operating.ts";

let scene: Scene;
let world: Scene["world"];

beforeEach(async () => {
  // A call that takes longer, as on a busy machine, would raise the fencing token.
  scene = await makeScene({ callMs: 10_000 });
  world = scene.world;
});

const fenceOf = async (identity: string) => (await scene.pointerOf(identity)).fence;

/** Makes the first update of an item fail. @returns the number of updates that were sent */
function failUpdate(fault: "before" | "after" | "throttle"): { sent: number } {
  const seen = { sent: 0 };
  world.wire.fault = ({ operation }) => (operation === "UpdateItem" && ++seen.sent === 1 ? fault : undefined);
  return seen;
}

describe("acquiring a lease", () => {
  test.each(["before", "after", "throttle"] as const)(
    "a lease whose call failed with the fault '%s' is acquired by the repeated call",
    async (fault) => {
      const { identity } = await scene.create();
      const seen = failUpdate(fault);
      const { lease, pointer } = (await acquireLease(world.services, identity)) as AcquiredLease;
      expect(seen.sent).toBe(2);
      expect(pointer).toEqual(await scene.pointerOf(identity));
      expect(lease).toEqual({ identity, fence: 0, leaseId: pointer.leaseId });
      expect(await acquireLease(world.services, identity)).toBe("leased");
    },
  );

  test("a lease that another process holds is refused, also when the call is repeated", async () => {
    const { identity } = await scene.create();
    await acquireLease(world.sibling().services, identity);
    failUpdate("after");
    expect(await acquireLease(world.services, identity)).toBe("leased");
  });

  test("of ten workers at the same time, one acquires the lease", async () => {
    const { identity } = await scene.create();
    const others = await Promise.all(
      Array.from({ length: 10 }, () => acquireLease(world.sibling().services, identity)),
    );
    expect(others.filter((each) => each === "leased")).toHaveLength(9);
  });

  test("a cluster that is not due, has nothing pending or does not exist is refused, and its pointer does not change", async () => {
    const { identity } = await scene.create();
    await world.settle();
    const before = await scene.pointerOf(identity);
    expect(await acquireLease(world.services, identity)).toBe("notDue");
    expect(await scene.pointerOf(identity)).toEqual(before);
    await scene.ask("stopping");
    await world.settle();
    expect(await acquireLease(world.services, identity)).toBe("notPending");
    expect(await acquireLease(world.services, "00000000-0000-4000-8000-000000000000")).toBe("notFound");
  });

  test("a lease is acquired after a conflict with a transaction on the same item", async () => {
    const { identity } = await scene.create();
    let calls = 0;
    world.table.client.middlewareStack.add(
      (next) => async (args) => {
        if (!("UpdateExpression" in args.input) || ++calls > 1) return next(args);
        throw new TransactionConflictException({
          $metadata: {},
          message: "injected: another transaction is under way",
        });
      },
      { step: "initialize", name: "conflict" },
    );
    expect(await acquireLease(world.services, identity)).toMatchObject({ lease: { identity } });
    expect(calls).toBe(2);
  });
});

describe("releasing a lease of a cluster at rest", () => {
  /** Makes the update that releases the lease lose its response. @param meanwhile happens before it is repeated */
  function loseRelease(meanwhile: () => Promise<unknown> = async () => {}): { sent: number } {
    const seen = { sent: 0 };
    world.table.client.middlewareStack.add(
      (next) => async (args) => {
        const { UpdateExpression = "" } = args.input as { UpdateExpression?: string };
        const isRelease = UpdateExpression.includes("REMOVE #lastError, #followUp, #leaseUntil");
        if (isRelease && ++seen.sent === 1) {
          await next(args);
          await meanwhile();
        }
        return await next(args);
      },
      { step: "initialize", name: "lost" },
    );
    return seen;
  }

  async function atRest(): Promise<string> {
    const { identity } = await scene.create();
    await world.settle();
    world.advanceClock(2 * 60 * 60_000);
    return identity;
  }

  test("a release whose response was lost is repeated with the same result", async () => {
    const identity = await atRest();
    const seen = loseRelease();
    expect(await reconcile(world.reconciler, identity)).toBe("released");
    const pointer = await scene.pointerOf(identity);
    expect([seen.sent, pointer.leaseUntil, pointer.fence]).toEqual([1, undefined, 0]);
    expect(Date.parse(pointer.dueAt ?? "")).toBeGreaterThan(world.services.clock().getTime());
  });

  test("a request between a release whose response was lost and its repetition is processed", async () => {
    const identity = await atRest();
    const path = scene.tenant.path("production", "one");
    const body = { status: "stopping" };
    // From another process: within this one, writers of the same item wait for each other.
    loseRelease(() => world.sibling().send("PATCH", path, { token: scene.tenant.admin, body }));
    expect(await reconcile(world.reconciler, identity)).toBe("released");
    // The worker whose lease ended leaves it to another one, which would get the same fencing token.
    const pointer = await scene.pointerOf(identity);
    expect([pointer.leaseUntil, pointer.requestedAt]).toEqual([undefined, expect.any(String)]);
    await world.settle();
    expect((await scene.send("GET", path)).body.status).toBe("stopped");
    expect((await scene.pointerOf(identity)).requestedAt).toBeUndefined();
  });

  test("a repeated release leaves the lease that another worker acquired meanwhile", async () => {
    const identity = await atRest();
    let other: AcquiredLease | undefined;
    loseRelease(async () => {
      world.advanceClock(2 * 60 * 60_000);
      other = (await acquireLease(world.sibling().services, identity)) as AcquiredLease;
    });
    expect(await reconcile(world.reconciler, identity)).toBe("fenced");
    expect(await scene.pointerOf(identity)).toMatchObject({
      leaseId: other?.lease.leaseId,
      leaseUntil: expect.any(String),
    });
  });
});

describe("the fencing token", () => {
  test("leases that were released after successful calls have the same fencing token", async () => {
    const { identity } = await scene.create();
    await world.settle();
    await scene.ask("stopping");
    await world.settle();
    expect(await fenceOf(identity)).toBe(0);
  });

  test("a write under a released lease is refused, although the next lease has the same fencing token", async () => {
    const { identity } = await scene.create();
    const ending = { wakes: 1, state: { attempts: 0 }, dueAt: world.services.clock(), mustFence: false };
    const released = (await acquireLease(world.services, identity)) as AcquiredLease;
    expect(await releaseForRequest(world.services, released.lease, ending)).toBe("released");
    const next = (await acquireLease(world.services, identity)) as AcquiredLease;
    expect(next.lease.fence).toBe(released.lease.fence);
    const before = await scene.pointerOf(identity);
    expect(await releaseForRequest(world.services, released.lease, ending)).toBe("fenced");
    expect(await releaseLease(world.services, released.lease, { ...ending, wakes: before.wakes })).toBe("fenced");
    expect(await raiseFence(world.services, released.lease)).toBeUndefined();
    expect(await scene.pointerOf(identity)).toEqual(before);
    expect(await releaseForRequest(world.services, next.lease, ending)).toBe("released");
  });

  test("a lease that expired is followed by one with a higher fencing token", async () => {
    const { identity } = await scene.create();
    await acquireLease(world.services, identity);
    world.advanceClock(LEASE_MS);
    expect(await acquireLease(world.services, identity)).toMatchObject({ lease: { fence: 1 } });
    expect(await fenceOf(identity)).toBe(1);
  });

  test("a lease of an earlier process is ignored, and followed by one with a higher fencing token", async () => {
    const { identity } = await scene.create();
    await acquireLease(world.services, identity);
    world.advanceClock(1_000);
    const startedAt = world.services.clock();
    expect(await acquireLease({ ...world.services, startedAt }, identity)).toMatchObject({ lease: { fence: 1 } });
    expect(await acquireLease({ ...world.services, startedAt }, identity)).toBe("leased");
  });

  test.each(["observe", "apply", "destroy"])(
    "the end of a lease with a failed call to %s raises the fencing token",
    async (operation) => {
      const { identity } = await scene.create();
      if (operation === "destroy") await scene.ask("deleting");
      world.faults.next = (call) => (call.operation === operation ? { kind: "fails", message: "no" } : undefined);
      await reconcile(world.reconciler, identity, 0);
      // A failed apply is repeated at once if the cluster's phase changed.
      expect(await fenceOf(identity)).toBe(1);
      expect((await scene.pointerOf(identity)).leaseUntil).toBeUndefined();
    },
  );

  test("a failed call raises the fencing token at the end of its lease, also if a later call succeeds", async () => {
    const { identity } = await scene.create();
    let failures = 0;
    world.faults.next = () => (failures++ === 0 ? { kind: "fails", message: "no" } : undefined);
    expect(await reconcile(world.reconciler, identity)).toBe("released");
    expect(await scene.pointerOf(identity)).toMatchObject({ fence: 1, attempts: 0 });
  });

  test("a retry during the last step of a lease with a failed call leaves the cluster due, with a higher token", async () => {
    const { identity } = await scene.create();
    await world.settle();
    world.advanceClock(2 * 60 * 60_000);
    world.faults.next = ({ operation }) => (operation === "apply" ? { kind: "fails", message: "no" } : undefined);
    const worker = scene.interrupted(() => retryCluster(world.services, scene.at), "apply");
    expect(await reconcile(worker, identity, 0)).toBe("released");
    const pointer = await scene.pointerOf(identity);
    expect(pointer).toMatchObject({ fence: 1, requestedAt: pointer.dueAt });
    expect(pointer.leaseUntil).toBeUndefined();
  });
});
