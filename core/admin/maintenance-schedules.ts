/** Creates and lists the maintenance schedules of an organisation. */

import type { Services } from "../context.ts";
import { decideCreate } from "../references/maintenance-schedules/rules.ts";
import { CreateMaintenanceSchedule } from "../references/maintenance-schedules/schema.ts";
import { invalid } from "../shared/errors.ts";
import { byAge } from "../shared/order.ts";
import { validate } from "../shared/validation.ts";
import { readReferences } from "../tenancy/references.ts";
import type { MaintenanceSchedule } from "../tenancy/references-entity.ts";
import { writeAsOperator } from "./references.ts";

/**
 * Creates a maintenance schedule.
 *
 * @param organisation slug of the organisation
 * @param input name; at most 20 windows of day, startTime in UTC, duration in minutes. The spelling is stored as sent
 * @throws AppError invalid; not found; conflict if the limit is reached
 */
export async function createSchedule(
  services: Services,
  organisation: string,
  input: unknown,
): Promise<MaintenanceSchedule> {
  const body = validate(CreateMaintenanceSchedule, input);
  if (body.problems.length > 0) throw invalid(body.problems);
  const identity = services.ids.identity();
  const { schedule } = await writeAsOperator(services, organisation, (references, createdAt) =>
    decideCreate(body, [], references, { identity, createdAt }),
  );
  return schedule;
}

/** Lists the maintenance schedules of an organisation, oldest first. @throws AppError not found */
export async function listSchedules(services: Services, organisation: string): Promise<MaintenanceSchedule[]> {
  const { schedules } = await readReferences(services, organisation);
  return Object.values(schedules).sort(byAge);
}
