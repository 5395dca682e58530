/** Predicts the effects of a change on running nodes, for a dry run. Pure functions. */

import { parseVersion } from "../../catalogue/index.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import type { NodePoolSettings } from "../../node-pool/rules.ts";
import type { Change, Cluster } from "../entity.ts";

/** Effect on nodes: they stay, or are replaced or removed. */
export type Effect = "inPlace" | "rollsNodes";

/** Property that would change, and the pools that it would affect; `nodes` is the minimum number of nodes of a pool. */
export interface Consequence {
  property: string;
  effect: Effect;
  nodePools: { identity: string; nodes: number }[];
}

const touched = (pools: readonly NodePool[]) => pools.map(({ identity, minSize }) => ({ identity, nodes: minSize }));

/** Returns whether a change of version replaces the nodes of a pool. The pool's strategy decides. */
function isReplaced({ upgradeStrategy }: NodePool, from: string, to: string): boolean {
  const isMinor = parseVersion(from)?.minor !== parseVersion(to)?.minor;
  return upgradeStrategy === "REPLACE" || (isMinor && upgradeStrategy.startsWith("REPLACE_MINOR"));
}

/**
 * Predicts the effects of a change of a cluster. A change of version replaces a pool's nodes depending on the version they run.
 *
 * @param changes differences between before and after
 * @param pools pools of the cluster that are not being deleted
 */
export function consequencesOf(
  before: Cluster,
  after: Cluster,
  changes: readonly Change[],
  pools: readonly NodePool[],
): Consequence[] {
  const controlPlane = before.runningVersion ?? before.plannedVersion ?? before.version;
  return changes
    .filter(({ path }) => path !== "desiredStatus")
    .flatMap(({ path: property }): Consequence[] => {
      if (property === "status") {
        const goes = after.status === "stopping" || after.status === "deleting";
        return [{ property, effect: goes ? "rollsNodes" : "inPlace", nodePools: goes ? touched(pools) : [] }];
      }
      if (property !== "version") return [{ property, effect: "inPlace", nodePools: [] }];
      const replaced = pools.filter((pool) => isReplaced(pool, pool.runningVersion ?? controlPlane, after.version));
      const kept = pools.filter((pool) => !replaced.includes(pool));
      const rolls: Consequence = { property, effect: "rollsNodes", nodePools: touched(replaced) };
      const stays: Consequence = { property, effect: "inPlace", nodePools: touched(kept) };
      return [...(replaced.length > 0 ? [rolls] : []), ...(kept.length > 0 || replaced.length === 0 ? [stays] : [])];
    });
}

/** Properties of a pool that only new nodes can get. */
const ROLLING: readonly (keyof NodePoolSettings)[] = ["nodeSize", "taints"];

/** Predicts the effects of a change of a node pool. @param properties properties that change */
export const nodePoolConsequences = (pool: NodePool, properties: readonly string[]): Consequence[] =>
  properties.map((property) => ({
    property,
    effect: (ROLLING as readonly string[]).includes(property) ? "rollsNodes" : "inPlace",
    nodePools: touched([pool]),
  }));
