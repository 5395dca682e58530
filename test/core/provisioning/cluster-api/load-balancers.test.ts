/** Deletions of clusters with Services of type LoadBalancer, against fake API servers of clusters. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { CLUSTER, KAMAJI_CONTROL_PLANE } from "#core/provisioning/cluster-api/kinds.ts";
import { CLUSTER_ID } from "#core/provisioning/cluster-api/labels.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { listIn } from "#test/support/cluster-api/fake-world.ts";
import { type ManagedWorld, makeManagedWorld, PLACES } from "#test/support/cluster-api/managed-world.ts";

/** Finalizer with which a cloud controller manager keeps a Service until its load balancer is deleted. */
const CLEANUP = "service.kubernetes.io/load-balancer-cleanup";

const SERVICE = resourceOf({ apiVersion: "v1", kind: "Service" });
const WEB = { namespace: "default", name: "web" };

let managed: ManagedWorld;

beforeAll(async () => {
  managed = await makeManagedWorld();
});
afterAll(async () => {
  await managed.world.stop();
  useCatalogue(shippedCatalogue);
});

/** Finds the Cluster of a cluster; undefined once it is gone. */
const clusterObject = (identity: string) =>
  listIn(managed.world, CLUSTER.apiVersion, CLUSTER.kind).find(
    ({ metadata }) => metadata.labels[CLUSTER_ID] === identity,
  );

/** Creates a started cluster. @returns its identity, path and name and namespace of its objects */
async function createStarted(type: "none" | "hetzner" | "byon", name: string) {
  const { region, nodeSize } = PLACES[type];
  const { identity } = await managed.create({
    name,
    cloudAccountIdentity: await managed.account(type),
    region,
    version: "v1.33.4-u-ame.2",
    nodePools: [{ name: "web", nodeSize, minSize: 1 }],
  });
  await managed.world.settle(20 * 60_000);
  const path = managed.tenant.path("production", name);
  return { identity, path, ...(clusterObject(identity).metadata as { name: string; namespace: string }) };
}

type Created = Awaited<ReturnType<typeof createStarted>>;

/** Creates a Service of type LoadBalancer in a cluster. */
function addBalancer({ namespace, name }: Created, finalizers: string[]): void {
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { ...WEB, finalizers },
    spec: { type: "LoadBalancer" },
  };
  managed.world.server.workload(namespace, name).store.create(SERVICE, service, "user");
}

const balancer = ({ namespace, name }: Created) =>
  managed.world.server.workload(namespace, name).store.find(SERVICE, WEB)?.object;

/** Ends the cleanup of the load balancer, as a cloud controller manager does. */
const endCleanup = ({ namespace, name }: Created) =>
  managed.world.server.workload(namespace, name).store.update(
    SERVICE,
    WEB,
    ({ metadata }) => {
      metadata.finalizers = [];
    },
    { manager: "cloud-controller-manager" },
  );

/** Stores the kubeconfig of a cluster on byon, as Kamaji does. */
function addKubeconfig({ namespace, name }: Created): void {
  const { kubeconfig } = managed.world.server.workload(namespace, name);
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace, name: `${name}-kubeconfig`, labels: { "cluster.x-k8s.io/cluster-name": name } },
    data: { value: Buffer.from(kubeconfig).toString("base64") },
  };
  managed.world.server.store.create(resourceOf(secret), secret, "kamaji");
}

async function requestDeletion({ path }: Created): Promise<void> {
  const response = await managed.send("PATCH", path, { status: "deleting" });
  expect(response.status, response.text).toBe(200);
}

/** Expects that a cluster gets deleted within a time. */
async function expectDeleted({ path }: Created, withinMs = 2 * 60_000): Promise<void> {
  await managed.world.settle(withinMs);
  expect((await managed.send("GET", path)).status).toBe(404);
}

/** Returns the time of the next deletion of a Cluster since now, in milliseconds. */
async function msUntilDeletion(created: Created): Promise<number> {
  const { world } = managed;
  const begin = world.services.clock().getTime();
  let end: number | undefined;
  const { fault } = world.server;
  world.server.fault = (call) => {
    if (call.method === "DELETE" && call.path.endsWith(`/clusters/${created.name}`)) {
      end ??= world.services.clock().getTime();
    }
    return fault(call);
  };
  await requestDeletion(created);
  await world.settle(20 * 60_000);
  world.server.fault = () => undefined;
  expect((await managed.send("GET", created.path)).status).toBe(404);
  return (end ?? Number.NaN) - begin;
}

