/** Clusters that stay unfinished, against a fake management cluster. */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { CLUSTER } from "#core/provisioning/cluster-api/kinds.ts";
import { createInMemoryCluster, type FakeWorld, listIn, makeFakeWorld } from "#test/support/cluster-api/fake-world.ts";
import { generousProfiles } from "#test/support/limited-provisioner.ts";
import type { Json } from "#test/support/world.ts";

const MINUTE = 60_000;

let world: FakeWorld;

beforeAll(async () => {
  world = await makeFakeWorld(generousProfiles("bbbbbbbb-0000-4000-8000-000000000001"));
});
afterAll(() => world.stop());

/** Lets the controllers do nothing with the only Cluster, or continue. */
function setPaused(isPaused: boolean): void {
  const [{ metadata }] = listIn(world, CLUSTER.apiVersion, CLUSTER.kind) as [Json];
  const edit = ({ spec }: KubernetesObject) => Object.assign(spec as object, { paused: isPaused });
  world.server.store.update(resourceOf(CLUSTER), metadata, edit, { manager: "another" });
}

test("a pool that stays unfinished is observed every minute after five minutes, and a change is applied at once", async () => {
  const cluster = await createInMemoryCluster(world, await world.tenant(), { name: "one" });
  await world.settle(20 * MINUTE);
  const poolsOf = async (): Promise<Json[]> => (await cluster.send("GET", "/pools")).body;
  const web = (await poolsOf()).find(({ name }) => name === "web");
  const scale = async (size: number) => {
    const { status, text } = await cluster.send("PUT", `/pools/${web?.id}`, { minSize: size, maxSize: size });
    expect(status, text).toBe(200);
  };
  // As with an exhausted quota, no new machine becomes a node.
  setPaused(true);
  await scale(3);
  await world.settle(6 * MINUTE);
  world.server.calls.length = 0;
  await world.settle(60 * MINUTE);
  const reads = world.server.calls.filter(({ method }) => method === "GET").length;
  expect(reads).toBeGreaterThan(60);
  expect(reads).toBeLessThan(300);

  setPaused(false);
  await scale(2);
  await world.settle(MINUTE);
  expect((await poolsOf()).map(({ provisionStatus }) => provisionStatus)).toEqual(["DONE", "DONE"]);
});
