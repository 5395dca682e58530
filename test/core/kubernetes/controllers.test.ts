import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createKubernetesClient } from "#core/kubernetes/client.ts";
import type { KubernetesClient } from "#core/kubernetes/interface.ts";
import type { KubernetesObject, ObjectKind } from "#core/kubernetes/objects.ts";
import { at, type Json } from "#test/support/kubernetes/json.ts";
import { clientOf, errorOf, kinds, secret, unaborted } from "#test/support/kubernetes-client.ts";
import { type KubernetesServer, startKubernetesServer } from "#test/support/kubernetes-server.ts";
import { applyCluster, controlPlane, meta, namespace, pool, reference, template } from "./objects.ts";

let server: KubernetesServer;
let client: KubernetesClient;
beforeAll(async () => {
  // The first certificates of a process take a moment.
  await (await startKubernetesServer()).stop();
});
beforeEach(async () => {
  server = await startKubernetesServer();
  client = clientOf(server);
  await client.apply({ ...kinds.namespace, metadata: { name: namespace } }, unaborted());
  return async () => {
    client.close();
    await server.stop();
  };
});

const read = async (kind: ObjectKind, name: string): Promise<KubernetesObject> => {
  const found = await client.get({ ...kind, namespace, name }, unaborted());
  if (found === undefined) throw new Error(`${kind.kind} ${name} does not exist`);
  return found;
};
const list = async (kind: ObjectKind): Promise<KubernetesObject[]> =>
  await client.list(kind, { namespace, ...unaborted() });
const conditions = (object: KubernetesObject): Record<string, unknown> =>
  Object.fromEntries(
    ((at(object, "status", "conditions") ?? []) as Json[]).map(({ type, status }) => [String(type), status]),
  );

