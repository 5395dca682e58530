/** Lists and gets maintenance schedules for members of their organisation. */

import { authorize } from "../../access/authorize.ts";
import { type Context, type NoOptions, requireValid } from "../../context.ts";
import type { Representation } from "../../request/idempotency.ts";
import { byAge } from "../../shared/order.ts";
import type { Parsed } from "../../shared/validation.ts";
import type { RawItem } from "../../table/entity.ts";
import { keyText, usageKey } from "../../table/keys.ts";
import { usageEntity } from "../../tenancy/references-entity.ts";
import { requireListAccess } from "../memberships.ts";
import { readUsage, usageKeysOf } from "../write.ts";
import { findSchedule } from "./rules.ts";
import { type MaintenanceScheduleBody, toMaintenanceScheduleResponse } from "./schema.ts";
import { representSchedule } from "./write.ts";

const clustersIn = (usage: RawItem | undefined): number => (usage === undefined ? 0 : usageEntity.read(usage).clusters);

/**
 * Lists the maintenance schedules of an organisation, oldest first, each with the number of clusters that use it and are not
 * deleting. Two database round trips: the keys of the counters are known only after the first.
 *
 * @throws AppError as `authorize`; forbidden for a billing-admin; invalid for the options
 */
export async function list(
  context: Context,
  input: { organisation: string; options: Parsed<NoOptions> },
): Promise<MaintenanceScheduleBody[]> {
  const { organisation } = input;
  const { member, references } = await authorize(context, { path: { organisation } });
  requireListAccess(member, "maintenance schedules");
  requireValid(context, input.options);
  const schedules = Object.values(references.schedules).sort(byAge);
  const usage = await context.table.get(schedules.map(({ identity }) => usageKey(organisation, identity)));
  return schedules.map((schedule) =>
    toMaintenanceScheduleResponse(schedule, clustersIn(usage.get(keyText(usageKey(organisation, schedule.identity))))),
  );
}

/**
 * Gets one maintenance schedule. One database round trip.
 *
 * @param input organisation (slug), schedule (identity, case-insensitive)
 * @throws AppError as `authorize`; forbidden for a billing-admin; not found; invalid for the options
 */
export async function get(
  context: Context,
  input: { organisation: string; schedule: string; options: Parsed<NoOptions> },
): Promise<Representation<MaintenanceScheduleBody>> {
  const { organisation } = input;
  const keys = () => usageKeysOf(organisation, input.schedule);
  const authorized = await authorize(context, { path: { organisation }, keys });
  requireListAccess(authorized.member, "maintenance schedules");
  const schedule = findSchedule(authorized.references, input.schedule, organisation);
  requireValid(context, input.options);
  return representSchedule(schedule, readUsage(authorized, keys()).clusters);
}
