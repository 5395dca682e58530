/** Predicts the effects of a change on running nodes, for a dry run. Pure functions. */

import { providerBySlug } from "../../catalogue/index.ts";
import type { ProvisionerTraits } from "../../context.ts";
import type { Change } from "../../events/entity.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { type NodePoolSettings, nodeUpgradeOf } from "../../node-pool/rules.ts";
import type { Consequence } from "../../request/write.ts";
import type { Cluster } from "../entity.ts";

const affected = (pools: readonly NodePool[]) => pools.map(({ identity, minSize }) => ({ identity, nodes: minSize }));

/** Returns whether a provisioner can upgrade nodes of a cluster in place; true for a provider that left the catalogue. */
function upgradesInPlace({ upgradesInPlace }: Pick<ProvisionerTraits, "upgradesInPlace">, { cloudProvider }: Cluster) {
  const type = providerBySlug(cloudProvider)?.type;
  return type === undefined || upgradesInPlace(type);
}

/**
 * Predicts the effects of a change of a cluster. A change of version replaces a pool's nodes depending on its strategy, on the version they
 * run, and on what the provisioner can do.
 *
 * @param changes differences between before and after
 * @param pools pools of the cluster that are not being deleted
 */
export function consequencesOf(
  before: Cluster,
  after: Cluster,
  changes: readonly Change[],
  pools: readonly NodePool[],
  provisioner: Pick<ProvisionerTraits, "upgradesInPlace">,
): Consequence[] {
  const alwaysReplaces = !upgradesInPlace(provisioner, after);
  const controlPlane = before.runningVersion ?? before.plannedVersion ?? before.version;
  return changes
    .filter(({ path }) => path !== "desiredStatus")
    .flatMap(({ path: property }): Consequence[] => {
      if (property === "status") {
        const removesNodes = after.status === "stopping" || after.status === "deleting";
        return removesNodes
          ? [{ property, effect: "rollsNodes", nodePools: affected(pools) }]
          : [{ property, effect: "inPlace", nodePools: [] }];
      }
      if (property !== "version") return [{ property, effect: "inPlace", nodePools: [] }];
      const isReplaced = (pool: NodePool) =>
        alwaysReplaces || nodeUpgradeOf(pool, pool.runningVersion ?? controlPlane, after.version).method === "replace";
      const replaced = affected(pools.filter(isReplaced));
      const inPlace = affected(pools.filter((pool) => !isReplaced(pool)));
      return [
        ...(replaced.length > 0 ? [{ property, effect: "rollsNodes" as const, nodePools: replaced }] : []),
        ...(inPlace.length > 0 || replaced.length === 0
          ? [{ property, effect: "inPlace" as const, nodePools: inPlace }]
          : []),
      ];
    });
}

/** Properties of a pool that only new nodes can get. */
const ROLLING: readonly (keyof NodePoolSettings)[] = ["nodeSize", "taints"];

/** Predicts the effects of a change of a node pool. @param properties properties that change */
export const nodePoolConsequences = (pool: NodePool, properties: readonly string[]): Consequence[] =>
  properties.map((property) => ({
    property,
    effect: (ROLLING as readonly string[]).includes(property) ? "rollsNodes" : "inPlace",
    nodePools: affected([pool]),
  }));

/** Predicts the effects of the removal of a node pool. */
export const removalConsequences = (pool: NodePool): Consequence[] => [
  { property: "nodePool", effect: "rollsNodes", nodePools: affected([pool]) },
];
