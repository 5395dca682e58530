import { beforeEach, describe, expect, inject, test } from "vitest";
import { forgetCluster, retryCluster } from "#core/admin/clusters.ts";
import { reconcileAll } from "#core/provisioning/work-queue.ts";
import { onSchedule, onStream } from "#functions/reconciler/handlers.ts";
import { STREAM_FILTER } from "#functions/reconciler/invocations.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { passesFilter } from "#test/support/event-filter.ts";
import { makeScene, type Scene } from "#test/support/operating.ts";
import { openStream, type TableRecord } from "#test/support/table-stream.ts";

let scene: Scene;
let world: Scene["world"];
let records: () => Promise<TableRecord[]>;

beforeEach(async () => {
  scene = await makeScene();
  world = scene.world;
  records = await openStream(world.table, inject("endpoint"));
});

const work = () => ({ services: world.reconciler, log: createLogger("silent") });

/** Records since the last call: all of them, those of pointers, and those that the filter accepts. */
async function read() {
  const all = await records();
  const pointers = all.filter(({ dynamodb }) => dynamodb?.NewImage?.entity?.S === "pointer");
  return { all, pointers, passed: all.filter((record) => passesFilter(STREAM_FILTER, record)) };
}
/** Counts the records of a write and of the reconciler's later writes that pass; the first are given to the function. */
async function passedBy(act: () => Promise<unknown>) {
  await act();
  const { passed } = await read();
  await onStream(work(), passed);
  const own = await read();
  expect(own.pointers.length, "writes of the reconciler to the pointer").toBeGreaterThan(1);
  return [passed.length, own.passed.length];
}
const change = async (body: unknown) => {
  const { status, text } = await scene.send("PATCH", scene.tenant.path("production", "one"), body);
  expect(status, text).toBe(200);
};
const HOUR_MS = 60 * 60_000;

describe("records of a cluster's whole life that pass the stream filter", () => {
  test("the stream filter passes one record of each user's and operator's write, and none of the reconciler's", async () => {
    const { identity } = await scene.create();
    const created = await read();
    expect(created.all.length).toBeGreaterThan(created.passed.length + 5);
    expect(created.passed).toMatchObject([
      { eventName: "INSERT", dynamodb: { NewImage: { identity: { S: identity } } } },
    ]);
    await onStream(work(), created.passed);
    const built = await read();
    expect(built.pointers.length).toBeGreaterThan(3);
    expect(built.passed).toEqual([]);
    expect((await scene.pointerOf(identity)).requestedAt).toBeUndefined();
    // Converged, for some hours.
    for (let hour = 0; hour < 4; hour++) {
      world.advanceClock(HOUR_MS);
      expect(await onSchedule(work(), {})).toEqual({ worked: 1 });
      const looked = await read();
      expect([looked.pointers.length > 1, looked.passed.length]).toEqual([true, 0]);
    }
    const pools = `${scene.tenant.path("production", "one")}/pools`;
    expect(await passedBy(() => change({ enableAutoUpgrade: true }))).toEqual([1, 0]);
    expect(await passedBy(() => scene.send("POST", pools, { name: "more", nodeSize: "t3.medium" }))).toEqual([1, 0]);
    expect(await passedBy(() => retryCluster(world.services, scene.at))).toEqual([1, 0]);
    const move = { currentEnvironment: "production", newEnvironment: "staging" };
    const organisation = scene.tenant.path();
    expect(await passedBy(() => scene.send("POST", `${organisation}/one/move`, move))).toEqual([1, 0]);
    const back = { currentEnvironment: "staging", newEnvironment: "production" };
    expect(await passedBy(() => scene.send("POST", `${organisation}/one/move`, back))).toEqual([1, 0]);
    expect(await passedBy(() => scene.ask("deleting"))).toEqual([1, 0]);
    await world.settle();
    expect((await read()).passed).toEqual([]);
    const undelete = `${scene.tenant.path("production", "one")}/undelete`;
    expect(await passedBy(() => scene.send("POST", undelete, {}))).toEqual([1, 0]);
  });

  test("the stream filter passes no record of a cluster whose provisioner fails again and again", async () => {
    const { identity } = await scene.create();
    await read();
    world.faults.next = () => ({ kind: "fails", message: "no quota" });
    for (let minute = 0; minute < 6; minute++) {
      await onSchedule(work(), {});
      world.advanceClock(5 * 60_000);
    }
    const { pointers, passed } = await read();
    expect([pointers.length > 6, passed]).toEqual([true, []]);
    expect((await scene.pointerOf(identity)).attempts).toBeGreaterThan(3);
  });

  test("the stream filter passes no record of a cluster that is forgotten with a pending user request", async () => {
    await scene.create();
    await read();
    await forgetCluster(world.services, scene.at);
    const { pointers, passed } = await read();
    expect([pointers.length, passed]).toEqual([1, []]);
  });
});

