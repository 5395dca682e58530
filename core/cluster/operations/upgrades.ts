/** Finds the versions that a cluster can change to: in one step, and step by step for all newer ones. */

import * as v from "valibot";
import { type ClusterVersion, clusterVersions, compareVersions } from "../../catalogue/index.ts";
import { type Context, type NoOptions, requireValid } from "../../context.ts";
import type { Parsed } from "../../shared/validation.ts";
import type { Cluster } from "../entity.ts";
import { unsupportedVersion } from "../rules/unsupported.ts";
import { controlPlaneVersions, isReachable, minorOf, type Versioned } from "../rules/versions.ts";
import { authorizeCluster, type ClusterPath } from "./get.ts";

/** Directions of a step. A rollback reverts a minor upgrade; it is possible until another version is accepted. */
const directions = ["upgrade", "downgrade", "rollback"] as const;

/** Version that can be requested now. `blockedBy` lists what must happen first; empty for nothing. */
export const ReachableVersion = v.object({
  blockedBy: v.array(v.string()),
  direction: v.picklist(directions),
  version: v.string(),
});
export type ReachableVersion = v.InferOutput<typeof ReachableVersion>;

/** Newer version, and the chain of versions to request one after the other; the last one is the version itself. */
export const NewerVersion = v.object({
  blockedBy: v.array(v.string()),
  chain: v.array(v.string()),
  version: v.string(),
});
export type NewerVersion = v.InferOutput<typeof NewerVersion>;

/** Versions that a cluster can change to. */
export const ClusterUpgradesResponse = v.object({
  newer: v.array(NewerVersion),
  reachable: v.array(ReachableVersion),
  runningVersion: v.optional(
    v.pipe(
      v.string(),
      v.description(
        "Version of the control plane at the last observation; absent before the control plane is provisioned.",
      ),
    ),
  ),
  version: v.pipe(v.string(), v.description("The requested version.")),
});
export type ClusterUpgradesResponse = v.InferOutput<typeof ClusterUpgradesResponse>;

/** Properties of a cluster that decide which versions it can change to. */
type Upgradable = Versioned & Pick<Cluster, "status" | "desiredStatus">;

/** Lists reasons why the cluster's status prevents a change of version, with what to do. */
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
        : [`The state of the cluster is unknown (last request: ${desiredStatus}): wait until it is known.`];
    default:
      return [];
  }
}

/** Returns the best known version of the control plane. */
const presentOf = ({ version, runningVersion, plannedVersion }: Versioned): string =>
  runningVersion ?? plannedVersion ?? version;

function directionOf(cluster: Versioned, to: string): ReachableVersion["direction"] {
  if (to === cluster.rollbackVersion) return "rollback";
  const order = compareVersions(to, presentOf(cluster)) || compareVersions(to, cluster.version);
  return order > 0 ? "upgrade" : "downgrade";
}

/**
 * Finds the versions that a cluster can change to from its running version. Pure function.
 *
 * @param offered versions of the catalogue
 * @param unsupported returns why the cluster cannot get a version; undefined if it can
 */
export function upgradesOf(
  cluster: Upgradable,
  offered: readonly Omit<ClusterVersion, "kubernetes">[],
  unsupported: (version: string) => string | undefined = () => undefined,
): ClusterUpgradesResponse {
  const { version: asked, rollbackVersion, runningVersion } = cluster;
  const present = presentOf(cluster);
  const running = controlPlaneVersions(cluster);
  const blocks = stateBlocks(cluster);
  const unsupportedBlocks = (version: string): string[] => {
    const reason = unsupported(version);
    return reason === undefined ? [] : [reason];
  };
  const available = offered
    .filter((each) => each.available)
    .map(({ version }) => version)
    .sort(compareVersions);
  // The running version and the rollback version stay reachable when the catalogue no longer offers them.
  const candidates = new Set([...available, ...running, ...(rollbackVersion === undefined ? [] : [rollbackVersion])]);
  const reachable = [...candidates]
    .filter((version) => version !== asked && isReachable(cluster, version))
    .sort(compareVersions)
    .map((version) => ({
      blockedBy: [...blocks, ...unsupportedBlocks(version)],
      direction: directionOf(cluster, version),
      version,
    }));
  const newer = available
    .filter((version) => version !== asked && running.every((each) => compareVersions(version, each) > 0))
    .map((version) => {
      const { chain, missing } = chainTo(present, version, available, asked);
      const isNext = chain.length === 1 && !isReachable(cluster, version);
      // The requested version is the first step of the chain: the next step is refused until it runs.
      const isUnderWay = chain[0] === asked || isNext;
      const waiting = isUnderWay ? [`The control plane runs ${present}: wait until it runs ${asked}.`] : [];
      return {
        blockedBy: [
          ...blocks,
          ...waiting,
          ...(missing === undefined ? [] : [noPath(missing)]),
          ...chain.flatMap(unsupportedBlocks),
        ],
        chain,
        version,
      };
    });
  return { newer, reachable, ...(runningVersion === undefined ? {} : { runningVersion }), version: asked };
}

const noPath = (minor: number) =>
  `There is no upgrade path: a cluster is upgraded one minor version at a time, and no version of v1.${minor} is available.`;

/** Lists the versions to pass, ascending: the newest (or the requested one) of every minor in between, then the target. */
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
 * Lists the versions that a cluster can change to. One database round trip.
 *
 * @throws AppError as `authorize`; not found; invalid for the options
 */
export async function upgrades(
  context: Context,
  input: ClusterPath & { options: Parsed<NoOptions> },
): Promise<ClusterUpgradesResponse> {
  const { cluster } = await authorizeCluster(context, input);
  requireValid(context, input.options);
  return upgradesOf(cluster, clusterVersions, (version) => unsupportedVersion(cluster, version, context.provisioner));
}
