/** Control planes: those of kubeadm with machines, and Kamaji's, which are hosted. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { at, type Json, numberAt, set, textAt } from "../json.ts";
import { type Access, ownerOf, release } from "./access.ts";
import { conditionsFor, countMachines, desiredReplicas, isReady, replicaConditions } from "./conditions.ts";
import { CONTROL_PLANE, createMachine, isMadeOf } from "./machine.ts";

/** Content of a control plane's Secrets. */
export interface ClusterAccess {
  /** PEM. */
  certificate: string;
  key: string;
  /** Returns the kubeconfig of a workload cluster. */
  kubeconfig(namespace: string, cluster: string): string;
  /** Host and port of the API server of a workload cluster. */
  endpoint: { host: string; port: number };
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

function createSecret(
  access: Access,
  owner: KubernetesObject,
  cluster: string,
  name: string,
  data: Record<string, string>,
): void {
  const { namespace = "" } = owner.metadata;
  if (access.get("Secret", namespace, `${cluster}-${name}`) !== undefined) return;
  access.create({
    apiVersion: "v1",
    kind: "Secret",
    type: "cluster.x-k8s.io/secret",
    metadata: {
      name: `${cluster}-${name}`,
      namespace,
      labels: { "cluster.x-k8s.io/cluster-name": cluster },
      ownerReferences: [ownerOf(owner, true)],
    },
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
  });
}

/** Returns the cluster that owns a control plane. */
function clusterOf(access: Access, { metadata }: KubernetesObject): KubernetesObject | undefined {
  const owner = metadata.ownerReferences?.find(({ kind }) => kind === "Cluster");
  return owner === undefined ? undefined : access.get("Cluster", metadata.namespace, owner.name);
}

const isPaused = (cluster: KubernetesObject): boolean => at(cluster, "spec", "paused") === true;

/** Advances every KubeadmControlPlane by one step: at most one machine is made or deleted. */
export function tickKubeadmControlPlanes(access: Access, given: ClusterAccess): void {
  for (const plane of access.list("KubeadmControlPlane")) {
    const cluster = clusterOf(access, plane);
    if (cluster === undefined || isPaused(cluster)) continue;
    if (plane.metadata.deletionTimestamp !== undefined && access.owned("Machine", plane).length === 0) {
      release(access, plane);
      continue;
    }
    access.change(plane, ({ metadata }) => {
      if (metadata.deletionTimestamp === undefined) metadata.finalizers = ["kubeadm.controlplane.cluster.x-k8s.io"];
    });
    if (at(cluster, "status", "initialization", "infrastructureProvisioned") === true)
      makeSecrets(access, plane, cluster, given);
    if (at(cluster, "status", "initialization", "infrastructureProvisioned") === true)
      stepMachines(access, plane, cluster);
    reportPlane(access, plane);
  }
}

function makeSecrets(access: Access, owner: KubernetesObject, cluster: KubernetesObject, given: ClusterAccess): void {
  const { namespace = "", name } = cluster.metadata;
  const pair = { "tls.crt": given.certificate, "tls.key": given.key };
  const own = owner.kind === "KubeadmControlPlane" ? ["etcd", "proxy", "sa"] : [];
  for (const secret of ["ca", ...own]) createSecret(access, owner, name, secret, pair);
  if (textAt(cluster, "spec", "controlPlaneEndpoint", "host") === "") return;
  createSecret(access, owner, name, "kubeconfig", { value: given.kubeconfig(namespace, name) });
}

/** Content of which machines of a control plane are made. A change of it replaces them. */
const contentOf = (plane: KubernetesObject): string =>
  JSON.stringify([
    at(plane, "spec", "version"),
    at(plane, "spec", "machineTemplate", "spec", "infrastructureRef"),
    at(plane, "spec", "kubeadmConfigSpec"),
  ]);

function stepMachines(access: Access, plane: KubernetesObject, cluster: KubernetesObject): void {
  const machines = access.owned("Machine", plane);
  const content = contentOf(plane);
  const desired = desiredReplicas(plane);
  const outdated = machines.filter((machine) => !isMadeOf(machine, content));
  const isSettled = machines.every(isReady);
  const surge = outdated.length > 0 && desired > 0 ? 1 : 0;
  if (machines.length > desired + surge || (machines.length > desired && machines.length > 0 && isSettled)) {
    const [next] = [...outdated, ...machines].filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    // A control plane loses one machine at a time, so that etcd keeps its quorum.
    if (next !== undefined && !machines.some(({ metadata }) => metadata.deletionTimestamp !== undefined))
      access.delete(next);
  } else if (machines.length < desired + surge && isSettled) {
    const { name } = cluster.metadata;
    const labels = {
      ...(at(plane, "spec", "machineTemplate", "metadata", "labels") as Record<string, string> | undefined),
      "cluster.x-k8s.io/cluster-name": name,
      [CONTROL_PLANE]: "",
      "cluster.x-k8s.io/control-plane-name": plane.metadata.name,
    };
    const spec = {
      ...(at(plane, "spec", "machineTemplate", "spec") as Json),
      clusterName: name,
      version: at(plane, "spec", "version"),
    };
    createMachine(access, plane, spec, { labels, content });
  }
}

function reportPlane(access: Access, { metadata: { namespace, name } }: KubernetesObject): void {
  const plane = access.get("KubeadmControlPlane", namespace, name);
  if (plane === undefined) return;
  const machines = access.owned("Machine", plane);
  const counts = countMachines(machines, (machine) => isMadeOf(machine, contentOf(plane)));
  const isInitialized =
    at(plane, "status", "initialization", "controlPlaneInitialized") === true || machines.some(isReady);
  const isDeleting = plane.metadata.deletionTimestamp !== undefined;
  const isAvailable = isInitialized && counts.readyReplicas > 0 && !isDeleting;
  const [lowest] = counts.versions ?? [];
  access.report(plane, {
    ...counts,
    version: lowest?.version,
    ...(isInitialized ? { initialization: { controlPlaneInitialized: true } } : {}),
    observedGeneration: plane.metadata.generation,
    conditions: conditionsFor(access, plane, {
      Available: isAvailable
        ? [true, "Available"]
        : [
            false,
            "NotAvailable",
            isDeleting ? "* Control plane metadata.deletionTimestamp is set" : "Control plane not yet initialized",
          ],
      Initialized: isInitialized ? [true, "Initialized"] : [false, "NotInitialized"],
      ...replicaConditions(desiredReplicas(plane), counts, isDeleting),
    }),
  });
}

/** Advances every KamajiControlPlane: its pods run after one tick. */
export function tickKamajiControlPlanes(access: Access, given: ClusterAccess): void {
  for (const plane of access.list("KamajiControlPlane")) {
    const cluster = clusterOf(access, plane);
    if (cluster === undefined || isPaused(cluster) || plane.metadata.deletionTimestamp !== undefined) continue;
    access.change(plane, (object) => set(object, given.endpoint, "spec", "controlPlaneEndpoint"));
    makeSecrets(access, plane, cluster, given);
    const replicas = numberAt(plane, "spec", "replicas");
    access.report(plane, {
      ready: true,
      initialized: true,
      externalManagedControlPlane: true,
      initialization: { controlPlaneInitialized: true },
      version: textAt(plane, "spec", "version"),
      replicas,
      readyReplicas: replicas,
      availableReplicas: replicas,
      upToDateReplicas: replicas,
    });
  }
}
