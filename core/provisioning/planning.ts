/** Next status, phase and pool status of a cluster, from its requested configuration and the observation. Pure rules. */

import type { Cluster } from "../cluster/entity.ts";
import type { ClusterStatus } from "../cluster/rules/transitions.ts";
import { canFollow } from "../cluster/rules/transitions.ts";
import { provisionStatuses } from "../cluster/schema.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { observedPool } from "./plan.ts";
import { builtPhases, type Observation, type ObservedPool } from "./provisioner.ts";

type ProvisionStatus = (typeof provisionStatuses)[number];

/** Statuses of a starting cluster, in their order. */
const UPWARD: readonly ClusterStatus[] = ["new", "provisioning", "provisioned", "starting", "started"];
const DOWNWARD: readonly ClusterStatus[] = ["stopping", "stopped"];

/** Returns the status that an observation shows. @param desired last requested status */
export function observedStatus(observation: Observation | undefined, desired: Cluster["desiredStatus"]): ClusterStatus {
  if (desired === "deleting") return observation === undefined ? "deleted" : "deleting";
  if (desired === "stopping") {
    if (observation?.phase !== "DONE") return "unknown";
    return observation.power === "stopped" ? "stopped" : "stopping";
  }
  if (observation === undefined) return "new";
  if (observation.phase === undefined) return "provisioning";
  if (observation.phase === "CLUSTER_PROVISIONED") return "provisioned";
  return observation.phase === "DONE" && observation.power === "started" ? "started" : "starting";
}

/**
 * Returns the next status on the way to the observed one: at most one transition of the state machine. A cluster that went back
 * in a way that no transition allows becomes unknown first.
 */
export function nextStatus({ status, desiredStatus }: Cluster, observation: Observation | undefined): ClusterStatus {
  const target = observedStatus(observation, desiredStatus);
  if (target === status) return status;
  // The status is recorded before the plan is sent, which may have failed.
  if (target === "new" && status === "provisioning") return status;
  if (status === "unknown") return canFollow(status, target, desiredStatus) ? target : status;
  const path = desiredStatus === "stopping" ? DOWNWARD : desiredStatus === "starting" ? UPWARD : [];
  const [from, to] = [path.indexOf(status), path.indexOf(target)];
  const next = from >= 0 && to > from ? path[from + 1] : undefined;
  if (next !== undefined && canFollow(status, next, desiredStatus)) return next;
  // A stopped cluster that starts is never less than built: its start shows as that until it serves.
  if (desiredStatus === "deleting") return canFollow(status, target, desiredStatus) ? target : status;
  return canFollow(status, "unknown", desiredStatus) ? "unknown" : status;
}

/**
 * Returns the next phase to record: at most one further than the present one. An earlier phase is only recorded after UNKNOWN.
 *
 * @param step observation, and whether the prerequisites are satisfied
 */
export function nextPhase(
  cluster: Cluster,
  status: ClusterStatus,
  { observation, isPrepared }: { observation: Observation | undefined; isPrepared: boolean },
): ProvisionStatus {
  if (status === "unknown") return "UNKNOWN";
  if (cluster.desiredStatus === "deleting") return cluster.provisionStatus;
  const built = observation?.phase === undefined ? -1 : builtPhases.indexOf(observation.phase);
  const least = provisionStatuses.indexOf(isPrepared ? "OIDC_PROVISIONED" : "ACCEPTED");
  const reached = built < 0 ? least : built + provisionStatuses.indexOf("CLUSTER_PROVISIONED");
  if (cluster.provisionStatus === "UNKNOWN") return provisionStatuses[reached] ?? cluster.provisionStatus;
  const from = provisionStatuses.indexOf(cluster.provisionStatus);
  return (reached > from ? provisionStatuses[from + 1] : undefined) ?? cluster.provisionStatus;
}

/**
 * Returns the next status of a pool; undefined if it was being deleted and no longer exists.
 *
 * @param isCurrent true if the observation was made after the whole requested configuration was applied: only then a pool is done
 */
export function nextPoolStatus(
  cluster: Cluster,
  pool: NodePool,
  observation: Observation | undefined,
  isCurrent: boolean,
): NodePool["provisionStatus"] | undefined {
  const observed = observedPool(observation, pool);
  if (pool.provisionStatus === "DELETING") return observed === undefined ? undefined : "DELETING";
  // The nodes of a stopped cluster do not run, so the observation shows nothing about its pools.
  if (cluster.desiredStatus !== "starting" || observation === undefined) return pool.provisionStatus;
  if (observed === undefined) return pool.provisionStatus;
  if (observed.state === "failed") return "FAILED";
  if (!matchesPlan(cluster, pool, observed)) return "PROVISIONING";
  return isCurrent ? "DONE" : pool.provisionStatus;
}

const matchesPlan = (cluster: Cluster, pool: NodePool, { state, version, nodes }: ObservedPool): boolean =>
  state === "ready" && version === cluster.version && nodes >= pool.minSize && nodes <= pool.maxSize;

/** Returns true if the cluster has its requested configuration, so that no further step is needed. */
export function isConverged(
  cluster: Cluster,
  pools: readonly NodePool[],
  observation: Observation | undefined,
): boolean {
  if (pools.some(({ provisionStatus }) => provisionStatus === "DELETING")) return false;
  if (cluster.desiredStatus === "stopping") return cluster.status === "stopped";
  if (cluster.desiredStatus === "deleting") return false;
  return (
    cluster.status === "started" &&
    cluster.provisionStatus === "DONE" &&
    observation?.version === cluster.version &&
    pools.every(({ provisionStatus }) => provisionStatus === "DONE")
  );
}
