/** Plans versions within Kubernetes' version skew policy (https://kubernetes.io/releases/version-skew-policy/). */

import { compareVersions } from "../catalogue/index.ts";
import type { Cluster } from "../cluster/entity.ts";
import { isStep, minorOf, newestOfMinor, oldestOf } from "../cluster/rules/versions.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { isLive, nodeUpgradeOf } from "../node-pool/rules.ts";
import type { Observation, ObservedPool, Plan } from "./provisioner.ts";

/** Number of minor versions that a kubelet may be older than its API server. */
const KUBELET_SKEW = 3;

/** Returns the observation of a node pool. */
export const observedPool = (observation: Observation | undefined, { identity }: NodePool): ObservedPool | undefined =>
  observation?.nodePools.find((each) => each.identity === identity);

const isOlder = (one: string, other: string): boolean => compareVersions(one, other) < 0;

/** Returns one step towards a version: the target, the newest version of the next minor, or `from` if no step is possible. */
function nextVersionToward(from: string, target: string, rollbackVersion: string | undefined): string {
  if (isStep(from, target, rollbackVersion)) return target;
  if (isOlder(target, from)) return from;
  // No step is possible if the catalogue lacks the next minor.
  return newestOfMinor(minorOf(from) + 1) ?? from;
}

/**
 * Selects the version of the control plane for the next plan, without regard to nodes. A step in progress is completed before a
 * step to a newer minor begins. Until then it can be changed within the minor, and be rolled back. A control plane that is asleep
 * starts with its former version.
 */
function controlPlaneStep(cluster: Cluster, observation: Observation | undefined): string {
  const { version: requested, plannedVersion: planned, rollbackVersion, desiredStatus } = cluster;
  const running = observation?.version;
  const next = running === undefined ? undefined : newestOfMinor(minorOf(running) + 1);
  if (planned === undefined) {
    const isFar = running !== undefined && minorOf(requested) > minorOf(running) + 1;
    return (isFar ? next : undefined) ?? requested;
  }
  // The planned version may be lost, for example if the control plane was restored from a backup: continue from the running one.
  const isLost = running !== undefined && minorOf(planned) > minorOf(running) + 1;
  const current = (isLost ? next : undefined) ?? planned;
  const isFixed = desiredStatus !== "starting" || observation?.isAsleep === true;
  // The control plane is newer than planned if the table was restored from a backup. A newer request continues from the running version.
  const isAhead = running !== undefined && minorOf(running) > minorOf(planned);
  if (isAhead && minorOf(requested) > minorOf(planned)) {
    return isFixed ? running : nextVersionToward(running, requested, undefined);
  }
  if (isFixed || requested === current || current !== planned) return current;
  if (running === planned || observation === undefined) return nextVersionToward(planned, requested, rollbackVersion);
  const isPossible = [running ?? planned, planned].every((from) => isStep(from, requested, rollbackVersion));
  return isPossible && minorOf(requested) <= minorOf(planned) ? requested : planned;
}

/** Returns the pools whose nodes are too old for a control plane of a version. */
const poolsTooOld = (observation: Observation | undefined, version: string): ObservedPool[] =>
  (observation?.nodePools ?? []).filter((pool) => minorOf(version) - minorOf(pool.version) > KUBELET_SKEW);

/** Returns true if certainly no node is newer than a version, including nodes that are being deleted or replaced. */
function hasNoNewerNodes(live: readonly NodePool[], observation: Observation | undefined, version: string): boolean {
  if (observation === undefined) return true;
  // Pools are only planned at a newer version after the control plane was observed at it.
  const wasNeverNewer = observation.version === undefined || !isOlder(version, observation.version);
  return (
    observation.nodePools.every(
      (pool) => !isOlder(version, pool.version) && (wasNeverNewer || pool.state === "ready"),
    ) &&
    (wasNeverNewer || live.every((pool) => observedPool(observation, pool) !== undefined))
  );
}

/**
 * Plans the next step of a cluster. In an upgrade the control plane precedes its pools, one minor at a time, and waits while a
 * node would be more than three minors older. In a rollback the pools precede it. No node is planned newer than the oldest
 * version that the control plane may run.
 *
 * @param observation undefined if nothing exists yet
 * @param fence fencing token of the worker's lease
 */
export function buildPlan(
  cluster: Cluster,
  pools: readonly NodePool[],
  observation: Observation | undefined,
  fence: number,
): Omit<Plan, "oidc"> {
  const live = pools.filter(isLive);
  const requested = cluster.version;
  const present = cluster.plannedVersion;
  const step = controlPlaneStep(cluster, observation);
  const isSkewed = poolsTooOld(observation, step).length > 0;
  const isRollback = present !== undefined && isOlder(step, present);
  const mustWait = present !== undefined && (isSkewed || (isRollback && !hasNoNewerNodes(live, observation, step)));
  const version = mustWait ? present : step;
  const known = [observation?.version, cluster.plannedVersion].filter((each) => each !== undefined);
  // The API server may run any of these versions.
  const oldest = oldestOf(version, ...known);
  const isUp = known.every((each) => each === version);
  return {
    cluster,
    observation,
    fence,
    version,
    isRunning: cluster.desiredStatus === "starting",
    nodePools: live.map((pool) => {
      const from = observedPool(observation, pool)?.version ?? (isRollback ? step : oldest);
      const target = isRollback ? step : isUp && (version === requested || isSkewed) ? version : from;
      const allowed = oldestOf(target, oldest);
      const upgrade = nodeUpgradeOf(pool, from, allowed);
      const isTooFar = upgrade.method === "inPlace" && minorOf(allowed) > minorOf(from) + 1;
      // An upgrade in place must not skip a minor; a replaced machine never ran the former one.
      const to = isTooFar ? oldestOf(newestOfMinor(minorOf(from) + 1) ?? from, allowed) : allowed;
      return { pool, version: to, upgrade };
    }),
  };
}
