/** Derives the observation of a cluster from its objects in the management cluster. Pure functions. */

import { oldestOf } from "../../cluster/rules/versions.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { isLive } from "../../node-pool/rules.ts";
import type { Observation, ObservedPool, Target } from "../provisioner.ts";
import { NODE_POOL_ID, VERSION } from "./labels.ts";
import {
  conditionOf,
  isStatusCurrent,
  type ObjectCondition,
  type ObservedCluster,
  type ObservedControlPlane,
  type ObservedDeployment,
  type ObservedMachineSet,
  type ObservedObjects,
} from "./observed-objects.ts";

/** Time without a response of a running cluster's API server after which the state is unknown, in milliseconds. */
const UNREACHABLE_AFTER_MS = 5 * 60_000;

/** Maximum length of a text of Cluster API in a condition, in characters. */
const MAX_MESSAGE_LENGTH = 400;

const sum = (
  deployments: readonly ObservedDeployment[],
  of: (each: ObservedDeployment) => number | undefined,
): number => deployments.reduce((total, each) => total + (of(each) ?? 0), 0);

/** Returns whether all machines of a control plane have its current version and template. */
function isRolledOut(controlPlane: ObservedControlPlane): boolean {
  const { spec, status } = controlPlane;
  const replicas = spec?.replicas ?? 0;
  return (
    isStatusCurrent(controlPlane) &&
    (status?.upToDateReplicas ?? 0) === replicas &&
    (status?.replicas ?? 0) === replicas
  );
}

/** Returns whether all machines of a MachineDeployment have its current version and template. */
function isDeploymentRolledOut(deployment: ObservedDeployment, machineSets: ObservedObjects["machineSets"]): boolean {
  const { replicas = 0, upToDateReplicas = 0 } = deployment.status ?? {};
  return isStatusCurrent(deployment) && upToDateReplicas === replicas && haveTemplate(deployment, machineSets ?? []);
}

/**
 * Returns whether all machines have the current template. `upToDateReplicas` is not enough: it follows a change of the template only after
 * some seconds.
 */
function haveTemplate({ metadata, spec }: ObservedDeployment, machineSets: readonly ObservedMachineSet[]): boolean {
  const present = templateOf(spec);
  return machineSets
    .filter((each) => each.metadata.labels?.[DEPLOYMENT_NAME] === metadata.name)
    .filter((each) => (each.spec?.replicas ?? 0) > 0 || (each.status?.replicas ?? 0) > 0)
    .every((each) => templateOf(each.spec) === present);
}

/** Label with which Cluster API marks the MachineSets of a MachineDeployment. */
const DEPLOYMENT_NAME = "cluster.x-k8s.io/deployment-name";

function templateOf(spec: ObservedMachineSet["spec"]): string {
  const { version, infrastructureRef, bootstrap } = spec?.template?.spec ?? {};
  return [version, infrastructureRef?.name, bootstrap?.configRef?.name].join(" ");
}

/**
 * Returns the version that the whole control plane runs. While machines are replaced, it is the former version, so that no node becomes
 * newer than the oldest API server.
 */
function versionOf({ cluster }: Target, controlPlane: ObservedControlPlane | undefined): string | undefined {
  if (controlPlane === undefined) return undefined;
  const present = controlPlane.metadata.annotations?.[VERSION];
  return isRolledOut(controlPlane) ? present : (cluster.runningVersion ?? present);
}

/** Returns the different versions of the parts of a pool. While the parts are changed one after the other, there are several. */
const versionsOf = (parts: readonly ObservedDeployment[]): string[] => [
  ...new Set(parts.flatMap(({ metadata }) => metadata.annotations?.[VERSION] ?? [])),
];

function observePool(
  pool: NodePool,
  { deployments, machineSets }: Pick<ObservedObjects, "deployments" | "machineSets">,
): ObservedPool | undefined {
  const own = deployments.filter(({ metadata }) => metadata.labels?.[NODE_POOL_ID] === pool.identity);
  if (own.length === 0) return undefined;
  const versions = versionsOf(own);
  const [present = ""] = versions;
  const isMixed = versions.length > 1;
  const isComplete = !isMixed && own.every((each) => isDeploymentRolledOut(each, machineSets));
  const available = sum(own, ({ status }) => status?.availableReplicas);
  const requested = sum(own, ({ spec }) => spec?.replicas);
  const nodes = sum(own, ({ status }) => status?.replicas);
  const hasFailed = own.some(({ status }) => status?.phase === "Failed");
  const isReady = isComplete && nodes === requested && available >= Math.min(requested, pool.minSize);
  return {
    identity: pool.identity,
    version: isComplete ? present : oldestOf(pool.runningVersion ?? present, ...(isMixed ? versions : [])),
    nodes,
    state: hasFailed ? "failed" : isReady ? "ready" : "pending",
  };
}

/** Observes a pool whose machines the customer provides. It is always ready, because this service does not know the machines. */
const observeOwnMachines = ({ identity, minSize }: NodePool, version: string): ObservedPool => ({
  identity,
  version,
  nodes: minSize,
  state: "ready",
});

const isInitialized = ({ status }: ObservedCluster): boolean =>
  status?.initialization?.infrastructureProvisioned === true && status.initialization.controlPlaneInitialized === true;

