import { beforeEach, describe, expect, test } from "vitest";
import { forgetCluster } from "#core/admin/clusters.ts";
import { LEASE_MS } from "#core/provisioning/lease.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { DATA_KEY } from "#core/secrets/vault.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { pointerKey, secretKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { clustersOf, expectInvariants, tombstonesOf } from "#test/support/invariants.ts";
import { makeScene, type Scene } from "#test/support/operating.ts";

/** Calls that write. */
const WRITES = ["TransactWriteItems", "UpdateItem"];

let scene: Scene;
let world: Scene["world"];

beforeEach(async () => {
  scene = await makeScene();
  world = scene.world;
});

/** Writes items to a cluster's partition. @returns the sort keys */
async function leave(identity: string, ...kinds: [kind: string, count: number][]): Promise<string[]> {
  const { pk } = pointerKey(identity);
  const sks = kinds.flatMap(([kind, count]) => Array.from({ length: count }, (_, number) => `${kind}#${number}`));
  for (let start = 0; start < sks.length; start += 100) {
    const transaction = new Transaction();
    for (const sk of sks.slice(start, start + 100)) transaction.create("left", { pk, sk });
    await commit(world.table, transaction, deadlineIn());
  }
  return sks;
}

/** Lists the kinds of stored items of a cluster. */
async function kindsOf(identity: string): Promise<string[]> {
  const items = await world.table.query({ pk: pointerKey(identity).pk, from: " ", to: "~", keysOnly: true });
  return [...new Set(items.map(({ sk }) => sk.split("#")[0] ?? ""))];
}

/** Creates a cluster with more items than one transaction can delete. */
async function made(): Promise<string> {
  const { identity } = await scene.create();
  await leave(identity, ["SECRET", 60], ["ANYTHING", 20], ["EVENTUALLY", 30]);
  return identity;
}

