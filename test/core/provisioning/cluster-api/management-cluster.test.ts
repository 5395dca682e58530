/** Table whose kubeconfig is replaced by that of another management cluster. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { createKubernetesClient } from "#core/kubernetes/client.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { readManagementClusters } from "#core/provisioning/cluster-api/management-cluster.ts";
import { recordManagementCluster } from "#core/provisioning/cluster-api/management-cluster-record.ts";
import {
  createInMemoryCluster,
  type FakeWorld,
  IN_MEMORY_PROFILES,
  listIn,
  makeFakeWorld,
  objectsIn,
} from "#test/support/cluster-api/fake-world.ts";
import { type KubernetesServer, startKubernetesServer } from "#test/support/kubernetes-server.ts";
import type { Json } from "#test/support/world.ts";

let world: FakeWorld;
let first: KubernetesServer;
let second: KubernetesServer;

beforeAll(async () => {
  world = await makeFakeWorld(IN_MEMORY_PROFILES);
  first = world.server;
  second = await startKubernetesServer();
});
afterAll(async () => {
  await world.stop();
  await second.stop();
});

const uidOf = ({ store }: KubernetesServer): string =>
  store.find(resourceOf({ apiVersion: "v1", kind: "Namespace" }), { namespace: undefined, name: "kube-system" })?.object
    .metadata.uid ?? "";

/** Accepts the present management cluster, as the operator's command does. */
async function accept(): Promise<void> {
  const client = createKubernetesClient(world.server.kubeconfig(), { clock: () => new Date() });
  const clusters = await readManagementClusters(world, { client, signal: new AbortController().signal });
  client.close();
  expect(clusters).toEqual({ present: uidOf(second), recorded: uidOf(first) });
  expect(await recordManagementCluster({ table: world.table, clock: world.services.clock }, clusters)).toBe(true);
}

test("in another management cluster nothing is written and clusters are unknown until it is accepted, and then they are built in it", async () => {
  const tenant = await world.tenant();
  const running = await createInMemoryCluster(world, tenant, { name: "running" });
  const deleted = await createInMemoryCluster(world, tenant, { name: "deleted" });
  await world.settle(20 * 60_000);
  expect((await running.get()).status).toBe("started");
  const before = objectsIn(world);

  world.server = second;
  await deleted.patch({ status: "deleting" });
  await running.patch({ version: "v1.34.4-u-ame.2" });
  const fresh = await createInMemoryCluster(world, tenant, { name: "fresh" });
  world.advanceClock(61 * 60_000);
  await world.settle(20 * 60_000);
  expect(second.calls.filter(({ method }) => method !== "GET")).toEqual([]);
  expect(objectsIn(world)).toEqual([]);
  const unknown = await running.get();
  expect(unknown.status).toBe("unknown");
  const { message } = unknown.conditions.find(({ type }: Json) => type === "Reconciled");
  expect(message).toContain(uidOf(first));
  expect(message).toContain(uidOf(second));
  expect(message).toContain("npm run admin -- provisioner accept");
  expect((await deleted.get()).desiredStatus ?? (await deleted.get()).status).not.toBe("deleted");
  expect((await deleted.send("GET")).status).toBe(200);
  expect((await fresh.get()).status).not.toBe("started");

  // The former kubeconfig works as before.
  world.server = first;
  await world.settle(20 * 60_000);
  expect((await running.get()).status).toBe("started");
  expect((await deleted.send("GET")).status).toBe(404);
  expect(before.length).toBeGreaterThan(objectsIn(world).filter((name) => !name.includes("fresh")).length);

  world.server = second;
  const doomed = await createInMemoryCluster(world, tenant, { name: "doomed" });
  await accept();
  await doomed.patch({ status: "deleting" });
  world.advanceClock(61 * 60_000);
  await world.settle(20 * 60_000);
  expect((await running.get()).status).toBe("started");
  expect((await doomed.send("GET")).status).toBe(404);
  expect(listIn(world, "cluster.x-k8s.io/v1beta2", "Cluster")).toHaveLength(2);
});

test("a kubeconfig with other credentials of the same management cluster is accepted", async () => {
  const tenant = await world.tenant();
  second.tokens.add("another");
  const { kubeconfig } = second;
  second.kubeconfig = (user = { token: "another" }) => kubeconfig(user);
  const cluster = await createInMemoryCluster(world, tenant, { name: "renewed" });
  await world.settle(20 * 60_000);
  expect((await cluster.get()).status).toBe("started");
});

test("a cluster whose user may not read namespaces shows which access is missing", async () => {
  const tenant = await world.tenant();
  second.tokens.add("limited");
  const { kubeconfig } = second;
  second.kubeconfig = () => kubeconfig({ token: "limited" });
  second.forbids = ({ method, path }) => method === "GET" && path === "/api/v1/namespaces/kube-system";
  const cluster = await createInMemoryCluster(world, tenant, { name: "limited" });
  await world.settle(60_000);
  second.forbids = () => false;
  const { message } = (await cluster.get()).conditions.find(({ type }: Json) => type === "Reconciled");
  expect(message).toContain("may not get namespaces");
  expect(message).toContain("apply docs/examples/cluster-api-access.yaml");
});
