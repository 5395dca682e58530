/** The management cluster that the tests share. Each test has a namespace of its own in it. */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inject } from "vitest";
import { parseAllDocuments } from "yaml";
import { ApiServer, type KubernetesObject, reference } from "./api-server.ts";

/** Time within which the clusters of a machine with two busy cores reach a state, in seconds. */
const WAIT_LIMIT_S = 180;
const POLL_MS = 500;

/** Path of the kubeconfig of the management cluster, whose user may do everything. */
export const kubeconfigPath = (): string => inject("managementCluster").kubeconfig;

let connection: ApiServer | undefined;

/** Returns the management cluster. */
export function managementCluster(): ApiServer {
  connection ??= new ApiServer(readFileSync(kubeconfigPath(), "utf8"));
  return connection;
}

/**
 * Waits until a probe has a result.
 *
 * @param condition named in the error, such as "cluster a is deleted"
 * @param probe returns undefined or false if it has to be called again. It is also called again if it throws, because an API server that
 * is restarted refuses connections
 * @param limitSeconds time after which it fails
 * @returns the probe's result
 * @throws Error with the last error of the probe, or the last value of `describe`
 */
export async function waitFor<T>(
  condition: string,
  probe: () => Promise<T | undefined | false>,
  { limitSeconds = WAIT_LIMIT_S, describe }: { limitSeconds?: number; describe?: () => Promise<unknown> } = {},
): Promise<T> {
  const deadline = Date.now() + limitSeconds * 1000;
  let last: unknown;
  do {
    try {
      const result = await probe();
      if (result !== undefined && result !== false) return result;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await sleep(POLL_MS);
  } while (Date.now() < deadline);
  const state = describe && !last ? JSON.stringify(await describe(), null, 1) : "";
  throw new Error(`not within ${limitSeconds} s: ${condition}${state && `\n${state}`}`, { cause: last });
}

/** Returns the status of a condition, `"True"`, `"False"` or `"Unknown"`, or undefined if the object has none of this type. */
export const conditionOf = (object: KubernetesObject | undefined, type: string): string | undefined =>
  object?.status?.conditions?.find((each: { type: string }) => each.type === type)?.status;

/** Returns a reference to a Cluster. */
export const clusterReference = (namespace: string, name: string) =>
  reference("cluster.x-k8s.io/v1beta2", "Cluster", namespace, name);

/**
 * Waits until a Cluster is available.
 *
 * @throws Error with the Cluster's conditions if it is not within the limit
 */
export function waitUntilAvailable(namespace: string, name: string, limitSeconds?: number): Promise<KubernetesObject> {
  const find = () => managementCluster().get(clusterReference(namespace, name));
  return waitFor(
    `Cluster ${name} is available`,
    async () => {
      const cluster = await find();
      return conditionOf(cluster, "Available") === "True" && cluster;
    },
    {
      ...(limitSeconds === undefined ? {} : { limitSeconds }),
      describe: async () => (await find())?.status?.conditions,
    },
  );
}

/** Creates a namespace with a new name. @returns its name */
export async function createNamespace(prefix = "test"): Promise<string> {
  const name = `${prefix}-${randomUUID().slice(0, 8)}`;
  await managementCluster().applyAll([reference("v1", "Namespace", undefined, name)]);
  return name;
}

/** Reads manifests of `test/cluster-api/manifests` and puts them into a namespace. @param name of the file, without ending */
export function readManifests(name: string, namespace: string): KubernetesObject[] {
  const text = readFileSync(join(import.meta.dirname, `manifests/${name}.yaml`), "utf8");
  return parseAllDocuments(text).map((document) => {
    const object = document.toJS() as KubernetesObject;
    return { ...object, metadata: { ...object.metadata, namespace } };
  });
}

/**
 * Connects to the API server of a workload cluster with the kubeconfig in its Secret.
 *
 * @throws Error if the management cluster has no such Secret
 */
export async function workloadCluster(namespace: string, cluster: string): Promise<ApiServer> {
  const secret = await managementCluster().get(reference("v1", "Secret", namespace, `${cluster}-kubeconfig`));
  if (!secret) throw new Error(`there is no Secret ${cluster}-kubeconfig in ${namespace}`);
  return new ApiServer(Buffer.from(secret.data.value, "base64").toString());
}

/**
 * Sets the condition Ready of a node to False. The in-memory provider does not correct it, so only a MachineHealthCheck has an effect.
 *
 * @param workload API server of the node's cluster
 */
export async function markNotReady(workload: ApiServer, node: string): Promise<void> {
  const of = reference("v1", "Node", undefined, node);
  const current = await workload.get(of);
  const others = (current?.status?.conditions ?? []).filter((each: { type: string }) => each.type !== "Ready");
  const ready = {
    type: "Ready",
    status: "False",
    reason: "Test",
    message: "The test made the node sick.",
    lastTransitionTime: new Date().toISOString().replace(/\.\d+/, ""),
  };
  await workload.patch(of, { status: { conditions: [...others, ready] } });
}

/**
 * Lists the objects in a namespace of the management cluster, of all kinds but Event.
 *
 * @returns kind and name of each, such as `Secret/a`, in order
 */
export async function remainingObjects(namespace: string): Promise<string[]> {
  const server = managementCluster();
  const { body } = await server.request("GET", "/apis");
  const versions: string[] = [
    "v1",
    ...body.groups.map((group: { preferredVersion: { groupVersion: string } }) => group.preferredVersion.groupVersion),
  ];
  const found = await Promise.all(
    versions.map(async (version) => {
      const resources = await server.resources(version);
      const kinds = resources
        .filter(({ namespaced, verbs, kind }) => namespaced && verbs.includes("list") && kind !== "Event")
        .map(({ kind }) => kind);
      const objects = await Promise.all(
        kinds.map(async (kind) => {
          const items = await server.list(version, kind, namespace);
          return items.map(({ metadata }) => `${kind}/${metadata.name}`);
        }),
      );
      return objects.flat();
    }),
  );
  return found.flat().sort();
}

/** Kills the API server of the management cluster and waits until it does not answer. The lab starts it again five seconds later. */
export async function killApiServer(): Promise<void> {
  process.kill(inject("managementCluster").pid, "SIGUSR1");
  const isDown = () =>
    managementCluster()
      .request("GET", "/readyz")
      .then(
        () => false,
        () => true,
      );
  const deadline = Date.now() + 10_000;
  while (!(await isDown())) {
    if (Date.now() > deadline) throw new Error("the API server still answers 10 s after SIGUSR1");
    await sleep(20);
  }
}

/** Waits until the API server of the management cluster is ready. */
export const waitForApiServer = () =>
  waitFor("the API server is ready", async () => {
    const { status } = await managementCluster().request("GET", "/readyz");
    return status === 200;
  });

/** Kills the API server of the management cluster and waits until it is ready again. */
export async function restartApiServer(): Promise<void> {
  await killApiServer();
  await waitForApiServer();
}