test("a Cluster is deleted once the Service with a load balancer is gone", async () => {
  const created = await createStarted("hetzner", "balanced");
  addBalancer(created, [CLEANUP]);
  await requestDeletion(created);
  await managed.world.settle(60_000);
  expect(balancer(created)?.metadata.deletionTimestamp).toBeDefined();
  expect(clusterObject(created.identity).metadata.deletionTimestamp).toBeUndefined();
  expect((await managed.send("GET", created.path)).body.status).toBe("deleting");
  endCleanup(created);
  await expectDeleted(created);
});

test("a Cluster whose Service stays is deleted five minutes after its first request, also after a failure of its API server", async () => {
  const created = await createStarted("hetzner", "endless");
  addBalancer(created, [CLEANUP]);
  let isLate = false;
  managed.world.server.fault = ({ path }) => {
    if (!path.startsWith("/workloads/")) return undefined;
    isLate = !isLate;
    return isLate ? undefined : { type: "before" };
  };
  const waited = await msUntilDeletion(created);
  expect(waited).toBeGreaterThanOrEqual(5 * 60_000);
  expect(waited).toBeLessThan(5.5 * 60_000);
});

test("a Cluster whose API server never answers is deleted after a minute", async () => {
  const created = await createStarted("hetzner", "mute");
  addBalancer(created, [CLEANUP]);
  managed.world.server.fault = ({ path }) => (path.startsWith("/workloads/") ? { type: "before" } : undefined);
  const waited = await msUntilDeletion(created);
  expect(waited).toBeGreaterThanOrEqual(60_000);
  expect(waited).toBeLessThan(90_000);
});

test("a Cluster whose annotation the management cluster refuses is deleted at once", async () => {
  const created = await createStarted("hetzner", "unmarked");
  addBalancer(created, [CLEANUP]);
  managed.world.server.fault = ({ method, path, query }) =>
    method === "PATCH" && path.endsWith(`/clusters/${created.name}`) && query.get("fieldManager")?.endsWith("balancers")
      ? { type: "status", status: 403, reason: "Forbidden" }
      : undefined;
  expect(await msUntilDeletion(created)).toBe(0);
});

test.each<["hetzner" | "byon" | "none", string, (created: Created) => void]>([
  ["hetzner", "without Services", () => {}],
  ["hetzner", "whose Service has no finalizer", (created) => addBalancer(created, [])],
  ["none", "in the memory of a controller", (created) => addBalancer(created, [CLEANUP])],
  [
    "byon",
    "without a node",
    (created) => {
      addKubeconfig(created);
      addBalancer(created, [CLEANUP]);
    },
  ],
])("a Cluster on %s %s is deleted in the first step", async (type, what, prepare) => {
  const created = await createStarted(type, `first-${type}-${what.length}`);
  prepare(created);
  await requestDeletion(created);
  managed.world.server.reset();
  await reconcile(managed.world.reconciler, created.identity, 1);
  expect(managed.world.server.calls.map(({ method, path }) => `${method} ${path}`)).toContainEqual(
    expect.stringMatching(new RegExp(`^DELETE .*/clusters/${created.name}$`)),
  );
  if (type === "none")
    expect(managed.world.server.calls.some(({ path }) => path.startsWith("/workloads/"))).toBe(false);
  await expectDeleted(created);
});

test("the API server of a Cluster that is not initialized, or whose control plane has no pods, is not called at its deletion", async () => {
  const { world, tenant, send } = managed;
  const stopped = await createStarted("byon", "podless");
  addKubeconfig(stopped);
  expect((await send("PATCH", stopped.path, { status: "stopping" })).status).toBe(200);
  await world.settle(20 * 60_000);
  const [controlPlane] = listIn(world, KAMAJI_CONTROL_PLANE.apiVersion, KAMAJI_CONTROL_PLANE.kind);
  expect(controlPlane.spec.replicas).toBe(0);
  const { identity } = await managed.create({
    name: "young",
    cloudAccountIdentity: await managed.account("hetzner"),
    region: PLACES.hetzner.region,
    version: "v1.33.4-u-ame.2",
    nodePools: [{ name: "web", nodeSize: PLACES.hetzner.nodeSize, minSize: 1 }],
  });
  await reconcile(world.reconciler, identity, 1);
  expect(clusterObject(identity).status?.initialization?.controlPlaneInitialized).not.toBe(true);
  world.server.reset();
  const paths = [stopped.path, tenant.path("production", "young")];
  for (const path of paths) expect((await send("PATCH", path, { status: "deleting" })).status).toBe(200);
  await reconcile(world.reconciler, identity, 1);
  await world.settle(30_000);
  expect(world.server.calls.filter(({ path }) => path.startsWith("/workloads/"))).toEqual([]);
  for (const path of paths) expect((await send("GET", path)).status).toBe(404);
});
