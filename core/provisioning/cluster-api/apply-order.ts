/** Order in which the objects of a cluster are applied. Pure functions. */

import type { Manifest } from "./manifest.ts";

/** Kinds by rank. Objects of one rank are applied at the same time, after those that they refer to. */
const RANKS: readonly (readonly string[])[] = [
  ["Namespace"],
  ["Secret", "ConfigMap"],
  ["AWSClusterStaticIdentity", "AzureClusterIdentity", "OpenStackClusterIdentity", "VSphereClusterIdentity"],
  // All kinds that are not listed: templates and infrastructure.
  [],
  ["KubeadmControlPlane", "KamajiControlPlane"],
  ["Cluster"],
  ["MachineDeployment", "MachineHealthCheck", "ClusterResourceSet"],
];
const REST = RANKS.findIndex((kinds) => kinds.length === 0);

/** Number of ranks. */
export const RANK_COUNT = RANKS.length;

/** Returns the rank of an object, from 0. */
export function rankOf({ kind }: Pick<Manifest, "kind">): number {
  const rank = RANKS.findIndex((kinds) => kinds.includes(kind));
  return rank < 0 ? REST : rank;
}

/** Sorts objects into the order in which they are applied. Objects of one rank keep their order. */
export const sortForApply = (manifests: readonly Manifest[]): Manifest[] =>
  manifests.toSorted((one, other) => rankOf(one) - rankOf(other));
