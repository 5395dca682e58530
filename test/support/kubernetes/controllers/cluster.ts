/** Clusters: infrastructure, ownership, status and the order of a deletion. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { at, type Json, numberAt, set, textAt } from "../json.ts";
import { hasOlderContract } from "../kinds.ts";
import { type Access, adopt, infrastructureClusterKinds, release } from "./access.ts";
import { type ConditionState, conditionsFor, isTrue, messageOf } from "./conditions.ts";

/** Advances the clusters of providers: an endpoint and readiness after one tick, with the owner that the Cluster sets. */
export function tickInfrastructure(access: Access, endpoint: { host: string; port: number }): void {
  for (const object of infrastructureClusterKinds.flatMap((kind) => access.list(kind))) {
    const { kind, metadata } = object;
    if (metadata.deletionTimestamp !== undefined) {
      release(access, object);
    } else if (metadata.ownerReferences?.some((owner) => owner.kind === "Cluster")) {
      adopt(access, object, { finalizer: `${kind.toLowerCase()}.infrastructure.cluster.x-k8s.io` });
      if (textAt(object, "spec", "controlPlaneEndpoint", "host") === "") {
        access.change(object, (each) => set(each, endpoint, "spec", "controlPlaneEndpoint"));
      }
      access.report(object, hasOlderContract(kind) ? { ready: true } : { initialization: { provisioned: true } });
    }
  }
}

/** Returns the object that a Cluster refers to. */
function referred(access: Access, cluster: KubernetesObject, name: string): KubernetesObject | undefined {
  const kind = textAt(cluster, "spec", name, "kind");
  return kind === "" ? undefined : access.get(kind, cluster.metadata.namespace, textAt(cluster, "spec", name, "name"));
}

const isProvisioned = (object: KubernetesObject | undefined): boolean =>
  at(object, "status", "ready") === true || at(object, "status", "initialization", "provisioned") === true;

/** Lists objects of a cluster by the name of the cluster in their spec. */
const ofCluster = (access: Access, kind: string, { metadata }: KubernetesObject): KubernetesObject[] =>
  access.store
    .all()
    .filter(({ resource, object }) => resource.kind === kind && object.metadata.namespace === metadata.namespace)
    .filter(({ object }) => textAt(object, "spec", "clusterName") === metadata.name)
    .map(({ object }) => ({ ...object, kind }));

/** Advances every Cluster by one step. */
export function tickClusters(access: Access): void {
  for (const cluster of access.list("Cluster")) {
    if (at(cluster, "spec", "paused") === true) {
      access.report(cluster, { conditions: conditionsFor(access, cluster, { Paused: [true, "Paused"] }) });
      continue;
    }
    const deletion = cluster.metadata.deletionTimestamp === undefined ? undefined : stepDeletion(access, cluster);
    if (deletion?.isDone === true) {
      release(access, cluster);
      continue;
    }
    if (deletion === undefined) own(access, cluster);
    reportCluster(access, cluster, deletion?.state);
  }
}

function own(access: Access, cluster: KubernetesObject): void {
  const { name } = cluster.metadata;
  adopt(access, cluster, { finalizer: "cluster.cluster.x-k8s.io" });
  const infrastructure = referred(access, cluster, "infrastructureRef");
  const plane = referred(access, cluster, "controlPlaneRef");
  for (const object of [infrastructure, plane])
    if (object !== undefined) adopt(access, object, { owner: cluster, cluster: name });
  if (plane !== undefined)
    adoptTemplate(access, cluster, at(plane, "spec", "machineTemplate", "spec", "infrastructureRef"));
  for (const deployment of ofCluster(access, "MachineDeployment", cluster)) {
    adoptTemplate(access, cluster, at(deployment, "spec", "template", "spec", "infrastructureRef"));
    adoptTemplate(access, cluster, at(deployment, "spec", "template", "spec", "bootstrap", "configRef"));
  }
  for (const check of ofCluster(access, "MachineHealthCheck", cluster))
    adopt(access, check, { owner: cluster, cluster: name });
  const endpoint = at(infrastructure ?? plane, "spec", "controlPlaneEndpoint");
  if (endpoint !== undefined && at(cluster, "spec", "controlPlaneEndpoint") === undefined) {
    access.change(cluster, (object) => set(object, endpoint, "spec", "controlPlaneEndpoint"));
  }
}

function adoptTemplate(access: Access, cluster: KubernetesObject, reference: unknown): void {
  const kind = textAt(reference, "kind");
  const template = kind === "" ? undefined : access.get(kind, cluster.metadata.namespace, textAt(reference, "name"));
  if (template !== undefined) adopt(access, template, { owner: cluster });
}

/** Deletes the parts of a cluster: pools, then the control plane, then the infrastructure. */
function stepDeletion(access: Access, cluster: KubernetesObject): { isDone: boolean; state: ConditionState } {
  const workers = [...ofCluster(access, "MachineDeployment", cluster), ...ofCluster(access, "MachineSet", cluster)];
  for (const deployment of workers) if (deployment.kind === "MachineDeployment") access.delete(deployment);
  if (workers.length > 0) {
    const names = workers.map(({ kind, metadata }) => `* ${kind}s: ${metadata.name}`).join("\n");
    return { isDone: false, state: [true, "WaitingForWorkersDeletion", names] };
  }
  for (const [reference, reason] of [
    ["controlPlaneRef", "WaitingForControlPlaneDeletion"],
    ["infrastructureRef", "WaitingForInfrastructureDeletion"],
  ] as const) {
    const object = referred(access, cluster, reference);
    if (object === undefined) continue;
    access.delete(object);
    return { isDone: false, state: [true, reason, `Waiting for ${object.kind} to be deleted`] };
  }
  return { isDone: true, state: [true, "DeletionCompleted", "Deletion completed"] };
}

