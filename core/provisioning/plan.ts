/** The next step of a cluster, held to Kubernetes' version skew policy (https://kubernetes.io/releases/version-skew-policy/). */

import { compareVersions } from "../catalogue/index.ts";
import type { Cluster } from "../cluster/entity.ts";
import { isStep, minorOf, newestOfMinor, oldestOf } from "../cluster/rules/versions.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { isLive, nodeUpgradeOf } from "../node-pool/rules.ts";
import type { Observation, ObservedPool, Plan } from "./provisioner.ts";

/** How many minor versions a kubelet may be older than its API server. */
export const KUBELET_SKEW = 3;

/** Returns the observation of a node pool. */
export const observedPool = (seen: Observation | undefined, { identity }: NodePool): ObservedPool | undefined =>
  seen?.nodePools.find((each) => each.identity === identity);

const isOlder = (one: string, other: string): boolean => compareVersions(one, other) < 0;

/** One step from a version towards another: the target, the newest version of the next minor, or nowhere. */
function nextVersionToward(from: string, target: string, rollbackVersion: string | undefined): string {
  if (isStep(from, target, rollbackVersion)) return target;
  if (isOlder(target, from)) return from;
  // No way leads on where the catalogue lacks the next minor.
  return newestOfMinor(minorOf(from) + 1) ?? from;
}

/**
 * Picks the version of the control plane for the next plan, without regard to nodes. A step under way is finished before one to a
 * newer minor begins; it can be changed within the minor, and taken back.
 */
function controlPlaneStep(cluster: Cluster, seen: Observation | undefined): string {
  const { version: asked, plannedVersion: planned, rollbackVersion, desiredStatus } = cluster;
  const running = seen?.version;
  const next = running === undefined ? undefined : newestOfMinor(minorOf(running) + 1);
  if (planned === undefined) {
    const isFar = running !== undefined && minorOf(asked) > minorOf(running) + 1;
    return (isFar ? next : undefined) ?? asked;
  }
  // What was planned may be lost, such as where the control plane was restored from a backup: it is approached from what runs.
  const isLost = running !== undefined && minorOf(planned) > minorOf(running) + 1;
  const current = (isLost ? next : undefined) ?? planned;
  if (desiredStatus !== "starting" || asked === current || current !== planned) return current;
  if (running === planned || seen === undefined) return nextVersionToward(planned, asked, rollbackVersion);
  const isPossible = [running ?? planned, planned].every((from) => isStep(from, asked, rollbackVersion));
  return isPossible && minorOf(asked) <= minorOf(planned) ? asked : planned;
}

/** Names the pools whose nodes are too old for a control plane of a version. */
export const poolsTooOld = (seen: Observation | undefined, version: string): ObservedPool[] =>
  (seen?.nodePools ?? []).filter((pool) => minorOf(version) - minorOf(pool.version) > KUBELET_SKEW);

/** Whether every node is at most of a version, for certain: also none of a pool that is being deleted or replaced. */
function hasNoNodes(live: readonly NodePool[], seen: Observation | undefined, version: string): boolean {
  if (seen === undefined) return true;
  // Where the control plane was not seen at a newer version, no pool was ever planned at one.
  const wasNeverUp = seen.version === undefined || !isOlder(version, seen.version);
  return (
    seen.nodePools.every((pool) => !isOlder(version, pool.version) && (wasNeverUp || pool.state === "ready")) &&
    (wasNeverUp || live.every((pool) => observedPool(seen, pool) !== undefined))
  );
}

/**
 * Plans the next step of a cluster. The control plane goes up by one minor at a time and before its pools, and waits until no
 * node is more than three minors older than the next one. On the way down the pools go first. No node is planned newer than what
 * the control plane runs for certain.
 *
 * @param seen undefined where nothing is there yet
 */
export function buildPlan(
  cluster: Cluster,
  pools: readonly NodePool[],
  seen: Observation | undefined,
  fence: number,
): Plan {
  const live = pools.filter(isLive);
  const asked = cluster.version;
  const present = cluster.plannedVersion;
  const step = controlPlaneStep(cluster, seen);
  const isSkewed = poolsTooOld(seen, step).length > 0;
  const goesDown = present !== undefined && isOlder(step, present);
  const isHeld = present !== undefined && (isSkewed || (goesDown && !hasNoNodes(live, seen, step)));
  const version = isHeld ? present : step;
  const known = [seen?.version, cluster.plannedVersion].filter((each) => each !== undefined);
  // The API server may run any of these.
  const oldest = oldestOf(version, ...known);
  const isUp = known.every((each) => each === version);
  return {
    cluster,
    fence,
    version,
    isRunning: cluster.desiredStatus === "starting",
    nodePools: live.map((pool) => {
      const from = observedPool(seen, pool)?.version ?? (goesDown ? step : oldest);
      const target = goesDown ? step : isUp && (version === asked || isSkewed) ? version : from;
      const allowed = oldestOf(target, oldest);
      const upgrade = nodeUpgradeOf(pool, from, allowed);
      const isTooFar = upgrade.method === "inPlace" && minorOf(allowed) > minorOf(from) + 1;
      // A machine that stays passes every minor; one that is replaced never ran the old one.
      const to = isTooFar ? oldestOf(newestOfMinor(minorOf(from) + 1) ?? from, allowed) : allowed;
      return { pool, version: to, upgrade };
    }),
  };
}
