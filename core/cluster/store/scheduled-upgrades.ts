/** Writes scheduled upgrades with the reference of their cluster, in the transaction of the change. */

import type { Change } from "../../events/entity.ts";
import type { RawItem } from "../../table/entity.ts";
import { clusterKey, type Key, scheduledUpgradeKey } from "../../table/keys.ts";
import type { Transaction } from "../../table/transaction.ts";
import type { UpgradeReference } from "../entity.ts";
import type { EventOf, UpgradeChange, UpgradeProperty } from "../event-types.ts";
import { isFinished } from "../rules/scheduled-upgrade.ts";
import { upgradeIdentity } from "../rules/upgrade-reference.ts";
import { KEPT_UPGRADES, type ScheduledUpgrade, scheduledUpgradeEntity } from "../upgrade-entity.ts";
import type { ScheduledClusterUpgradeResponse } from "../upgrade-schema.ts";

/** Builds the item of an upgrade. */
const upgradeItem = (upgrade: ScheduledUpgrade): RawItem =>
  scheduledUpgradeEntity.write(scheduledUpgradeKey(upgrade.organisation, upgrade.identity), upgrade);

/** Returns the reference of a cluster to an upgrade. */
export const referenceTo = (upgrade: ScheduledUpgrade): UpgradeReference => ({
  number: upgrade.number,
  state: isFinished(upgrade) ? "finished" : upgrade.startedAt === undefined ? "waiting" : "started",
});

/** Creates an upgrade, on condition that it does not exist (label `upgrade`), and deletes the one that it replaces in the history. */
export function createUpgrade(transaction: Transaction, upgrade: ScheduledUpgrade): void {
  transaction.create("upgrade", upgradeItem(upgrade));
  const { organisation, clusterIdentity, number } = upgrade;
  if (number <= KEPT_UPGRADES) return;
  transaction.delete(
    "old-upgrade",
    scheduledUpgradeKey(organisation, upgradeIdentity(clusterIdentity, number - KEPT_UPGRADES)),
  );
}

/** Writes a changed upgrade, on condition that the stored one has the revision before (label `upgrade`). */
export const putUpgrade = (transaction: Transaction, upgrade: ScheduledUpgrade): Transaction =>
  transaction.put("upgrade", upgradeItem(upgrade), {
    condition: "#revision = :before",
    values: { ":before": upgrade.revision - 1 },
  });

/** Returns the key of the cluster of an unfinished upgrade, if the cluster owns its slug. */
export const clusterKeyOf = ({ organisation, environment, clusterSlug }: ScheduledUpgrade): Key =>
  clusterKey(organisation, environment, clusterSlug);

/** Builds the response for an upgrade. Absent properties are omitted from the JSON. */
export const toUpgradeResponse = (upgrade: ScheduledUpgrade): ScheduledClusterUpgradeResponse => ({
  automatic: upgrade.automatic,
  clusterIdentity: upgrade.clusterIdentity,
  clusterSlug: upgrade.clusterSlug,
  createdAt: upgrade.createdAt,
  environmentSlug: upgrade.environment,
  fromClusterVersion: upgrade.fromVersion,
  identity: upgrade.identity,
  ignoreMaintenanceSchedule: upgrade.ignoreMaintenanceSchedule,
  modifiedAt: upgrade.modifiedAt,
  organisationSlug: upgrade.organisation,
  reason: upgrade.reason,
  scheduleRequestDate: upgrade.scheduleRequestDate,
  status: upgrade.status,
  toClusterVersion: upgrade.toVersion,
  windowEnd: upgrade.windowEnd,
  windowStart: upgrade.windowStart,
});

/** Properties of a new upgrade in its first event; of a change those that differ. */
const EVENT_PROPERTIES: readonly UpgradeProperty[] = [
  "status",
  "automatic",
  "toClusterVersion",
  "scheduleRequestDate",
  "ignoreMaintenanceSchedule",
  "windowStart",
  "windowEnd",
  "reason",
];

/** Lists the differences between an upgrade before and after a change, for an event. @param before undefined for a new one */
export function diffUpgrades(before: ScheduledUpgrade | undefined, after: ScheduledUpgrade): UpgradeChange[] {
  const from = before && toUpgradeResponse(before);
  const to = toUpgradeResponse(after);
  return EVENT_PROPERTIES.filter((name) => from?.[name] !== to[name]).map(
    (name): Change<`scheduledUpgrades[${string}].${UpgradeProperty}`, string | boolean> => ({
      path: `scheduledUpgrades[${after.identity}].${name}`,
      ...(from?.[name] === undefined ? {} : { from: from[name] }),
      ...(to[name] === undefined ? {} : { to: to[name] }),
    }),
  );
}

/** Builds the event of a change by the reconciler; undefined if only the reason of a waiting upgrade changes. */
export function upgradeEventOf(before: ScheduledUpgrade | undefined, after: ScheduledUpgrade): EventOf | undefined {
  const changes = diffUpgrades(before, after);
  if (before?.status !== after.status) {
    const isStart = after.status === "IN_PROGRESS";
    const version: UpgradeChange = { path: "version", from: after.fromVersion, to: after.toVersion };
    return { type: "scheduled-upgrade.status-changed", changes: isStart ? [...changes, version] : changes };
  }
  return before.windowStart === after.windowStart && before.windowEnd === after.windowEnd
    ? undefined
    : { type: "scheduled-upgrade.rescheduled", changes };
}