function sumOf(objects: readonly KubernetesObject[]): Json {
  if (objects.length === 0) return {};
  const sum = (name: string) => objects.reduce((total, object) => total + numberAt(object, "status", name), 0);
  const counts = ["replicas", "readyReplicas", "availableReplicas", "upToDateReplicas"].map((name) => [
    name,
    sum(name),
  ]);
  const versions = new Map<string, number>();
  for (const object of objects) {
    for (const { version, replicas } of (at(object, "status", "versions") ?? []) as {
      version: string;
      replicas: number;
    }[]) {
      versions.set(version, (versions.get(version) ?? 0) + replicas);
    }
  }
  const desired = objects.reduce((total, object) => total + numberAt(object, "spec", "replicas"), 0);
  return {
    desiredReplicas: desired,
    ...Object.fromEntries(counts),
    ...(versions.size === 0
      ? {}
      : { versions: [...versions].sort().map(([version, replicas]) => ({ version, replicas })) }),
  };
}

function reportCluster(access: Access, { metadata }: KubernetesObject, deleting: ConditionState | undefined): void {
  const cluster = access.get("Cluster", metadata.namespace, metadata.name);
  if (cluster === undefined) return;
  const plane = referred(access, cluster, "controlPlaneRef");
  const infrastructure = referred(access, cluster, "infrastructureRef");
  const isHosted = at(cluster, "spec", "infrastructureRef") === undefined;
  const pools = ofCluster(access, "MachineDeployment", cluster);
  const before = (at(cluster, "status", "initialization") ?? {}) as Json;
  const infrastructureProvisioned =
    before.infrastructureProvisioned === true || isHosted || isProvisioned(infrastructure);
  const controlPlaneInitialized =
    before.controlPlaneInitialized === true ||
    at(plane, "status", "initialization", "controlPlaneInitialized") === true;
  const isPlaneAvailable = isHosted ? numberAt(plane, "status", "readyReplicas") > 0 : isTrue(plane, "Available");
  const unavailable = pools.filter((pool) => !isTrue(pool, "Available"));
  const problems = [
    ...(deleting === undefined ? [] : [`* Deleting: ${deleting[2] ?? ""}`]),
    ...(isPlaneAvailable ? [] : [`* ControlPlaneAvailable: ${messageOf(plane, "Available") || "not yet initialized"}`]),
    ...unavailable.map(
      (pool) => `* WorkersAvailable:\n  * MachineDeployment ${pool.metadata.name}: ${messageOf(pool, "Available")}`,
    ),
  ];
  const any = (type: string) => [plane, ...pools].some((object) => isTrue(object, type));
  access.report(cluster, {
    observedGeneration: cluster.metadata.generation,
    phase: deleting !== undefined ? "Deleting" : infrastructureProvisioned ? "Provisioned" : "Provisioning",
    initialization: {
      ...(infrastructureProvisioned ? { infrastructureProvisioned } : {}),
      ...(controlPlaneInitialized ? { controlPlaneInitialized } : {}),
    },
    controlPlane: sumOf(plane === undefined ? [] : [plane]),
    workers: sumOf(pools),
    conditions: conditionsFor(access, cluster, {
      Available: availability(problems, isHosted),
      RemoteConnectionProbe: controlPlaneInitialized
        ? [true, "ProbeSucceeded"]
        : [false, "ProbeFailed", "Remote connection not established yet"],
      InfrastructureReady: isHosted
        ? ["Unknown", "InternalError", "Please check controller logs for errors"]
        : infrastructureProvisioned
          ? [true, "Ready"]
          : [false, "NotReady"],
      ControlPlaneInitialized: controlPlaneInitialized ? [true, "Initialized"] : [false, "NotInitialized"],
      ControlPlaneAvailable: isPlaneAvailable
        ? [true, "Available"]
        : [false, "NotAvailable", messageOf(plane, "Available")],
      WorkersAvailable:
        pools.length === 0
          ? [true, "NoWorkers"]
          : unavailable.length === 0
            ? [true, "Available"]
            : [false, "NotAvailable"],
      RollingOut: any("RollingOut") ? [true, "RollingOut"] : [false, "NotRollingOut"],
      Remediating: [false, "NotRemediating"],
      ScalingUp: any("ScalingUp") ? [true, "ScalingUp"] : [false, "NotScalingUp"],
      ScalingDown: any("ScalingDown") ? [true, "ScalingDown"] : [false, "NotScalingDown"],
      Paused: [false, "NotPaused"],
      Deleting: deleting ?? [false, "NotDeleting"],
    }),
  });
}

/** A cluster without infrastructure never becomes available in Cluster API 1.14: its condition InfrastructureReady stays Unknown. */
function availability(problems: readonly string[], isHosted: boolean): ConditionState {
  if (problems.length > 0) return [false, "NotAvailable", problems.join("\n")];
  return isHosted
    ? ["Unknown", "AvailableUnknown", "* InfrastructureReady: Please check controller logs for errors"]
    : [true, "Available"];
}