function powerOf(
  { cluster }: Target,
  { deployments, controlPlane }: ObservedObjects,
  isAvailable: boolean,
  arePoolsReady: boolean,
  isHosted: boolean,
): Observation["power"] {
  if (cluster.desiredStatus !== "starting") {
    const running = isHosted
      ? (controlPlane?.status?.readyReplicas ?? 0)
      : sum(deployments, ({ status }) => status?.replicas);
    const isScaledToZero = isHosted
      ? controlPlane?.spec?.replicas === 0
      : deployments.every(({ spec }) => spec?.replicas === 0);
    return isScaledToZero && running === 0 ? "stopped" : "stopping";
  }
  // A cluster that was started stays started while machines are replaced or fail.
  return cluster.status === "started" || (isAvailable && arePoolsReady) ? "started" : "starting";
}

/** Returns the reason and the message of a condition as one line of at most 400 characters. */
function conditionText({ reason, message }: ObjectCondition): string {
  const text = message === undefined || message === "" ? (reason ?? "") : `${reason}: ${message}`;
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > MAX_MESSAGE_LENGTH ? `${line.slice(0, MAX_MESSAGE_LENGTH).toWellFormed()}…` : line;
}

/** Returns the condition RemoteConnectionProbe if the management cluster has not reached the API server for too long. */
function lostConnection(cluster: ObservedCluster, collectedAt: string): ObjectCondition | undefined {
  const probe = conditionOf(cluster, "RemoteConnectionProbe");
  const since = Date.parse(probe?.lastTransitionTime ?? collectedAt);
  return probe?.status === "False" && Date.parse(collectedAt) - since > UNREACHABLE_AFTER_MS ? probe : undefined;
}

const HEALTH = [
  ["Paused", "paused"],
  ["Remediating", "remediating"],
  ["RollingOut", "upgrading"],
  ["ScalingUp", "scaling"],
  ["ScalingDown", "scaling"],
] as const;

/**
 * Returns the condition of a cluster's availability. Cluster API never reports a cluster without infrastructure as available, so the
 * condition of its control plane counts.
 */
const availabilityOf = (cluster: ObservedCluster, isHosted: boolean): ObjectCondition | undefined =>
  conditionOf(cluster, isHosted ? "ControlPlaneAvailable" : "Available");

function healthOf(cluster: ObservedCluster, isHosted: boolean): string | undefined {
  if (cluster.metadata.deletionTimestamp !== undefined) return "deleting";
  const busy = HEALTH.find(([type]) => conditionOf(cluster, type)?.status === "True");
  const available = availabilityOf(cluster, isHosted)?.status;
  return busy?.[1] ?? (available === "True" ? "available" : available === "False" ? "degraded" : undefined);
}

/**
 * Builds the observation.
 *
 * @param target cluster as stored; a phase that it has reached is kept
 * @param isHosted true if the control plane runs in the management cluster, and the customer provides the machines
 * @param collectedAt RFC 3339
 */
export function observationOf(
  target: Target,
  objects: ObservedObjects,
  isHosted: boolean,
  collectedAt: string,
): Observation {
  const { cluster, controlPlane, certificateAuthority } = objects;
  const available = availabilityOf(cluster, isHosted);
  const isAvailable = available?.status === "True";
  const wasDone = target.cluster.furthestPhase === "DONE";
  const version = versionOf(target, controlPlane);
  const live = target.nodePools.filter(isLive);
  const nodePools = isHosted
    ? live.map((pool) => observeOwnMachines(pool, version ?? target.cluster.version))
    : target.nodePools.flatMap((pool) => observePool(pool, objects) ?? []);
  const ready = new Set(nodePools.filter(({ state }) => state === "ready").map(({ identity }) => identity));
  const arePoolsReady = live.every(({ identity }) => ready.has(identity));
  const isUp = isInitialized(cluster);
  const phase = !isUp
    ? undefined
    : wasDone || (isAvailable && arePoolsReady)
      ? "DONE"
      : arePoolsReady
        ? "INITIAL_NODE_POOLS_PROVISIONED"
        : "CLUSTER_PROVISIONED";
  const { host, port } = cluster.spec?.controlPlaneEndpoint ?? {};
  const hasEndpoint = host !== undefined && host !== "" && port !== undefined && port !== 0;
  const health = wasDone || phase === "DONE" ? healthOf(cluster, isHosted) : undefined;
  const lost =
    phase === "DONE" && target.cluster.desiredStatus === "starting" ? lostConnection(cluster, collectedAt) : undefined;
  const deleting = cluster.metadata.deletionTimestamp === undefined ? undefined : conditionOf(cluster, "Deleting");
  const reported = lost ?? deleting ?? (available?.status === "True" ? undefined : available);
  return {
    collectedAt,
    phase,
    power: powerOf(target, objects, isAvailable, arePoolsReady, isHosted),
    version: isUp ? version : undefined,
    endpoint: hasEndpoint ? `https://${host.includes(":") ? `[${host}]` : host}:${port}` : undefined,
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    ...(health === undefined ? {} : { health }),
    ...(lost === undefined ? {} : { isUnreachable: true }),
    ...(isHosted && wasDone && (controlPlane?.status?.readyReplicas ?? 0) === 0 ? { isAsleep: true } : {}),
    ...(reported === undefined ? {} : { message: conditionText(reported) }),
    nodePools,
  };
}
