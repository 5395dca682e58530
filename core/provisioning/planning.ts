/** What is to be written of a cluster. Pure rules over what is asked and what is seen. */

import type { Cluster } from "../cluster/entity.ts";
import type { ClusterStatus } from "../cluster/rules/transitions.ts";
import { canFollow } from "../cluster/rules/transitions.ts";
import { provisionStatuses } from "../cluster/schema.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { observedPool } from "./plan.ts";
import { builtPhases, type Observation, type ObservedPool } from "./provisioner.ts";

type ProvisionStatus = (typeof provisionStatuses)[number];

/** The states of a cluster that comes up, in the order it goes through them. */
const UPWARD: readonly ClusterStatus[] = ["new", "provisioning", "provisioned", "starting", "started"];
const DOWNWARD: readonly ClusterStatus[] = ["stopping", "stopped"];

/** The state that what is seen amounts to, in the words of the contract. @param desired what was last asked for */
export function observedStatus(seen: Observation | undefined, desired: Cluster["desiredStatus"]): ClusterStatus {
  if (desired === "deleting") return seen === undefined ? "deleted" : "deleting";
  if (desired === "stopping") {
    if (seen?.phase !== "DONE") return "unknown";
    return seen.power === "stopped" ? "stopped" : "stopping";
  }
  if (seen === undefined) return "new";
  if (seen.phase === undefined) return "provisioning";
  if (seen.phase === "CLUSTER_PROVISIONED") return "provisioned";
  return seen.phase === "DONE" && seen.power === "started" ? "started" : "starting";
}

/**
 * The next state to record on the way to what is seen: one transition of the state machine. What went back, against the
 * machine, is unknown first.
 *
 * @returns the present state where nothing is to be recorded
 */
export function nextStatus({ status, desiredStatus }: Cluster, seen: Observation | undefined): ClusterStatus {
  const target = observedStatus(seen, desiredStatus);
  if (target === status) return status;
  if (status === "unknown") return canFollow(status, target, desiredStatus) ? target : status;
  const way = desiredStatus === "stopping" ? DOWNWARD : desiredStatus === "starting" ? UPWARD : [];
  const [from, to] = [way.indexOf(status), way.indexOf(target)];
  const next = from >= 0 && to > from ? way[from + 1] : undefined;
  if (next !== undefined && canFollow(status, next, desiredStatus)) return next;
  // A stopped cluster that starts is never less than built: its start shows as that until it serves.
  if (desiredStatus === "deleting") return canFollow(status, target, desiredStatus) ? target : status;
  return canFollow(status, "unknown", desiredStatus) ? "unknown" : status;
}

/**
 * The next phase to record; one at a time, and none backwards but by way of UNKNOWN.
 *
 * @param known what is seen, and whether what comes before building is done
 */
export function nextPhase(
  cluster: Cluster,
  status: ClusterStatus,
  { seen, isPrepared }: { seen: Observation | undefined; isPrepared: boolean },
): ProvisionStatus {
  if (status === "unknown") return "UNKNOWN";
  if (cluster.desiredStatus === "deleting") return cluster.provisionStatus;
  const built = seen?.phase === undefined ? -1 : builtPhases.indexOf(seen.phase);
  const least = provisionStatuses.indexOf(isPrepared ? "OIDC_PROVISIONED" : "ACCEPTED");
  const reached = built < 0 ? least : built + provisionStatuses.indexOf("CLUSTER_PROVISIONED");
  if (cluster.provisionStatus === "UNKNOWN") return provisionStatuses[reached] ?? cluster.provisionStatus;
  const from = provisionStatuses.indexOf(cluster.provisionStatus);
  return (reached > from ? provisionStatuses[from + 1] : undefined) ?? cluster.provisionStatus;
}

/**
 * How far a pool is, by what is seen; undefined once a deleting one is gone.
 *
 * @param isCurrent whether what is seen was observed after everything that is asked for was applied: only then a pool is done
 */
export function nextPoolStatus(
  cluster: Cluster,
  pool: NodePool,
  seen: Observation | undefined,
  isCurrent: boolean,
): NodePool["provisionStatus"] | undefined {
  const observed = observedPool(seen, pool);
  if (pool.provisionStatus === "DELETING") return observed === undefined ? undefined : "DELETING";
  // What stands still tells nothing of its pools.
  if (cluster.desiredStatus !== "starting" || seen === undefined) return pool.provisionStatus;
  if (observed === undefined) return pool.provisionStatus;
  if (observed.state === "failed") return "FAILED";
  if (!matchesPlan(cluster, pool, observed)) return "PROVISIONING";
  return isCurrent ? "DONE" : pool.provisionStatus;
}

const matchesPlan = (cluster: Cluster, pool: NodePool, { state, version, nodes }: ObservedPool): boolean =>
  state === "ready" && version === cluster.version && nodes >= pool.minSize && nodes <= pool.maxSize;

/** Whether everything is as it was asked, so that there is nothing to come back for. */
export function isConverged(cluster: Cluster, pools: readonly NodePool[], seen: Observation | undefined): boolean {
  if (pools.some(({ provisionStatus }) => provisionStatus === "DELETING")) return false;
  if (cluster.desiredStatus === "stopping") return cluster.status === "stopped";
  if (cluster.desiredStatus === "deleting") return false;
  return (
    cluster.status === "started" &&
    cluster.provisionStatus === "DONE" &&
    seen?.version === cluster.version &&
    pools.every(({ provisionStatus }) => provisionStatus === "DONE")
  );
}
