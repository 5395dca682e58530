/** A server that is killed while it changes a cluster of a real management cluster. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { CLUSTER_ID } from "#core/provisioning/cluster-api/labels.ts";
import { cleanUp, portForRestarts, type Server, script, start, temporary } from "#test/support/server.ts";
import type { Json } from "#test/support/world.ts";
import type { KubernetesObject } from "./api-server.ts";
import { kubeconfigPath, managementCluster, remainingObjects, waitFor } from "./lab.ts";

const folder = mkdtempSync(join(tmpdir(), "killed-server-"));
const profiles = join(folder, "profiles.yaml");
writeFileSync(profiles, "providers:\n  none: {}\n");

afterAll(() => {
  cleanUp();
  rmSync(folder, { recursive: true });
});

const CORE = "cluster.x-k8s.io/v1beta2";
const CLUSTERS = "/api/v1/orgs/demo/clusters/production";
const TRIAL = `${CLUSTERS}/trial`;

/** Namespace of the cluster's objects, once the server has created it. */
let namespace = "";

/** Lists the objects of a kind in the namespace. */
const list = async (kind: string, apiVersion = CORE): Promise<KubernetesObject[]> =>
  await managementCluster().list(apiVersion, kind, namespace);

/** Waits with short pauses, so that the server is killed within the step that a probe finds. */
async function waitForStep(what: string, probe: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 240_000;
  while (!(await probe())) {
    if (Date.now() > end) throw new Error(`not within 240 s: ${what}`);
    await sleep(20);
  }
}

test("a server that is killed in the middle of a creation, an upgrade and a deletion continues them after its restart", async () => {
  const environment = {
    DATA_DIR: temporary(),
    PORT: `${await portForRestarts()}`,
    LOG_LEVEL: "warn",
    PROVISIONER: "cluster-api",
    CLUSTER_API_PROFILES: profiles,
    CLUSTER_API_KUBECONFIG: kubeconfigPath(),
  };
  let server: Server = await start(environment);
  const killAndRestart = async () => {
    server.signalServer("SIGKILL");
    await server.exited;
    server = await start(environment);
  };
  const send = async (method: string, path: string, body?: unknown): Promise<Json> => {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: { authorization: `Token ${server.token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };
  const reach = (what: string, isDone: (cluster: Json) => boolean) =>
    waitFor(what, async () => isDone((await send("GET", TRIAL)).body), {
      limitSeconds: 300,
      describe: async () => (await send("GET", TRIAL)).body,
    });

  const listed = script("admin", ["account", "list", "--org", "demo", "--provider", "none", "--quiet"], environment);
  await listed.exited;
  const created = await send("POST", CLUSTERS, {
    name: "Trial",
    region: "region-1",
    version: "v1.33.4-u-ame.2",
    cloudAccountIdentity: listed.stdout().trim(),
    cni: "custom",
    nodePools: [{ name: "web", nodeSize: "small", minSize: 2 }],
  });
  expect(created.status, JSON.stringify(created.body)).toBe(200);
  const ofCluster = ({ metadata }: KubernetesObject) => metadata.labels?.[CLUSTER_ID] === created.body.identity;

  await waitForStep("the first object of the cluster", async () => {
    const all = await managementCluster().list("infrastructure.cluster.x-k8s.io/v1beta2", "DevMachineTemplate");
    namespace = all.find(ofCluster)?.metadata.namespace ?? "";
    return namespace !== "";
  });
  await killAndRestart();
  await waitForStep("the first machine", async () => (await list("Machine")).length > 0);
  await killAndRestart();
  await reach("started", ({ status, provisionStatus }) => status === "started" && provisionStatus === "DONE");
  const deployments = async () => await list("MachineDeployment");
  expect((await deployments()).map(({ spec }) => spec.replicas)).toEqual([2]);

  expect((await send("PATCH", TRIAL, { version: "v1.34.4-u-ame.2" })).status).toBe(200);
  const controlPlaneVersions = async () =>
    (await list("KubeadmControlPlane", "controlplane.cluster.x-k8s.io/v1beta2")).map(({ spec }) => spec.version);
  await waitForStep("the version of the control plane", async () => (await controlPlaneVersions()).includes("v1.34.4"));
  await killAndRestart();
  await waitForStep("the version of the node pool", async () =>
    (await deployments()).some(({ spec }) => spec.template.spec.version === "v1.34.4"),
  );
  await killAndRestart();
  await reach("upgraded", ({ conditions, generation }) =>
    conditions.every((each: Json) => each.status === "True" && each.observedGeneration === generation),
  );
  const versions = (await list("Machine")).map(({ spec }) => spec.version);
  expect(versions).toEqual(["v1.34.4", "v1.34.4", "v1.34.4"]);

  expect((await send("PATCH", TRIAL, { status: "deleting" })).status).toBe(200);
  await waitForStep("the deletion of the Cluster", async () =>
    (await list("Cluster")).every(({ metadata }) => metadata.deletionTimestamp !== undefined),
  );
  await killAndRestart();
  await waitFor("deleted", async () => (await send("GET", TRIAL)).status === 404, { limitSeconds: 300 });
  expect(await list("Cluster")).toEqual([]);
  const left = await remainingObjects(namespace);
  expect(left.filter((each) => !/^(ConfigMap\/kube-root-ca\.crt|ServiceAccount\/default)$/.test(each))).toEqual([]);
  server.signal("SIGTERM");
  expect(await server.exited).toBe(0);
});
