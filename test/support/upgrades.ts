/** Scheduled upgrades and maintenance schedules for tests. */

import { type ScheduledUpgrade, scheduledUpgradeEntity } from "#core/cluster/upgrade-entity.ts";
import type { Services } from "#core/context.ts";
import { type MaintenanceWindow, nextPeriod } from "#core/shared/maintenance-windows.ts";
import { organisationKey, SCHEDULED_UPGRADE_PREFIX } from "#core/table/keys.ts";
import type { Tenant, World } from "./world.ts";

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
  world: Pick<World, "send">,
  { slug, schedule, admin }: Tenant,
  windows: readonly MaintenanceWindow[],
): Promise<void> {
  const path = `/api/v1/organisations/${slug}/maintenance-schedule/${schedule.identity}`;
  const { status, text } = await world.send("PATCH", path, { token: admin, body: { windows } });
  if (status !== 200) throw new Error(`schedule not changed: ${text}`);
}

/** Returns whether a moment is inside of a window. */
export const isOpen = (windows: readonly MaintenanceWindow[], at: Date): boolean =>
  nextPeriod(windows, at)?.start.getTime() === at.getTime();
