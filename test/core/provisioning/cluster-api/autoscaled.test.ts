/** Limits of autoscaled pools, against a fake management cluster. The autoscaler of a test is a writer of its own. */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { MACHINE_DEPLOYMENT } from "#core/provisioning/cluster-api/kinds.ts";
import { FIELD_MANAGER, NODE_POOL_ID } from "#core/provisioning/cluster-api/labels.ts";
import { createInMemoryCluster, type FakeWorld, listIn, makeFakeWorld } from "#test/support/cluster-api/fake-world.ts";
import { generousProfiles } from "#test/support/limited-provisioner.ts";
import type { Json } from "#test/support/world.ts";

const MINUTE = 60_000;

let world: FakeWorld;

beforeAll(async () => {
  world = await makeFakeWorld(generousProfiles("bbbbbbbb-0000-4000-8000-000000000001"));
});
afterAll(() => world.stop());

test("a pool whose new limits exclude its number of nodes gets the nearest one, and the autoscaler keeps the number", async () => {
  const cluster = await createInMemoryCluster(world, await world.tenant(), { name: "one" });
  await world.settle(20 * MINUTE);
  const jobs = async (): Promise<Json> =>
    (await cluster.send("GET", "/pools")).body.find(({ name }: Json) => name === "jobs");
  const { id, identity } = await jobs();
  const deployment = (): Json =>
    listIn(world, MACHINE_DEPLOYMENT.apiVersion, MACHINE_DEPLOYMENT.kind).find(
      ({ metadata }) => metadata.labels[NODE_POOL_ID] === identity,
    );
  const limit = async (minSize: number, maxSize: number) => {
    const { status, text } = await cluster.send("PUT", `/pools/${id}`, { minSize, maxSize });
    expect(status, text).toBe(200);
    await world.settle(10 * MINUTE);
    expect((await jobs()).provisionStatus).toBe("DONE");
  };
  const autoscale = (replicas: number) => {
    const edit = ({ spec }: KubernetesObject) => Object.assign(spec as object, { replicas });
    const { metadata } = deployment();
    world.server.store.update(resourceOf(MACHINE_DEPLOYMENT), metadata, edit, { manager: "autoscaler" });
  };
  /** Returns whether this service owns the number of machines. */
  const isOwned = () => {
    const entry = world.server.store
      .list(resourceOf(MACHINE_DEPLOYMENT))
      .find(({ object }) => object.metadata.name === deployment().metadata.name);
    return entry?.owners.some(
      ({ manager, fields }) =>
        manager === FIELD_MANAGER && [...fields.keys()].some((path) => path.includes("replicas")),
    );
  };
  expect([deployment().spec.replicas, isOwned()]).toEqual([1, false]);

  await limit(2, 5);
  expect([deployment().spec.replicas, isOwned()]).toEqual([2, false]);

  autoscale(4);
  await world.settle(90 * MINUTE);
  expect([deployment().spec.replicas, isOwned()]).toEqual([4, false]);

  await limit(1, 3);
  expect([deployment().spec.replicas, isOwned()]).toEqual([3, false]);

  await limit(1, 6);
  expect(deployment().spec.replicas).toBe(3);
});
