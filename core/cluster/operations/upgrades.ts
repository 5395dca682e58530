/** Where a cluster's version can go: in one step, and step by step to everything newer. */

import * as v from "valibot";
import { type ClusterVersion, clusterVersions, compareVersions } from "../../catalogue/index.ts";
import type { Context } from "../../context.ts";
import { parseQuery } from "../../listing/in-memory-page.ts";
import type { RawQuery } from "../../request/query.ts";
import type { Cluster } from "../entity.ts";
import { controlPlaneVersions, isReachable, minorOf, type Versioned } from "../rules/versions.ts";
import { authorizeCluster, type ClusterPath } from "./get.ts";

/** Which way a step goes. A rollback is the way back after a minor upgrade, open until another version is accepted. */
const directions = ["upgrade", "downgrade", "rollback"] as const;

/** A version that can be asked for as the cluster is. `blockedBy` says what has to happen first; empty where nothing. */
export const ReachableVersion = v.object({
  blockedBy: v.array(v.string()),
  direction: v.picklist(directions),
  version: v.string(),
});
export type ReachableVersion = v.InferOutput<typeof ReachableVersion>;

/** A newer version, and the versions to ask for one after the other to get there, itself the last. */
export const NewerVersion = v.object({
  blockedBy: v.array(v.string()),
  chain: v.array(v.string()),
  version: v.string(),
});
export type NewerVersion = v.InferOutput<typeof NewerVersion>;

/** Where a cluster's version can go. */
export const ClusterUpgradesResponse = v.object({
  newer: v.array(NewerVersion),
  reachable: v.array(ReachableVersion),
  runningVersion: v.optional(
    v.pipe(
      v.string(),
      v.description("The version that the control plane was last seen to run; absent before it is built."),
    ),
  ),
  version: v.pipe(v.string(), v.description("The version that was asked for.")),
});
export type ClusterUpgradesResponse = v.InferOutput<typeof ClusterUpgradesResponse>;

/** What of a cluster decides where its version can go, and what is in the way. */
type Upgradable = Versioned & Pick<Cluster, "status" | "desiredStatus">;

/** What a cluster's state has against another version, in words that say what to do. */
function stateBlocks({ status, desiredStatus }: Upgradable): string[] {
  switch (status) {
    case "stopped":
      return ['The cluster is stopped: start it first, or send "status": "starting" together with the version.'];
    case "stopping":
      return ["The cluster is stopping: wait until it is stopped, then start it."];
    case "deleting":
    case "deleted":
      return [`The cluster is ${status}: its version cannot change any more.`];
    case "unknown":
      return desiredStatus === "starting"
        ? []
        : [
            `Nobody can tell the state of the cluster, of which ${desiredStatus} was asked last: wait until it can be told.`,
          ];
    default:
      return [];
  }
}

/** The version that the control plane runs, as far as it is known. */
const presentOf = ({ version, runningVersion, plannedVersion }: Versioned): string =>
  runningVersion ?? plannedVersion ?? version;

function directionOf(cluster: Versioned, to: string): ReachableVersion["direction"] {
  if (to === cluster.rollbackVersion) return "rollback";
  const order = compareVersions(to, presentOf(cluster)) || compareVersions(to, cluster.version);
  return order > 0 ? "upgrade" : "downgrade";
}

/**
 * Finds where a cluster's version can go from what runs. A pure rule.
 *
 * @param offered the catalogue's versions
 */
export function upgradesOf(cluster: Upgradable, offered: readonly ClusterVersion[]): ClusterUpgradesResponse {
  const { version: asked, rollbackVersion, runningVersion } = cluster;
  const present = presentOf(cluster);
  const running = controlPlaneVersions(cluster);
  const blocks = stateBlocks(cluster);
  const available = offered
    .filter((each) => each.available)
    .map(({ version }) => version)
    .sort(compareVersions);
  // What runs and the way back stay open when the catalogue does not offer them any more.
  const candidates = new Set([...available, ...running, ...(rollbackVersion === undefined ? [] : [rollbackVersion])]);
  const reachable = [...candidates]
    .filter((version) => version !== asked && isReachable(cluster, version))
    .sort(compareVersions)
    .map((version) => ({ blockedBy: blocks, direction: directionOf(cluster, version), version }));
  const newer = available
    .filter((version) => version !== asked && running.every((each) => compareVersions(version, each) > 0))
    .map((version) => {
      const { chain, missing } = chainTo(present, version, available, asked);
      const isNext = chain.length === 1 && !isReachable(cluster, version);
      // What was asked for is the first step of the chain: the next one is refused until it runs.
      const isUnderWay = chain[0] === asked || isNext;
      const waiting = isUnderWay ? [`The control plane runs ${present}: wait until it runs ${asked}.`] : [];
      return {
        blockedBy: [...blocks, ...waiting, ...(missing === undefined ? [] : [noPath(missing)])],
        chain,
        version,
      };
    });
  return { newer, reachable, ...(runningVersion === undefined ? {} : { runningVersion }), version: asked };
}

const noPath = (minor: number) =>
  `There is no path: upgrades pass one minor at a time, and no version of v1.${minor} is available.`;

/** The versions to pass, ascending: of every minor in between the newest, or the one that was asked for, then the target. */
function chainTo(
  present: string,
  target: string,
  available: readonly string[],
  asked: string,
): { chain: string[]; missing: number | undefined } {
  const chain: string[] = [];
  for (let minor = minorOf(present) + 1; minor < minorOf(target); minor++) {
    const newest = minorOf(asked) === minor ? asked : available.findLast((version) => minorOf(version) === minor);
    if (newest === undefined) return { chain: [], missing: minor };
    chain.push(newest);
  }
  return { chain: [...chain, target], missing: undefined };
}

/**
 * Shows where a cluster's version can go. One wait on the database.
 *
 * @throws AppError as `enter`; missing; invalid for the query
 */
export async function upgrades(
  context: Context,
  input: ClusterPath & { query: RawQuery },
): Promise<ClusterUpgradesResponse> {
  const { cluster } = await authorizeCluster(context, input);
  parseQuery(context, input.query, {});
  return upgradesOf(cluster, clusterVersions);
}
