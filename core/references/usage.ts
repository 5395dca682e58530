/** Words for the clusters that use a cloud account or a schedule. */

import type { Usage } from "../tenancy/references-entity.ts";

/**
 * Describes the clusters that use an account or schedule, for a refusal.
 *
 * @param usage at least one cluster
 * @returns such as `3 clusters, of which 1 is still being deleted`
 */
export function usersText({ clusters, deletingClusters }: Usage): string {
  const all = clusters === 1 ? "1 cluster" : `${clusters} clusters`;
  if (deletingClusters === 0) return all;
  const are = (count: number) => (count === 1 ? "is" : "are");
  if (deletingClusters === clusters) return `${all}, which ${are(clusters)} still being deleted`;
  return `${all}, of which ${deletingClusters} ${are(deletingClusters)} still being deleted`;
}
