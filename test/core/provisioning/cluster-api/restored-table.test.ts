/** Table that is older than its management cluster, because it was restored from a backup. */

import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { CLUSTER, KUBEADM_CONTROL_PLANE } from "#core/provisioning/cluster-api/kinds.ts";
import { FENCE } from "#core/provisioning/cluster-api/labels.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import type { RawItem } from "#core/table/entity.ts";
import { clusterKey, poolsAndSecretsRange } from "#core/table/keys.ts";
import {
  createInMemoryCluster,
  type FakeWorld,
  IN_MEMORY_PROFILES,
  type InMemoryCluster,
  listIn,
  makeFakeWorld,
  objectsIn,
} from "#test/support/cluster-api/fake-world.ts";
import { asTest } from "#test/support/permissions.ts";
import type { Json, Tenant } from "#test/support/world.ts";

let world: FakeWorld;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeFakeWorld(IN_MEMORY_PROFILES);
  tenant = await world.tenant();
});
afterAll(() => world.stop());
afterEach(() => {
  world.server.fault = () => undefined;
});

async function createStarted(name: string): Promise<InMemoryCluster> {
  const cluster = await createInMemoryCluster(world, tenant, { name });
  await world.settle(20 * 60_000);
  expect((await cluster.get()).status).toBe("started");
  return cluster;
}

/** Reads the items of a cluster and its node pools. */
async function readItems({ identity }: InMemoryCluster, slug: string): Promise<RawItem[]> {
  const [clusters, others] = await Promise.all([
    world.table.get([clusterKey(tenant.slug, "production", slug)]),
    world.table.query(poolsAndSecretsRange(identity)),
  ]);
  return [...clusters.values(), ...others];
}

/** Stores items as they were before. */
async function rewind(items: readonly RawItem[]): Promise<void> {
  for (const Item of items) {
    await asTest(() => world.table.client.send(new PutCommand({ TableName: world.table.name, Item })));
  }
}

const controlPlane = () => listIn(world, KUBEADM_CONTROL_PLANE.apiVersion, KUBEADM_CONTROL_PLANE.kind)[0];
const reconciledOf = ({ conditions }: Json) => conditions.find(({ type }: Json) => type === "Reconciled");

test("a control plane that is newer than planned is not downgraded, and keeps its version once the cluster has it", async () => {
  const cluster = await createStarted("restored");
  const items = await readItems(cluster, "restored");
  await cluster.patch({ version: "v1.34.4-u-ame.2" });
  await world.settle(20 * 60_000);
  expect(controlPlane().spec.version).toBe("v1.34.4");
  await rewind(items);
  world.server.reset();
  world.advanceClock(61 * 60_000);
  await reconcile(world.reconciler, cluster.identity, 1);
  await world.settle(60 * 60_000);
  expect(world.server.calls.filter(({ method }) => method !== "GET")).toEqual([]);
  const restored = await cluster.get();
  expect(reconciledOf(restored)).toMatchObject({
    status: "False",
    message: expect.stringMatching(
      /has version v1\.34\.4, which is newer than the planned v1\.33\.4; change the version/,
    ),
  });

  await cluster.patch({ version: "v1.34.4-u-ame.2" });
  await world.settle(60 * 60_000);
  const raised = await cluster.get();
  expect(raised.status).toBe("started");
  expect(reconciledOf(raised)).toMatchObject({ status: "True" });
  expect(controlPlane().spec.version).toBe("v1.34.4");
  const versions = listIn(world, CLUSTER.apiVersion, "Machine").map(({ spec }) => spec.version);
  expect(new Set(versions)).toEqual(new Set(["v1.34.4"]));
  await cluster.patch({ status: "deleting" });
  await world.settle(20 * 60_000);
  expect(objectsIn(world)).toEqual([]);
});

test("a control plane that is two minor versions newer than planned is accepted by a request for its version", async () => {
  const cluster = await createStarted("restored-twice");
  const items = await readItems(cluster, "restored-twice");
  for (const version of ["v1.34.4-u-ame.2", "v1.35.1-u-ame.1"]) {
    await cluster.patch({ version });
    await world.settle(20 * 60_000);
  }
  await rewind(items);
  world.advanceClock(61 * 60_000);
  await reconcile(world.reconciler, cluster.identity, 1);
  await world.settle(5 * 60_000);
  await cluster.patch({ version: "v1.35.1-u-ame.1" });
  await world.settle(60 * 60_000);
  const raised = await cluster.get();
  expect([raised.status, reconciledOf(raised).status]).toEqual(["started", "True"]);
  expect(controlPlane().spec.version).toBe("v1.35.1");
  await cluster.patch({ status: "deleting" });
  await world.settle(20 * 60_000);
});

/** Writes a fencing token on the Cluster that the table never had. */
function raiseAnnotation(): void {
  const [{ metadata }] = listIn(world, CLUSTER.apiVersion, CLUSTER.kind) as [Json];
  const { namespace, name } = metadata;
  const edit = ({ metadata: { annotations = {} } }: { metadata: { annotations?: Record<string, string> } }) => {
    annotations[FENCE] = "500";
  };
  world.server.store.update(resourceOf(CLUSTER), { namespace, name }, edit, { manager: "ame-control-plane" });
}

const fenceOf = () => listIn(world, CLUSTER.apiVersion, CLUSTER.kind)[0]?.metadata.annotations[FENCE];

test("a cluster whose Cluster has a higher fencing token is deleted at the second attempt", async () => {
  const cluster = await createStarted("fenced-deletion");
  raiseAnnotation();
  await cluster.patch({ status: "deleting" });
  const isRead = ({ method, path }: { method: string; path: string }) =>
    method === "GET" && /\/clusters\/[^/]+$/.test(path);
  world.server.reset();
  await world.settle(60_000);
  const { calls } = world.server;
  const deletion = calls.findIndex(({ method, path }) => method === "DELETE" && /\/clusters\/[^/]+$/.test(path));
  // Each attempt reads the Cluster twice: before the deletion, and in the observation after it.
  expect(calls.slice(0, deletion).filter(isRead)).toHaveLength(3);
  expect((await cluster.send("GET")).status).toBe(404);
  expect(objectsIn(world)).toEqual([]);
});

test("a change of a cluster whose Cluster has a higher fencing token is applied with a token above it", async () => {
  const cluster = await createStarted("fenced-change");
  raiseAnnotation();
  await cluster.patch({ version: "v1.34.4-u-ame.2" });
  await world.settle(20 * 60_000);
  expect(Number(fenceOf())).toBeGreaterThan(500);
  expect(controlPlane().spec.version).toBe("v1.34.4");
  await cluster.patch({ status: "deleting" });
  await world.settle(20 * 60_000);
});
