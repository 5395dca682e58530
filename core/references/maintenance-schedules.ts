/** Lists and gets maintenance schedules for members of their organisation. */

import * as v from "valibot";
import { authorize } from "../access/authorize.ts";
import type { MaintenanceScheduleResponse } from "../cluster/schema.ts";
import { type Context, type NoOptions, requireValid } from "../context.ts";
import { notFound } from "../shared/errors.ts";
import { uuid } from "../shared/schemas.ts";
import { formatValue, type Parsed } from "../shared/validation.ts";
import type { RawItem } from "../table/entity.ts";
import { keyText, usageKey } from "../table/keys.ts";
import { type MaintenanceSchedule, usageEntity } from "../tenancy/references-entity.ts";
import { requireListAccess } from "./memberships.ts";

type Response = v.InferOutput<typeof MaintenanceScheduleResponse>;

/** Builds the response for a schedule. @param usage item that counts its clusters */
function toMaintenanceScheduleResponse(schedule: MaintenanceSchedule, usage: RawItem | undefined): Response {
  return {
    clusterCount: usage === undefined ? 0 : usageEntity.read(usage).clusters,
    identity: schedule.identity,
    name: schedule.name,
    windows: schedule.windows.map(({ day, duration, startTime }) => ({ day, duration, startTime })),
  };
}

const byAge = (one: MaintenanceSchedule, other: MaintenanceSchedule) =>
  `${one.createdAt} ${one.identity}` < `${other.createdAt} ${other.identity}` ? -1 : 1;

/**
 * Lists the maintenance schedules of an organisation, oldest first, each with the number of clusters that use it and are not
 * deleting. Two database round trips: the keys of the counters are known only after the first.
 *
 * @throws AppError as `authorize`; forbidden for a billing-admin; invalid for the options
 */
export async function listMaintenanceSchedules(
  context: Context,
  input: { organisation: string; options: Parsed<NoOptions> },
): Promise<Response[]> {
  const { organisation } = input;
  const { member, references } = await authorize(context, { path: { organisation } });
  requireListAccess(member, "maintenance schedules");
  requireValid(context, input.options);
  const schedules = Object.values(references.schedules).sort(byAge);
  const usage = await context.table.get(schedules.map(({ identity }) => usageKey(organisation, identity)));
  return schedules.map((schedule) =>
    toMaintenanceScheduleResponse(schedule, usage.get(keyText(usageKey(organisation, schedule.identity)))),
  );
}

/**
 * Gets one maintenance schedule. One database round trip.
 *
 * @param input organisation (slug), schedule (identity, case-insensitive)
 * @throws AppError as `authorize`; forbidden for a billing-admin; not found; invalid for the options
 */
export async function getMaintenanceSchedule(
  context: Context,
  input: { organisation: string; schedule: string; options: Parsed<NoOptions> },
): Promise<Response> {
  const { organisation } = input;
  const identity = input.schedule.toLowerCase();
  const authorized = await authorize(context, {
    path: { organisation },
    keys: () => (v.is(uuid, identity) ? [usageKey(organisation, identity)] : []),
  });
  requireListAccess(authorized.member, "maintenance schedules");
  const { schedules } = authorized.references;
  const schedule = Object.hasOwn(schedules, identity) ? schedules[identity] : undefined;
  if (schedule === undefined) {
    throw notFound(
      "schedule.missing",
      `There is no maintenance schedule ${formatValue(input.schedule)} in organisation "${organisation}".`,
    );
  }
  requireValid(context, input.options);
  return toMaintenanceScheduleResponse(schedule, authorized.prefetched(usageKey(organisation, identity)));
}
