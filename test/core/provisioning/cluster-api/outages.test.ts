/** A management cluster that limits requests or restarts. */

import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { reconcileAll } from "#core/provisioning/work-queue.ts";
import {
  createInMemoryCluster,
  type FakeWorld,
  IN_MEMORY_PROFILES,
  type InMemoryCluster,
  makeFakeWorld,
} from "#test/support/cluster-api/fake-world.ts";
import { scanDue } from "#test/support/reconciling.ts";
import type { Json, Tenant } from "#test/support/world.ts";

let world: FakeWorld;
let tenant: Tenant;
let cluster: InMemoryCluster;

beforeAll(async () => {
  world = await makeFakeWorld(IN_MEMORY_PROFILES);
  tenant = await world.tenant();
  cluster = await createInMemoryCluster(world, tenant, { name: "one", nodePools: [] });
});
beforeEach(async () => {
  world.server.fault = () => undefined;
  await world.settle(20 * 60_000);
  expect((await cluster.get()).status).toBe("started");
  world.advanceClock(61 * 60_000);
  world.server.reset();
});
afterAll(() => world.stop());

const now = () => world.services.clock().getTime();

async function dueInMs(): Promise<number> {
  const [due] = await scanDue(world, new Date(now() + 24 * 60 * 60_000));
  return Date.parse(due?.dueAt ?? "") - now();
}

test.each([
  ["observing the cluster", "GET"],
  ["applying the configuration", "PATCH"],
])("after 429 while %s, the next attempt is made no sooner than the server asked for", async (operation, method) => {
  world.server.fault = (call) => (call.method === method ? { type: "throttle", seconds: 30 } : undefined);
  await reconcileAll(world.reconciler, [cluster.identity], 1);
  expect(await dueInMs()).toBeGreaterThanOrEqual(30_000);
  const reconciled = (await cluster.get()).conditions.find(({ type }: Json) => type === "Reconciled");
  expect(reconciled.message).toContain(operation);
});

test("after 429 with a delay of days, the next attempt is made within minutes", async () => {
  world.server.fault = (call) => (call.method === "GET" ? { type: "throttle", seconds: 90_000 } : undefined);
  await reconcileAll(world.reconciler, [cluster.identity], 1);
  const dueIn = await dueInMs();
  expect([dueIn > 60_000, dueIn <= 5 * 60_000]).toEqual([true, true]);
});

test("a restart of the API server of some seconds does not make a cluster unknown", async () => {
  const end = now() + 6_000;
  world.server.fault = () => (now() < end ? { type: "before" } : undefined);
  await reconcileAll(world.reconciler, [cluster.identity], 1);
  await world.settle(5 * 60_000);
  const { body } = await cluster.send("GET", "/events?limit=100");
  expect(JSON.stringify(body)).not.toContain('"unknown"');
  expect((await cluster.get()).conditions.every(({ status }: Json) => status === "True")).toBe(true);
});

test("an outage of a minute makes it unknown, and the first answer started again", async () => {
  const end = now() + 60_000;
  world.server.fault = () => (now() < end ? { type: "before" } : undefined);
  await reconcileAll(world.reconciler, [cluster.identity], 1);
  await world.settle(5 * 60_000);
  const { body } = await cluster.send("GET", "/events?limit=100");
  expect(JSON.stringify(body)).toContain('"unknown"');
  expect((await cluster.get()).status).toBe("started");
});
