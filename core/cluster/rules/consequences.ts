/** What a change would do to running nodes, told by a dry run. Pure rules. */

import { parseVersion } from "../../catalogue/index.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import type { NodePoolSettings } from "../../node-pool/rules.ts";
import type { Change, Cluster } from "../entity.ts";

/** What becomes of nodes: they stay, or are replaced or taken away. */
export type Effect = "inPlace" | "rollsNodes";

/** One property that would change, and whose nodes it would touch; `nodes` is how many a pool has at least. */
export interface Consequence {
  property: string;
  effect: Effect;
  nodePools: { identity: string; nodes: number }[];
}

const touched = (pools: readonly NodePool[]) => pools.map(({ identity, minSize }) => ({ identity, nodes: minSize }));

/** Whether a pool's nodes are replaced by a change of version, which its strategy decides. */
function isReplaced({ upgradeStrategy }: NodePool, from: string, to: string): boolean {
  const isMinor = parseVersion(from)?.minor !== parseVersion(to)?.minor;
  return upgradeStrategy === "REPLACE" || (isMinor && upgradeStrategy.startsWith("REPLACE_MINOR"));
}

/**
 * Tells what a change of a cluster would do. Whether a change of version replaces a pool's nodes depends on the version they run.
 *
 * @param changes between before and after
 * @param pools of the cluster that are not being deleted
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

/** Properties of a pool that only new nodes can have. */
const ROLLING: readonly (keyof NodePoolSettings)[] = ["nodeSize", "taints"];

/** Tells what a change of a node pool would do. @param properties that change */
export const nodePoolConsequences = (pool: NodePool, properties: readonly string[]): Consequence[] =>
  properties.map((property) => ({
    property,
    effect: (ROLLING as readonly string[]).includes(property) ? "rollsNodes" : "inPlace",
    nodePools: touched([pool]),
  }));
