/** Scheduled upgrades and maintenance schedules for tests. */

import { type ScheduledUpgrade, scheduledUpgradeEntity } from "#core/cluster/upgrade-entity.ts";
import type { Services } from "#core/context.ts";
import type { MaintenanceWindow } from "#core/shared/maintenance-windows.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { organisationKey, SCHEDULED_UPGRADE_PREFIX } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { readReferences } from "#core/tenancy/references.ts";
import { buildReferencesItem } from "#core/tenancy/references-entity.ts";
import type { Tenant } from "./world.ts";

/** Reads every scheduled upgrade of an organisation, oldest first. */
export async function upgradesOf(services: Services, organisation: string): Promise<ScheduledUpgrade[]> {
  const { pk } = organisationKey(organisation);
  const items = await services.table.query({ pk, prefix: SCHEDULED_UPGRADE_PREFIX });
  return items
    .map((item): ScheduledUpgrade => scheduledUpgradeEntity.read(item))
    .sort((one, other) => one.clusterIdentity.localeCompare(other.clusterIdentity) || one.number - other.number);
}

/** Replaces the windows of a tenant's schedule. */
export async function changeWindows(
  services: Services,
  { slug, schedule }: Tenant,
  windows: readonly MaintenanceWindow[],
): Promise<void> {
  const references = await readReferences(services, slug);
  const present = references.schedules[schedule.identity];
  if (present === undefined) throw new Error("schedule not found");
  const revision = references.revision + 1;
  const schedules = { ...references.schedules, [schedule.identity]: { ...present, windows: [...windows], revision } };
  const transaction = new Transaction()
    .put("references", buildReferencesItem(slug, { ...references, schedules, revision }))
    .update("organisation", organisationKey(slug), "SET #referencesRevision = :revision", {
      values: { ":revision": revision },
    });
  if ((await commit(services.table, transaction, deadlineIn())).length > 0) throw new Error("schedule not changed");
}
