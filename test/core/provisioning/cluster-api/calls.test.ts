/** Calls to the management cluster that a cluster costs. */

import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createInMemoryCluster,
  type FakeWorld,
  IN_MEMORY_PROFILES,
  makeFakeWorld,
} from "#test/support/cluster-api/fake-world.ts";

let world: FakeWorld;

beforeAll(async () => {
  world = await makeFakeWorld(IN_MEMORY_PROFILES);
});
afterAll(() => world.stop());

/** Counts the calls until nothing is due, by whether they write. */
async function callsUntilSettled(withinMs = 20 * 60_000): Promise<{ reads: number; writes: number }> {
  world.server.reset();
  await world.settle(withinMs);
  const reads = world.server.calls.filter(({ method }) => method === "GET").length;
  return { reads, writes: world.server.calls.length - reads };
}

test("a cluster with two node pools costs a fixed number of calls at rest, and as many writes as objects for a change", async () => {
  const tenant = await world.tenant();
  const cluster = await createInMemoryCluster(world, tenant);
  await callsUntilSettled();
  world.advanceClock(61 * 60_000);
  // Everything is applied again against changes by others, and looked through for what nothing refers to.
  expect(await callsUntilSettled()).toEqual({ reads: 10, writes: 16 });
  const pools = (await cluster.send("GET", "/pools")).body;
  world.advanceClock(60_000);
  await cluster.send("PUT", `/pools/${pools[0].id}`, { minSize: 3, maxSize: 3 });
  const { writes } = await callsUntilSettled();
  expect(writes).toBe(16);
});