describe("the controllers of the test server", () => {
  test("nothing happens without a tick", async () => {
    await applyCluster(client);
    expect((await read(kinds.cluster, "c")).status).toBeUndefined();
    expect(await list(kinds.machine)).toEqual([]);
  });

  test("a cluster becomes available with its endpoint, its Secrets, its owners and its nodes", async () => {
    await applyCluster(client);
    server.controllers.settle();
    const cluster = await read(kinds.cluster, "c");
    expect(cluster).toMatchObject({
      spec: { controlPlaneEndpoint: { host: "127.0.0.1" } },
      status: {
        phase: "Provisioned",
        initialization: { infrastructureProvisioned: true, controlPlaneInitialized: true },
        controlPlane: { desiredReplicas: 1, readyReplicas: 1, versions: [{ version: "v1.33.4", replicas: 1 }] },
        workers: { desiredReplicas: 2, availableReplicas: 2 },
        observedGeneration: cluster.metadata.generation,
      },
    });
    expect(conditions(cluster)).toMatchObject({ Available: "True", RollingOut: "False", Deleting: "False" });
    expect((await list(kinds.secret)).map(({ metadata }) => metadata.name)).toEqual(
      ["ca", "etcd", "kubeconfig", "proxy", "sa"].map((name) => `c-${name}`),
    );
    expect((await read(kinds.template, "c-p-1")).metadata.ownerReferences).toMatchObject([
      { kind: "Cluster", name: "c" },
    ]);
    expect(server.workload(namespace, "c").store.list({ group: "", plural: "nodes" })).toHaveLength(3);
  });

  test("the kubeconfig of a cluster reaches its API server, where Secrets can be made", async () => {
    await applyCluster(client);
    server.controllers.settle();
    const { data } = (await read(kinds.secret, "c-kubeconfig")) as unknown as { data: { value: string } };
    const workload = createKubernetesClient(Buffer.from(data.value, "base64").toString(), { clock: () => new Date() });
    await workload.create(secret("bootstrap-token-abcdef", "kube-system"), unaborted());
    expect(await workload.list(kinds.node, unaborted())).toHaveLength(3);
    workload.close();
  });

  test("an apply of the same objects changes nothing after the controllers have written their fields", async () => {
    await applyCluster(client);
    server.controllers.settle();
    const before = (await list(kinds.cluster))
      .concat(await list(kinds.pool))
      .map(({ metadata }) => metadata.resourceVersion);
    await applyCluster(client);
    const after = (await list(kinds.cluster))
      .concat(await list(kinds.pool))
      .map(({ metadata }) => metadata.resourceVersion);
    expect(after).toEqual(before);
  });

  test("a control plane replaces its machines one at a time, and no worker is made meanwhile", async () => {
    await applyCluster(client, 3);
    server.controllers.settle();
    await client.apply(controlPlane("v1.34.1", 3), unaborted());
    await client.apply(pool("v1.33.4", { replicas: 3 }), unaborted());
    const counts = new Set<number>();
    for (;;) {
      const changes = server.controllers.tick();
      const { status } = await read(kinds.controlPlane, "c-cp");
      const { versions = [], replicas } = status as { versions: { version: string }[]; replicas: number };
      counts.add(replicas);
      const workers = (await list(kinds.machine)).filter(({ metadata }) => metadata.labels?.pool === "p");
      if (versions.some(({ version }) => version === "v1.33.4")) expect(workers).toHaveLength(2);
      if (changes === 0) break;
    }
    expect([...counts].sort()).toEqual([3, 4]);
    expect(await read(kinds.controlPlane, "c-cp")).toMatchObject({
      status: { versions: [{ version: "v1.34.1", replicas: 3 }] },
    });
    expect(await read(kinds.pool, "c-p")).toMatchObject({ status: { readyReplicas: 3 } });
  });

  test("a pool rolls out within its surge, and refers to its old template until the last old machine is gone", async () => {
    await applyCluster(client);
    server.controllers.settle();
    await client.apply(template("c-p-2"), unaborted());
    await client.apply(pool("v1.33.4", { replicas: 2 }, {}, "c-p-2"), unaborted());
    const names = async () =>
      (await list(kinds.set)).map((set) => at(set, "spec", "template", "spec", "infrastructureRef", "name")).sort();
    server.controllers.tick();
    expect(await names()).toEqual(["c-p-1", "c-p-2"]);
    for (;;) {
      const changes = server.controllers.tick();
      const { status } = await read(kinds.pool, "c-p");
      const { replicas, availableReplicas } = status as { replicas: number; availableReplicas: number };
      expect(replicas).toBeLessThanOrEqual(3);
      expect(availableReplicas).toBeGreaterThanOrEqual(2);
      if (changes === 0) break;
    }
    expect(await names()).toEqual(["c-p-2"]);
  });

  test("a change of labels of a pool replaces no machine", async () => {
    await applyCluster(client);
    server.controllers.settle();
    const before = (await list(kinds.machine)).map(({ metadata }) => metadata.uid);
    const changed = pool("v1.33.4");
    changed.spec.template.metadata.labels = { pool: "p", tier: "front" } as { pool: string };
    await client.apply(changed, unaborted());
    server.controllers.settle();
    expect((await list(kinds.machine)).map(({ metadata }) => metadata.uid)).toEqual(before);
  });

  test("a pool without replicas takes them from the autoscaler's range, and keeps them in it", async () => {
    const range = (min: number, max: number) => ({
      annotations: {
        "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size": String(min),
        "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size": String(max),
      },
    });
    const replicasOf = async (rest: Json, metadata: object) =>
      at(await client.apply(pool("v1.33.4", rest, metadata), unaborted()), "spec", "replicas");
    expect(await replicasOf({}, range(3, 5))).toBe(3);
    expect(await replicasOf({ replicas: 8 }, {})).toBe(8);
    expect(await replicasOf({}, range(3, 5))).toBe(5);
    expect(await replicasOf({}, range(2, 9))).toBe(5);
    // No manager owns the number, so it stays without the range. A number that the client owned is removed.
    expect(await replicasOf({}, {})).toBe(5);
    expect(await replicasOf({ replicas: 2 }, {})).toBe(2);
    expect(await replicasOf({}, {})).toBe(1);
  });

  test("a template that machines are made of cannot change", async () => {
    await applyCluster(client);
    const changed = { ...template("c-p-1"), spec: { template: { spec: { backend: { other: true } } } } };
    expect(await errorOf(client.apply(changed, unaborted()))).toMatchObject({ kind: "refused", status: 422 });
  });

  test("a deletion removes pools, then the control plane, then the infrastructure, and everything that they own", async () => {
    await applyCluster(client);
    await client.apply(secret("ours", namespace), unaborted());
    server.controllers.settle();
    await client.delete({ ...kinds.cluster, namespace, name: "c" }, unaborted());
    const order: string[] = [];
    for (let left = 1; left > 0; ) {
      server.controllers.tick();
      const present = await Promise.all([
        list(kinds.pool),
        list(kinds.controlPlane),
        list(kinds.infrastructure),
        list(kinds.cluster),
      ]);
      order.push(present.map(({ length }) => length).join(""));
      left = present.flat().length;
    }
    expect([...new Set(order)]).toEqual(["1111", "0111", "0011", "0000"]);
    const rest = server.store
      .all()
      .map(({ object }) => `${object.kind} ${object.metadata.name}`)
      .sort();
    expect(rest).toEqual(["Namespace kube-system", "Namespace test", "Secret ours"]);
  });

  test("a frozen object makes no progress until it is released", async () => {
    await applyCluster(client);
    server.controllers.settle();
    server.controllers.isFrozen = ({ kind, metadata }) => kind === "DevCluster" && metadata.name === "c";
    await client.delete({ ...kinds.cluster, namespace, name: "c" }, unaborted());
    server.controllers.settle();
    const cluster = await read(kinds.cluster, "c");
    expect(cluster.status).toMatchObject({ phase: "Deleting" });
    expect(conditions(cluster)).toMatchObject({ Deleting: "True", Available: "False" });
    server.controllers.isFrozen = () => false;
    server.controllers.settle();
    expect(await list(kinds.cluster)).toEqual([]);
  });

  test("the controllers ignore a paused cluster, also when it is deleted", async () => {
    await applyCluster(client);
    server.controllers.settle();
    const { spec } = await read(kinds.cluster, "c");
    await client.apply(
      { ...kinds.cluster, metadata: meta("c"), spec: { ...(spec as object), paused: true } } as never,
      unaborted(),
    );
    await client.delete({ ...kinds.cluster, namespace, name: "c" }, unaborted());
    server.controllers.settle();
    expect(conditions(await read(kinds.cluster, "c"))).toMatchObject({ Paused: "True" });
    expect(await list(kinds.machine)).toHaveLength(3);
  });

  test("a hosted control plane has no machines, and its cluster's condition Available stays Unknown", async () => {
    const hosted = { apiVersion: "controlplane.cluster.x-k8s.io/v1alpha2", kind: "KamajiControlPlane" };
    await client.apply(
      { ...hosted, metadata: meta("h"), spec: { version: "v1.33.4", replicas: 2 } } as never,
      unaborted(),
    );
    const cluster = { ...kinds.cluster, metadata: meta("h"), spec: { controlPlaneRef: reference(hosted, "h") } };
    await client.apply(cluster, unaborted());
    server.controllers.settle();
    expect(conditions(await read(kinds.cluster, "h"))).toMatchObject({
      Available: "Unknown",
      ControlPlaneAvailable: "True",
    });
    expect((await list(kinds.secret)).map(({ metadata }) => metadata.name)).toEqual(["h-ca", "h-kubeconfig"]);
    expect(await list(kinds.machine)).toEqual([]);
  });
});
