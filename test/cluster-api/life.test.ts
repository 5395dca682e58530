/** Lifecycle of a cluster on the in-memory provider of Cluster API, in a real management cluster. */

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { CLUSTER_ID, NODE_POOL_ID } from "#core/provisioning/cluster-api/labels.ts";
import { namespaceOf, objectNameOf } from "#core/provisioning/cluster-api/manifest.ts";
import {
  type ClusterApiWorld,
  createTestCluster,
  hasSettled,
  makeClusterApiWorld,
  type TestCluster,
} from "#test/support/cluster-api/world.ts";
import type { Json } from "#test/support/world.ts";
import { reference } from "./api-server.ts";
import { killApiServer, kubeconfigPath, workloadCluster } from "./lab.ts";
import { NONE_PROFILES } from "./profiles.ts";

const MACHINE = { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "Machine" };
const DEPLOYMENT = { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "MachineDeployment" };
const CONTROL_PLANE = { apiVersion: "controlplane.cluster.x-k8s.io/v1beta2", kind: "KubeadmControlPlane" };
const SECRET = { apiVersion: "v1", kind: "Secret" };

let world: ClusterApiWorld;
let stopWorker: () => Promise<void>;
let cluster: TestCluster;
let namespace: string;

const signal = () => AbortSignal.timeout(30_000);
const labels = () => ({ [CLUSTER_ID]: cluster.created.identity });
const list = (kind: typeof MACHINE): Promise<KubernetesObject[]> =>
  world.client.list(kind, { namespace, labels: labels(), signal: signal() });

/** Lists all machines, also those of node pools. */
const listMachines = (): Promise<KubernetesObject[]> =>
  world.client.list(MACHINE, {
    namespace,
    labels: { "cluster.x-k8s.io/cluster-name": clusterName() },
    signal: signal(),
  });

/** Returns the name of the cluster's objects. */
const clusterName = () => objectNameOf(cluster.created.slug.slugValue, cluster.created.identity);
const poolNamed = async (name: string): Promise<Json> => (await cluster.pools()).find((pool) => pool.name === name);

/** Names of the machines of a node pool, in their order. */
async function machinesOf(name: string): Promise<string[]> {
  const { identity } = await poolNamed(name);
  const machines = await world.client.list(MACHINE, {
    namespace,
    labels: { [NODE_POOL_ID]: identity },
    signal: signal(),
  });
  return machines.map(({ metadata }) => metadata.name);
}

const settled = (what: string) => cluster.until(what, hasSettled);

async function changePool(name: string, change: Record<string, unknown>): Promise<void> {
  const { id } = await poolNamed(name);
  const path = `${cluster.tenant.path("production", "one")}/pools/${id}`;
  const response = await world.send("PUT", path, { token: cluster.tenant.admin, body: { name, ...change } });
  expect(response.status, response.text).toBe(200);
}

beforeAll(async () => {
  world = await makeClusterApiWorld(readFileSync(kubeconfigPath(), "utf8"), NONE_PROFILES);
  stopWorker = world.startWorker();
});

afterAll(async () => {
  await stopWorker?.();
  world?.client.close();
});

