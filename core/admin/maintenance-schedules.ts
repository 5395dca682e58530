/** Creates and lists the maintenance schedules of an organisation. */

import * as v from "valibot";
import type { Services } from "../context.ts";
import { conflict, invalid } from "../shared/errors.ts";
import { maxCharacters, textOfBytes } from "../shared/schemas.ts";
import { validate } from "../shared/validation.ts";
import { addReference, readReferences } from "../tenancy/references.ts";
import { MAX_REFERENCES, type MaintenanceSchedule } from "../tenancy/references-entity.ts";

const DAY = /^(mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?)$/i;
const START_TIME = /^([01]?[0-9]|2[0-3]):[0-5][0-9]$/;

/** Maximum length of a window, one day, in minutes. */
const LONGEST_WINDOW = 1_440;

const CreateSchedule = v.object({
  // All schedules of an organisation share one item; 256 bytes are 64 characters of any kind that JSON does not escape.
  name: v.pipe(textOfBytes(256), v.minLength(1), maxCharacters(64)),
  windows: v.optional(
    v.pipe(
      v.array(
        v.object({
          day: v.pipe(v.string(), v.regex(DAY, "must be a day of the week in English, such as SATURDAY or sat")),
          startTime: v.pipe(v.string(), v.regex(START_TIME, "must be a time in UTC, such as 2:00 or 02:00")),
          duration: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LONGEST_WINDOW)),
        }),
      ),
      v.maxLength(20),
    ),
    [],
  ),
});

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
  const checked = validate(CreateSchedule, input);
  if (checked.problems.length > 0) throw invalid(checked.problems);
  const schedule: MaintenanceSchedule = {
    ...checked.complete(),
    identity: services.ids.identity(),
    createdAt: services.clock().toISOString(),
    revision: 1,
  };
  await addReference(services, organisation, schedule.identity, ({ accounts, schedules }) => {
    if (Object.keys(schedules).length >= MAX_REFERENCES) {
      throw conflict(
        "schedule.limit",
        `Limit reached: an organisation can have at most ${MAX_REFERENCES} maintenance schedules.`,
      );
    }
    return { accounts, schedules: { ...schedules, [schedule.identity]: schedule } };
  });
  return schedule;
}

/** Lists the maintenance schedules of an organisation, oldest first. @throws AppError not found */
export async function listSchedules(services: Services, organisation: string): Promise<MaintenanceSchedule[]> {
  const { schedules } = await readReferences(services, organisation);
  return Object.values(schedules).sort((one, other) => (one.createdAt < other.createdAt ? -1 : 1));
}
