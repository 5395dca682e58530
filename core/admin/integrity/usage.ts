/** Compares the counters of cloud accounts and schedules with the clusters that use them. */

import type { Cluster } from "../../cluster/entity.ts";
import { isDeleting } from "../../cluster/rules/transitions.ts";
import { accountUsage } from "../../cluster/store/counters.ts";
import type { Table } from "../../table/client.ts";
import { USAGE_PREFIX } from "../../table/keys.ts";
import { type Usage, usageEntity } from "../../tenancy/references-entity.ts";
import type { Findings } from "./organisation.ts";

/** Numbers of an account or schedule that no cluster uses. */
export const NO_USERS: Usage = { clusters: 0, deletingClusters: 0 };

/**
 * Counts the clusters of each account and schedule: a schedule is used until a deletion is requested, an account until it is complete.
 *
 * @returns by the identity of the account or schedule
 */
export function countUsers(clusters: readonly Cluster[]): Map<string, Usage> {
  const used = new Map<string, Usage>();
  const add = (identity: string | undefined, { clusters: more, deletingClusters }: Usage) => {
    if (identity === undefined) return;
    const before = used.get(identity) ?? NO_USERS;
    used.set(identity, {
      clusters: before.clusters + more,
      deletingClusters: before.deletingClusters + deletingClusters,
    });
  };
  for (const cluster of clusters) {
    add(cluster.cloudAccountIdentity, accountUsage(cluster));
    add(cluster.maintenanceScheduleIdentity, { clusters: isDeleting(cluster) ? 0 : 1, deletingClusters: 0 });
  }
  return used;
}

/** Finds counters that differ. @param pk partition of the organisation */
export async function checkUsage(
  { table }: { table: Table },
  pk: string,
  clusters: readonly Cluster[],
  findings: Findings,
): Promise<void> {
  const used = countUsers(clusters);
  const counted = new Map<string, Usage>();
  for (const item of await table.query({ pk, prefix: USAGE_PREFIX })) {
    const { clusters: all, deletingClusters } = usageEntity.read(item);
    counted.set(item.sk.slice(USAGE_PREFIX.length), { clusters: all, deletingClusters });
  }
  for (const identity of new Set([...used.keys(), ...counted.keys()])) {
    findings.same(
      `${pk}: clusters that use ${identity}`,
      counted.get(identity) ?? NO_USERS,
      used.get(identity) ?? NO_USERS,
    );
  }
}
