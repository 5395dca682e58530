/** MachineDeployments with their MachineSets: scaling and rolling updates. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { at, type Json, numberAt, set, textAt } from "../json.ts";
import { type Access, adopt, ownerOf, release } from "./access.ts";
import { conditionsFor, countMachines, desiredReplicas, isReady, replicaConditions } from "./conditions.ts";
import { createMachine, isMadeOf } from "./machine.ts";

const DEPLOYMENT_NAME = "cluster.x-k8s.io/deployment-name";

/** Content of which machines of a template are made. Changes of other properties of the template are made in place. */
function contentOf(object: KubernetesObject | undefined): string {
  const spec = (at(object, "spec", "template", "spec") ?? {}) as Json;
  const { deletion: _, taints: __, minReadySeconds: ___, ...rest } = spec;
  return JSON.stringify(Object.fromEntries(Object.entries(rest).sort(([one], [other]) => (one < other ? -1 : 1))));
}

const clusterNameOf = (object: KubernetesObject): string => textAt(object, "spec", "clusterName");

/** Advances every MachineDeployment by one step. */
export function tickMachineDeployments(access: Access): void {
  for (const deployment of access.list("MachineDeployment")) {
    const cluster = access.get("Cluster", deployment.metadata.namespace, clusterNameOf(deployment));
    if (cluster === undefined || at(cluster, "spec", "paused") === true) continue;
    if (deployment.metadata.deletionTimestamp === undefined) {
      const name = cluster.metadata.name;
      adopt(access, deployment, { finalizer: "cluster.x-k8s.io/machinedeployment", owner: cluster, cluster: name });
      stepSets(access, deployment);
    } else {
      const sets = access.owned("MachineSet", deployment);
      for (const each of sets) access.delete(each);
      if (sets.length === 0) {
        release(access, deployment);
        continue;
      }
    }
    reportDeployment(access, deployment);
  }
}

function stepSets(access: Access, deployment: KubernetesObject): void {
  const content = contentOf(deployment);
  const sets = access.owned("MachineSet", deployment);
  const current = sets.find((each) => contentOf(each) === content);
  if (current === undefined) {
    createSet(access, deployment);
    return;
  }
  access.change(current, (object) =>
    set(
      object,
      at(deployment, "spec", "template", "metadata", "annotations"),
      "spec",
      "template",
      "metadata",
      "annotations",
    ),
  );
  const desired = desiredReplicas(deployment);
  const outdated = sets.filter((each) => each !== current);
  const machines = sets.flatMap((each) => access.owned("Machine", each));
  const { surge, unavailable } = limitsOf(deployment, desired);

  const free = desired + surge - machines.length;
  const wanted =
    outdated.length === 0 ? desired : Math.min(desired, numberAt(current, "spec", "replicas") + Math.max(0, free));
  access.change(current, (object) => set(object, wanted, "spec", "replicas"));
  let removable = machines.filter(isReady).length - (desired - unavailable);
  for (const each of outdated) {
    const replicas = numberAt(each, "spec", "replicas");
    const waiting = access
      .owned("Machine", each)
      .filter((machine) => machine.metadata.deletionTimestamp === undefined && !isReady(machine)).length;
    const removed = Math.min(replicas, Math.max(0, removable) + waiting);
    removable -= removed;
    access.change(each, (object) => set(object, replicas - removed, "spec", "replicas"));
    if (replicas === 0 && access.owned("Machine", each).length === 0) access.delete(each);
  }
}

function limitsOf(deployment: KubernetesObject, desired: number): { surge: number; unavailable: number } {
  const limit = (name: string, byDefault: number) => {
    const value = at(deployment, "spec", "rollout", "strategy", "rollingUpdate", name) ?? byDefault;
    return typeof value === "string" ? Math.ceil((Number.parseInt(value, 10) / 100) * desired) : Number(value);
  };
  return { surge: limit("maxSurge", 1), unavailable: limit("maxUnavailable", 0) };
}

