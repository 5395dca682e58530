/** Changes the scheduled upgrade that a cluster refers to, in the transaction of a change of the cluster. */

import { type Key, scheduledUpgradeKey } from "../../table/keys.ts";
import type { Expression, Transaction } from "../../table/transaction.ts";
import type { Cluster, UpgradeReference } from "../entity.ts";
import { finishedTtl, hasLiveUpgrade, newestUpgradeIdentity, type Referring } from "../rules/upgrade-reference.ts";
import type { UpgradeStatus } from "../upgrade-schema.ts";

/** Returns the key of a cluster's newest upgrade; undefined if there never was one. */
export function newestUpgradeKey(cluster: Referring): Key | undefined {
  const identity = newestUpgradeIdentity(cluster);
  return identity === undefined ? undefined : scheduledUpgradeKey(cluster.organisation, identity);
}

/**
 * Changes the reference of a cluster and raises its revision, so that no other write of the cluster restores the former reference. The
 * condition has the label `cluster`.
 *
 * @param key key of the cluster
 * @param unchanged condition that the reference is the one that was read
 */
export function updateReference(
  transaction: Transaction,
  key: Key,
  identity: string,
  reference: UpgradeReference,
  unchanged: Expression & { condition: string },
): void {
  transaction.update("cluster", key, "SET #scheduledUpgrade = :reference ADD #revision :one", {
    condition: `#identity = :identity AND ${unchanged.condition}`,
    values: { ...unchanged.values, ":identity": identity, ":reference": reference, ":one": 1 },
  });
}

/**
 * Ends the unfinished upgrade of a cluster as SUPERSEDED without reading it. The condition has the label `superseded-upgrade`.
 *
 * @param cluster its reference names the upgrade
 */
export function supersedeUpgrade(transaction: Transaction, cluster: Cluster, reason: string, now: Date): void {
  const key = newestUpgradeKey(cluster);
  if (key === undefined || !hasLiveUpgrade(cluster)) return;
  transaction.update(
    "superseded-upgrade",
    key,
    "SET #status = :status, #reason = :reason, #modifiedAt = :modifiedAt, #ttl = :ttl ADD #revision :one",
    {
      condition: "attribute_exists(#pk) AND attribute_not_exists(#ttl)",
      values: {
        ":status": "SUPERSEDED" satisfies UpgradeStatus,
        ":reason": reason,
        ":modifiedAt": now.toISOString(),
        ":ttl": finishedTtl(now),
        ":one": 1,
      },
    },
  );
}

/** Moves the unfinished upgrade of a cluster to the cluster's environment without reading it. @param after the moved cluster */
export function moveUpgrade(transaction: Transaction, after: Cluster): void {
  const key = newestUpgradeKey(after);
  if (key === undefined || !hasLiveUpgrade(after)) return;
  const { environment, environmentIdentity } = after;
  transaction.update(
    "upgrade",
    key,
    "SET #environment = :environment, #environmentIdentity = :environmentIdentity ADD #revision :one",
    {
      condition: "attribute_exists(#pk)",
      values: { ":environment": environment, ":environmentIdentity": environmentIdentity, ":one": 1 },
    },
  );
}