describe("a request during a worker's lease", () => {
  test("a request during a lease passes no record, because the worker processes it before the release", async () => {
    const { identity } = await scene.create();
    await world.settle();
    await change({ enableAutoUpgrade: true });
    await read();
    const services = scene.interrupted(() => change({ enableAutoUpgrade: false }));
    expect(await reconcileAll(services, [identity], 1)).toMatchObject([{ outcome: "released" }]);
    expect((await read()).passed).toEqual([]);
    const { requestedAt, dueAt } = await scene.pointerOf(identity);
    expect(requestedAt).toBeUndefined();
    expect(Date.parse(dueAt ?? "")).toBeGreaterThan(world.services.clock().getTime());
  });

  test("a request during a lease passes the worker's last record when the worker has no time left", async () => {
    const { identity } = await scene.create();
    await world.settle();
    await change({ enableAutoUpgrade: true });
    await read();
    const services = scene.interrupted(async () => {
      await retryCluster(world.services, scene.at);
      world.advanceClock(25_000);
    });
    expect(await reconcileAll(services, [identity], 1)).toMatchObject([{ outcome: "released" }]);
    const { passed } = await read();
    expect(passed).toHaveLength(1);
    await onStream(work(), passed);
    expect((await read()).passed).toEqual([]);
    expect((await scene.pointerOf(identity)).requestedAt).toBeUndefined();
  });

  test("a request during a lease is found by the sweep when the worker died or its record was lost", async () => {
    const { identity } = await scene.create();
    const dying = { ...world.reconciler, provisioner: { ...world.reconciler.provisioner } };
    world.wire.fault = ({ operation, input }) =>
      operation === "TransactWriteItems" && JSON.stringify(input).includes("#observation") ? "before" : undefined;
    expect(await reconcileAll(dying, [identity], 1)).toMatchObject([{ error: expect.anything() }]);
    world.wire.fault = () => undefined;
    await change({ enableAutoUpgrade: true });
    expect((await read()).passed.map(({ eventName }) => eventName)).toEqual(["INSERT"]);
    world.advanceClock(60_000);
    expect(await onSchedule(work(), {})).toEqual({ worked: 1 });
    expect((await scene.pointerOf(identity)).requestedAt).toBeUndefined();
  });
});

describe("the stream filter's rules, with AWS's examples", () => {
  const record = {
    eventName: "INSERT",
    dynamodb: { Keys: { CustomerName: { S: "AnyCompany Industries" } }, NewImage: { PaymentTerms: { S: "60 days" } } },
  };
  test.each([
    ["a key of the table", { dynamodb: { Keys: { CustomerName: { S: ["AnyCompany Industries"] } } } }, true],
    ["a text that differs in case", { dynamodb: { Keys: { CustomerName: { S: ["anycompany industries"] } } } }, false],
    ["one of several values", { dynamodb: { NewImage: { PaymentTerms: { S: ["30 days", "60 days"] } } } }, true],
    [
      "both of two keys",
      { eventName: ["MODIFY"], dynamodb: { Keys: { CustomerName: { S: [{ exists: true }] } } } },
      false,
    ],
    ["a leaf that exists", { dynamodb: { NewImage: { PaymentTerms: { S: [{ exists: true }] } } } }, true],
    ["a leaf of another type", { dynamodb: { NewImage: { PaymentTerms: { N: [{ exists: true }] } } } }, false],
    ["an object, which is no leaf", { dynamodb: { NewImage: { PaymentTerms: [{ exists: true }] } } }, false],
    ["an attribute that is absent", { dynamodb: { NewImage: { Other: { S: [{ exists: false }] } } } }, true],
    ["an image that is absent", { dynamodb: { OldImage: { Other: { S: [{ exists: false }] } } } }, true],
  ])("the stream filter's rule for %s gives the documented result", (_, pattern, expected) => {
    expect(passesFilter(pattern, record)).toBe(expected);
  });

  test("a filter rule that is not implemented is refused", () => {
    expect(() => passesFilter({ eventName: [{ prefix: "IN" }] }, record)).toThrow('{"prefix":"IN"}');
  });
});