function createSet(access: Access, deployment: KubernetesObject): void {
  const { namespace = "", name } = deployment.metadata;
  const template = structuredClone(at(deployment, "spec", "template")) as Json;
  const labels = {
    ...(at(template, "metadata", "labels") as Record<string, string> | undefined),
    "cluster.x-k8s.io/cluster-name": clusterNameOf(deployment),
    [DEPLOYMENT_NAME]: name,
  };
  access.create({
    apiVersion: "",
    kind: "MachineSet",
    metadata: {
      name: `${name}-${access.suffix()}`,
      namespace,
      labels,
      finalizers: ["cluster.x-k8s.io/machineset"],
      ownerReferences: [ownerOf(deployment, true)],
    },
    spec: { clusterName: clusterNameOf(deployment), replicas: 0, selector: { matchLabels: labels }, template },
  });
}

/** Advances every MachineSet: makes all missing machines, and deletes all superfluous ones. */
export function tickMachineSets(access: Access): void {
  for (const each of access.list("MachineSet")) {
    const cluster = access.get("Cluster", each.metadata.namespace, clusterNameOf(each));
    if (cluster === undefined || at(cluster, "spec", "paused") === true) continue;
    const machines = access.owned("Machine", each);
    const living = machines.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    const desired = desiredReplicas(each);
    if (each.metadata.deletionTimestamp !== undefined && machines.length === 0) {
      release(access, each);
      continue;
    }
    const excess = living.toSorted((one, other) => Number(isReady(one)) - Number(isReady(other)));
    for (const machine of excess.slice(0, Math.max(0, living.length - desired))) access.delete(machine);
    if (mayCreate(access, cluster)) {
      const spec = structuredClone(at(each, "spec", "template", "spec")) as Json;
      const labels = {
        ...(at(each, "spec", "template", "metadata", "labels") as Record<string, string> | undefined),
        ...each.metadata.labels,
        "cluster.x-k8s.io/set-name": each.metadata.name,
      };
      for (let count = machines.length; count < desired; count += 1) {
        createMachine(access, each, spec, { labels, content: contentOf(each) });
      }
    }
    reportSet(access, each);
  }
}

/** Returns whether the preflight checks pass: the control plane is initialized and does not change its version. */
function mayCreate(access: Access, cluster: KubernetesObject): boolean {
  if (at(cluster, "status", "initialization", "controlPlaneInitialized") !== true) return false;
  const name = textAt(cluster, "spec", "controlPlaneRef", "name");
  const plane = access.get("KubeadmControlPlane", cluster.metadata.namespace, name);
  const versions = (at(plane, "status", "versions") ?? []) as Json[];
  return versions.every(({ version }) => version === at(plane, "spec", "version"));
}

function reportSet(access: Access, { metadata: { namespace, name } }: KubernetesObject): void {
  const each = access.get("MachineSet", namespace, name);
  if (each === undefined) return;
  const counts = countMachines(access.owned("Machine", each), (machine) => isMadeOf(machine, contentOf(each)));
  access.report(each, {
    ...counts,
    observedGeneration: each.metadata.generation,
    conditions: conditionsFor(
      access,
      each,
      replicaConditions(desiredReplicas(each), counts, each.metadata.deletionTimestamp !== undefined),
    ),
  });
}

function reportDeployment(access: Access, { metadata: { namespace, name } }: KubernetesObject): void {
  const deployment = access.get("MachineDeployment", namespace, name);
  if (deployment === undefined) return;
  const machines = access.owned("MachineSet", deployment).flatMap((each) => access.owned("Machine", each));
  const counts = countMachines(machines, (machine) => isMadeOf(machine, contentOf(deployment)));
  const desired = desiredReplicas(deployment);
  const isDeleting = deployment.metadata.deletionTimestamp !== undefined;
  const needed = desired - limitsOf(deployment, desired).unavailable;
  const conditions = replicaConditions(desired, counts, isDeleting);
  access.report(deployment, {
    ...counts,
    observedGeneration: deployment.metadata.generation,
    phase: counts.replicas < desired ? "ScalingUp" : counts.replicas > desired ? "ScalingDown" : "Running",
    conditions: conditionsFor(access, deployment, {
      Available:
        counts.availableReplicas >= needed
          ? [true, "Available"]
          : [false, "NotAvailable", `${counts.availableReplicas} available replicas, at least ${needed} required`],
      ...conditions,
    }),
  });
}
