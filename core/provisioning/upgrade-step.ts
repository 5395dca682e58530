/** Step of a scheduled upgrade: it changes what is stored, and calls no provisioner. */

import { type Cluster, clusterItemAt } from "../cluster/entity.ts";
import { acceptChange, reopenNodePools } from "../cluster/rules/accept-change.ts";
import { automaticTarget } from "../cluster/rules/automatic-upgrade.ts";
import { decideUpgrade, type UpgradeDecision, type UpgradeState } from "../cluster/rules/scheduled-upgrade.ts";
import { unsupportedVersion } from "../cluster/rules/unsupported.ts";
import { hasLiveUpgrade } from "../cluster/rules/upgrade-reference.ts";
import { rollbackAfter } from "../cluster/rules/versions.ts";
import { appendEvent } from "../cluster/store/event-log.ts";
import type { Lease } from "../cluster/store/pointer.ts";
import { createUpgrade, putUpgrade, referenceTo, upgradeEventOf } from "../cluster/store/scheduled-upgrades.ts";
import { newestUpgradeKey, updateReference } from "../cluster/store/upgrade-reference.ts";
import { type ScheduledUpgrade, scheduledUpgradeEntity } from "../cluster/upgrade-entity.ts";
import type { Services } from "../context.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { putNodePools } from "../node-pool/items.ts";
import { deadlineIn } from "../shared/retry.ts";
import { type Key, keyText, organisationKey, referencesKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import { organisationEntity } from "../tenancy/organisation.ts";
import { currentReferences } from "../tenancy/references-cache.ts";
import { renewLease } from "./lease.ts";

/** Newest upgrade and maintenance schedule of a cluster, as read. */
export type UpgradeReads = Pick<UpgradeState, "newest" | "schedule">;

/** Cluster with its node pools, and what is read about its upgrades. */
interface Stored {
  cluster: Cluster & Key;
  pools: readonly NodePool[];
  upgrade: UpgradeReads | undefined;
}

/**
 * Reads the newest upgrade and the maintenance schedule of a cluster, in one round trip. Reads nothing for a cluster that has no
 * upgrade to wait for and to which no automatic one applies.
 *
 * @returns undefined if nothing has to be decided about an upgrade
 */
export async function readUpgrade(services: Services, cluster: Cluster): Promise<UpgradeReads | undefined> {
  const { organisation, maintenanceScheduleIdentity: scheduleIdentity } = cluster;
  const isAutomatic = scheduleIdentity !== undefined && automaticTarget(cluster) !== undefined;
  if (!hasLiveUpgrade(cluster) && !isAutomatic) return undefined;
  const newestKey = newestUpgradeKey(cluster);
  const cached = services.referencesCache.get(organisation);
  const items = await services.table.get([
    ...(newestKey === undefined ? [] : [newestKey]),
    ...(scheduleIdentity === undefined ? [] : [organisationKey(organisation)]),
    ...(scheduleIdentity === undefined || cached !== undefined ? [] : [referencesKey(organisation)]),
  ]);
  const read = (key: Key) => items.get(keyText(key));
  const newest = newestKey && read(newestKey);
  const stored = read(organisationKey(organisation));
  const references =
    stored &&
    (await currentReferences(services, organisationEntity.read(stored), cached, read(referencesKey(organisation))));
  return {
    newest: newest && scheduledUpgradeEntity.read(newest),
    // A schedule that does not exist has no windows.
    schedule:
      scheduleIdentity === undefined
        ? undefined
        : {
            identity: scheduleIdentity,
            windows: references?.schedules[scheduleIdentity]?.windows ?? [],
          },
  };
}

function decide(
  { provisioner }: Pick<Services, "provisioner">,
  { cluster, pools, upgrade }: Stored,
  now: Date,
): UpgradeDecision {
  if (upgrade === undefined) return { kind: "wait", until: undefined };
  const unsupported = (version: string) => unsupportedVersion(cluster, version, provisioner);
  return decideUpgrade({ cluster, pools, unsupported, ...upgrade }, now);
}

/** Returns the time until the next step of a cluster's upgrade, in milliseconds; undefined if none is pending. */
export function upgradeDelay(services: Pick<Services, "clock" | "provisioner">, stored: Stored): number | undefined {
  const now = services.clock();
  const decision = decide(services, stored, now);
  if (decision.kind !== "wait") return 0;
  return decision.until && Math.max(0, decision.until.getTime() - now.getTime());
}

/**
 * Makes the next step of a cluster's upgrade: plans, announces, starts or ends it.
 *
 * @returns true if everything must be read again, because the stored state changed
 * @throws AppError unavailable as `commit`
 */
export async function stepUpgrade(services: Services, lease: Lease, stored: Stored): Promise<boolean> {
  const now = services.clock();
  const decision = decide(services, stored, now);
  if (decision.kind === "wait") return false;
  const { cluster } = stored;
  const transaction = new Transaction();
  if (decision.kind === "create") {
    createUpgrade(transaction, decision.upgrade);
    changeReference(transaction, cluster, decision.upgrade);
  } else {
    putUpgrade(transaction, decision.after);
    if (decision.starts) startVersion(transaction, stored, decision.after, now);
    else changeReference(transaction, cluster, decision.after);
  }
  const [before, after] =
    decision.kind === "create" ? [undefined, decision.upgrade] : [decision.before, decision.after];
  const event = upgradeEventOf(before, after);
  if (event !== undefined) {
    appendEvent(services, transaction, event, { clusterIdentity: cluster.identity, at: now.toISOString() });
  }
  renewLease(services, transaction, lease);
  await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  return true;
}

const unchangedRevision = ({ revision }: Cluster) => ({
  condition: "#revision = :revision",
  values: { ":revision": revision },
});

/** Changes the reference of the cluster, if the upgrade began or ended. */
function changeReference(transaction: Transaction, cluster: Cluster & Key, upgrade: ScheduledUpgrade): void {
  const reference = referenceTo(upgrade);
  const { number, state } = cluster.scheduledUpgrade ?? {};
  if (number === reference.number && state === reference.state) return;
  updateReference(transaction, cluster, cluster.identity, reference, unchangedRevision(cluster));
}

/** Requests the version of an upgrade for its cluster, as a user does: with a new generation, and with unfinished node pools. */
function startVersion(
  transaction: Transaction,
  { cluster, pools }: Stored,
  upgrade: ScheduledUpgrade,
  now: Date,
): void {
  const { pk, sk, ...before } = cluster;
  const { toVersion: version } = upgrade;
  const requested: Cluster = {
    ...before,
    version,
    rollbackVersion: rollbackAfter(before, version),
    scheduledUpgrade: referenceTo(upgrade),
    revision: before.revision + 1,
  };
  const after = acceptChange(before, requested, false, now.toISOString());
  const { condition, values } = unchangedRevision(cluster);
  transaction.put("cluster", clusterItemAt({ pk, sk }, after), {
    condition: `#identity = :identity AND ${condition}`,
    values: { ...values, ":identity": cluster.identity },
  });
  putNodePools(transaction, reopenNodePools(pools));
}
