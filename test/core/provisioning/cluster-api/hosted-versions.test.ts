/** Changes of the version of control planes that Kamaji runs, against a fake management cluster. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { CLUSTER, KAMAJI_CONTROL_PLANE } from "#core/provisioning/cluster-api/kinds.ts";
import { CLUSTER_ID } from "#core/provisioning/cluster-api/labels.ts";
import { listIn } from "#test/support/cluster-api/fake-world.ts";
import { type ManagedWorld, makeManagedWorld, PLACES } from "#test/support/cluster-api/managed-world.ts";
import type { Json } from "#test/support/world.ts";

const [OLD, NEW] = ["v1.33.8-u-ame.1", "v1.34.4-u-ame.2"];

let managed: ManagedWorld;

beforeAll(async () => {
  managed = await makeManagedWorld();
});
afterAll(async () => {
  await managed.world.stop();
  useCatalogue(shippedCatalogue);
});

/** Creates a started cluster. */
async function createStarted(name: string) {
  const { world, tenant, send } = managed;
  const { region, nodeSize } = PLACES.byon;
  const cloudAccountIdentity = await managed.account("byon");
  const nodePools = [{ name: "web", nodeSize }];
  const { identity } = await managed.create({ name, cloudAccountIdentity, region, version: OLD, nodePools });
  const path = tenant.path("production", name);
  const objectOf = (kind: typeof CLUSTER): Json =>
    listIn(world, kind.apiVersion, kind.kind).find(({ metadata }) => metadata.labels[CLUSTER_ID] === identity);
  const cluster = {
    get: async () => (await send("GET", path)).body,
    async patch(body: object) {
      const response = await send("PATCH", path, body);
      expect(response.status, response.text).toBe(200);
    },
    /** Returns the requested state of the control plane. */
    controlPlane() {
      const { spec, status } = objectOf(KAMAJI_CONTROL_PLANE);
      return { version: spec.version, replicas: spec.replicas, running: status.version };
    },
    /** Lets the controllers do nothing with the cluster, or continue. */
    setPaused(isPaused: boolean) {
      const { namespace, name: object } = objectOf(CLUSTER).metadata;
      const edit = ({ spec }: KubernetesObject) => Object.assign(spec as object, { paused: isPaused });
      world.server.store.update(resourceOf(CLUSTER), { namespace, name: object }, edit, { manager: "another" });
    },
  };
  await world.settle(20 * 60_000);
  expect((await cluster.get()).status).toBe("started");
  return cluster;
}

test("a hosted control plane that is asleep starts with its version, and gets the requested one afterwards", async () => {
  const cluster = await createStarted("asleep");
  await cluster.patch({ status: "stopping" });
  await managed.world.settle(20 * 60_000);
  expect(cluster.controlPlane()).toMatchObject({ version: "v1.33.8", replicas: 0 });
  cluster.setPaused(true);
  await cluster.patch({ status: "starting" });
  await cluster.patch({ version: NEW });
  await managed.world.settle(60_000);
  expect(cluster.controlPlane()).toMatchObject({ version: "v1.33.8", replicas: 1 });
  cluster.setPaused(false);
  await managed.world.settle(20 * 60_000);
  expect(cluster.controlPlane()).toEqual({ version: "v1.34.4", replicas: 1, running: "v1.34.4" });
  expect(await cluster.get()).toMatchObject({ status: "started", version: NEW });
});

test("a version that Kamaji does not run can be replaced by the running one", async () => {
  const cluster = await createStarted("refused");
  cluster.setPaused(true);
  await cluster.patch({ version: NEW });
  await managed.world.settle(60_000);
  expect(cluster.controlPlane()).toMatchObject({ version: "v1.34.4", running: "v1.33.8" });
  await cluster.patch({ version: OLD });
  await managed.world.settle(60_000);
  expect(cluster.controlPlane()).toMatchObject({ version: "v1.33.8", running: "v1.33.8" });
  cluster.setPaused(false);
  await managed.world.settle(20 * 60_000);
  expect(await cluster.get()).toMatchObject({ status: "started", version: OLD });
});