describe("the final deletion of a cluster", () => {
  test("the deletion of a cluster deletes all of its items except its pointer and its events", async () => {
    const identity = await made();
    await world.settle();
    const other = (await scene.create({ name: "two" })).identity;
    await leave(other, ["SECRET", 2]);
    await scene.ask("deleting");
    await world.settle();
    expect(await kindsOf(identity)).toEqual(["CLUSTER", "EVENT"]);
    expect(await kindsOf(other)).toEqual(["CLUSTER", "EVENT", "POOL", "SECRET"]);
    await expectInvariants(world.services, scene.tenant.slug);
  });

  test("the deletion of a cluster deletes items written at the last moment, and the key of its secrets last", async () => {
    const { identity } = await scene.create();
    const { pk } = pointerKey(identity);
    await leave(identity, ["SECRET#A", 60], ["SECRET#Z", 60]);
    await commit(world.table, new Transaction().create("key", { ...secretKey(identity, DATA_KEY) }), deadlineIn());
    const found: boolean[] = [];
    world.wire.fault = ({ operation, input }) => {
      const text = JSON.stringify(input);
      if (operation === "TransactWriteItems" && text.includes("SECRET#")) found.push(text.includes("SECRET#KEY"));
      return undefined;
    };
    let isLate = false;
    world.table.client.middlewareStack.add(
      (next) => async (args) => {
        const { TransactItems } = args.input as { TransactItems?: unknown };
        if (!isLate && JSON.stringify(TransactItems ?? "").includes("DELETED#")) {
          isLate = true;
          await commit(world.table, new Transaction().create("late", { pk, sk: "SECRET#LATE" }), deadlineIn());
        }
        return next(args);
      },
      { step: "initialize", name: "meanwhile" },
    );
    await scene.ask("deleting");
    await world.settle();
    expect(found.slice(0, 2)).toEqual([false, true]);
    expect([isLate, await kindsOf(identity)]).toEqual([true, ["CLUSTER", "EVENT"]]);
  });

  test("an undeleted cluster has no secrets of its previous life", async () => {
    const identity = await made();
    await scene.ask("deleting");
    await world.settle();
    expect((await scene.send("POST", `${scene.tenant.path("production", "one")}/undelete`)).status).toBe(200);
    expect(await kindsOf(identity)).toEqual(["CLUSTER", "EVENT", "POOL"]);
  });

  test("a cluster is deleted in the end, whichever write is the last before its worker dies", async () => {
    let deaths = 0;
    for (let write = 1; ; write++) {
      const identity = await made();
      await scene.ask("deleting");
      let left = write;
      world.wire.fault = ({ operation }) => {
        if (WRITES.includes(operation)) left--;
        return left > 0 ? undefined : left === 0 ? "after" : "before";
      };
      const outcome = await reconcile(world.reconciler, identity).catch(() => "died");
      world.wire.fault = () => undefined;
      world.advanceClock(LEASE_MS);
      await world.settle();
      expect(await kindsOf(identity)).toEqual(["CLUSTER", "EVENT"]);
      if (outcome !== "died") break;
      deaths++;
    }
    // Lease, teardown, two steps, tombstone, release.
    expect(deaths).toBe(6);
    expect(await clustersOf(world.services, scene.tenant.slug)).toEqual([]);
    const stones = await tombstonesOf(world.services, scene.tenant.slug);
    expect(stones.map(({ nodePools }) => nodePools.length)).toEqual(Array(deaths + 1).fill(2));
    await expectInvariants(world.services, scene.tenant.slug);
  });

  test("the new secrets of an undeleted cluster are safe from a worker of its previous life", async () => {
    const { identity } = await scene.create();
    await scene.ask("deleting");
    const late = scene.interrupted(async () => {
      world.advanceClock(LEASE_MS);
      await world.settle();
      await scene.send("POST", `${scene.tenant.path("production", "one")}/undelete`);
      await leave(identity, ["SECRET", 3]);
      await scene.ask("deleting");
    });
    expect(await reconcile(late, identity)).toBe("fenced");
    expect(await kindsOf(identity)).toContain("SECRET");
  });
});

describe("forgetting a cluster with secrets", () => {
  test("a forgotten cluster's secrets are deleted, also when the operator's command was killed and repeated", async () => {
    const identity = await made();
    const sibling = world.sibling();
    let transactions = 0;
    sibling.wire.fault = ({ operation }) =>
      operation === "TransactWriteItems" && ++transactions > 2 ? "before" : undefined;
    const forget = (by: typeof world.services) => forgetCluster(by, { identity });
    await expect(forget(sibling.services)).rejects.toMatchObject({ kind: "unavailable" });
    expect(await kindsOf(identity)).toContain("SECRET");
    await expect(forget(world.services)).rejects.toMatchObject({ kind: "conflict" });
    expect(await kindsOf(identity)).toEqual(["CLUSTER", "EVENT"]);
    await expectInvariants(world.services, scene.tenant.slug);
  });

  test("a cluster that is forgotten and undeleted at the same time keeps its new items", async () => {
    const { identity } = await scene.create();
    const sibling = world.sibling();
    let back: Promise<unknown> | undefined;
    sibling.table.client.middlewareStack.add(
      (next) => async (args) => {
        // After its transaction, before it looks for leftover items.
        if (JSON.stringify(args.input).includes('":from":" "')) {
          back ??= scene
            .send("POST", `${scene.tenant.path("production", "one")}/undelete`)
            .then(() => leave(identity, ["SECRET", 3]));
        }
        await back;
        return next(args);
      },
      { step: "initialize", name: "meanwhile" },
    );
    await forgetCluster(sibling.services, { identity });
    expect(back).toBeDefined();
    expect(await kindsOf(identity)).toEqual(["CLUSTER", "EVENT", "POOL", "SECRET"]);
    await expectInvariants(world.services, scene.tenant.slug);
  });
});