describe("a cluster on the in-memory provider", () => {
  test("a created cluster starts, and its configurations have the endpoint and the certificate authority of its API server", async () => {
    cluster = await createTestCluster(world, "none", {
      region: "region-1",
      version: "v1.33.4-u-ame.2",
      nodePools: [
        { name: "web", nodeSize: "small", minSize: 2, labels: { tier: "front" } },
        { name: "jobs", nodeSize: "small", autoScaling: true, minSize: 1, maxSize: 3 },
      ],
    });
    namespace = namespaceOf(cluster.tenant.identity);
    const started = await cluster.until("started", ({ status }) => status === "started");
    expect(started.provisionStatus).toBe("DONE");
    const get = async (configuration: string) => {
      const path = `${cluster.tenant.path("production", "one")}/${configuration}`;
      const response = await world.send("GET", path, { token: cluster.tenant.admin });
      expect(response.status, response.text).toBe(200);
      return response.body;
    };
    const authority = await world.client.get(
      { ...SECRET, name: `${(await list(CONTROL_PLANE))[0]?.metadata.name.replace(/-cp$/, "")}-ca`, namespace },
      { signal: signal() },
    );
    const certificate = Buffer.from((authority as Json).data["tls.crt"], "base64").toString();
    const oidc = await get("oidc-config");
    expect(oidc.caCertificate).toBe(certificate);
    expect(oidc.endpoint).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const kubeconfig = await get("kubeconfig");
    expect(kubeconfig.clusters[0].cluster.server).toBe(oidc.endpoint);
    const join = await get("join-config");
    const [id] = /[a-z0-9]{6}\.[a-z0-9]{16}/.exec(join.joinCommand)?.[0].split(".") ?? [];
    const workload = await workloadCluster(namespace, authority?.metadata.name.replace(/-ca$/, "") ?? "");
    await expect
      .poll(() => workload.get(reference("v1", "Secret", "kube-system", `bootstrap-token-${id}`)), {
        timeout: 60_000,
        interval: 500,
      })
      .toMatchObject({ type: "bootstrap.kubernetes.io/token" });
  });

  test("a scaled cluster gets more nodes and keeps its existing nodes", async () => {
    const before = await machinesOf("web");
    await changePool("web", { minSize: 3, maxSize: 3 });
    await settled("scaled");
    const after = await machinesOf("web");
    expect(after).toHaveLength(3);
    expect(after).toEqual(expect.arrayContaining(before));
  });

  test("a change of labels replaces no machine, and a change of taints replaces machines", async () => {
    const before = await machinesOf("web");
    await changePool("web", { labels: { tier: "back" } });
    await settled("labelled");
    expect(await machinesOf("web")).toEqual(before);
    const tiers = async () =>
      (await listMachines())
        .filter(({ metadata }) => before.includes(metadata.name))
        .map(({ metadata }) => metadata.labels?.tier);
    // Cluster API copies labels to existing machines after it has reported the new generation.
    await expect.poll(tiers, { timeout: 60_000, interval: 500 }).toEqual(["back", "back", "back"]);
    await changePool("web", { taints: [{ key: "dedicated", value: "web", effect: "NoSchedule" }] });
    await settled("tainted");
    const after = await machinesOf("web");
    expect(after).toHaveLength(3);
    expect(after.filter((name) => before.includes(name))).toEqual([]);
  });

  test("a move to another environment replaces no machine", async () => {
    const before = (await listMachines()).map(({ metadata }) => metadata.name);
    await cluster.patch({ environmentSlug: "staging" });
    cluster.moveTo("staging");
    await settled("moved");
    await expect
      .poll(async () => (await list(DEPLOYMENT)).map(({ metadata }) => metadata.labels?.["ame-clusters/environment"]), {
        timeout: 60_000,
      })
      .toEqual(["staging", "staging"]);
    expect((await listMachines()).map(({ metadata }) => metadata.name)).toEqual(before);
    await cluster.patch({ environmentSlug: "production" });
    cluster.moveTo("production");
    await settled("moved back");
  });

  test("objects that other clients changed or deleted are corrected", async () => {
    const [deployment] = (await list(DEPLOYMENT)).filter(({ spec }) => (spec as Json).replicas === 3);
    const name = deployment?.metadata.name ?? "";
    await world.client.apply({ ...DEPLOYMENT, metadata: { name, namespace }, spec: { replicas: 1 } } as never, {
      signal: signal(),
      fieldManager: "other-client",
    });
    const check = { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "MachineHealthCheck" };
    await world.client.delete({ ...check, name, namespace }, { signal: signal() });
    world.advanceClock(61 * 60_000);
    await expect
      .poll(() => world.client.get({ ...check, name, namespace }, { signal: signal() }), { timeout: 60_000 })
      .toMatchObject({ metadata: { name } });
    await expect
      .poll(
        async () =>
          ((await world.client.get({ ...DEPLOYMENT, name, namespace }, { signal: signal() })) as Json).spec.replicas,
        {
          timeout: 60_000,
        },
      )
      .toBe(3);
    await settled("corrected");
  });

  test("an upgrade completes during a restart of the management cluster, and no node is newer than the API server", async () => {
    await cluster.patch({ version: "v1.34.4-u-ame.2" });
    await cluster.until("upgrading", ({ conditions }) =>
      conditions.some(
        ({ type, status, observedGeneration }: Json) =>
          type === "UpToDate" && status === "False" && observedGeneration > 0,
      ),
    );
    await killApiServer();
    const skews: string[] = [];
    const watching = new AbortController();
    const watch = (async () => {
      while (!watching.signal.aborted) {
        try {
          const [control] = await list(CONTROL_PLANE);
          const machines = await listMachines();
          const isControl = ({ metadata }: KubernetesObject) =>
            metadata.labels?.["cluster.x-k8s.io/control-plane"] !== undefined;
          const versionsOf = (found: KubernetesObject[]) => found.map(({ spec }) => (spec as Json).version as string);
          const oldest = versionsOf(machines.filter(isControl)).sort()[0];
          const newest = versionsOf(machines.filter((each) => !isControl(each)))
            .sort()
            .at(-1);
          if (control !== undefined && oldest !== undefined && newest !== undefined && newest > oldest) {
            skews.push(`${newest} > ${oldest}`);
          }
        } catch {
          // The API server restarts.
        }
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    })();
    await settled("upgraded");
    watching.abort();
    await watch;
    expect(skews).toEqual([]);
    const versions = (await listMachines()).map(({ spec }) => (spec as Json).version);
    expect([...new Set(versions)]).toEqual(["v1.34.4"]);
  });

  test("a stopped cluster keeps only its control plane, and a started one gets its nodes again", async () => {
    await cluster.patch({ status: "stopping" });
    await cluster.until("stopped", ({ status }) => status === "stopped");
    const left = await listMachines();
    expect(left.map(({ metadata }) => metadata.labels?.["cluster.x-k8s.io/control-plane"])).toEqual([""]);
    await cluster.patch({ status: "starting" });
    await cluster.until("started", ({ status }) => status === "started");
    expect(await machinesOf("web")).toHaveLength(3);
  });

  test("a deleted cluster leaves no objects", async () => {
    const workload = await workloadCluster(namespace, clusterName());
    expect((await workload.list("v1", "Node")).length).toBeGreaterThan(0);
    await cluster.remove();
    await cluster.untilDeleted();
    const kinds = [
      MACHINE,
      DEPLOYMENT,
      CONTROL_PLANE,
      SECRET,
      { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "Cluster" },
      { apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2", kind: "DevMachineTemplate" },
      { apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2", kind: "DevCluster" },
      { apiVersion: "bootstrap.cluster.x-k8s.io/v1beta2", kind: "KubeadmConfigTemplate" },
    ];
    const left = await Promise.all(kinds.map((kind) => world.client.list(kind, { namespace, signal: signal() })));
    expect(left.flat().map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([]);
  });
});
