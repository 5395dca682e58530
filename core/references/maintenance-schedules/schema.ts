/** Shapes of maintenance schedules in requests and responses. */

import * as v from "valibot";
import type { MaintenanceScheduleResponse } from "../../cluster/schema.ts";
import { DAY_PATTERN, MAX_WINDOW_MINUTES, TIME_PATTERN } from "../../shared/maintenance-windows.ts";
import { maxCharacters, textOfBytes } from "../../shared/schemas.ts";
import type { MaintenanceSchedule } from "../../tenancy/references-entity.ts";

// All schedules of an organisation share one item; 256 bytes are 64 characters of any kind that JSON does not escape.
const name = v.pipe(textOfBytes(256), v.minLength(1), maxCharacters(64));

/** MaintenanceWindow of the API documentation: `day` and `startTime` are stored and returned as sent. */
export const MaintenanceWindow = v.object({
  day: v.pipe(v.string(), v.regex(DAY_PATTERN, "must be a day of the week in English, such as SATURDAY or sat")),
  duration: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(1),
    v.maxValue(MAX_WINDOW_MINUTES),
    v.description("In minutes."),
  ),
  startTime: v.pipe(
    v.string(),
    v.regex(TIME_PATTERN, "must be a time in UTC, such as 2:00 or 02:00"),
    v.description("In UTC."),
  ),
});

const windows = v.pipe(v.array(MaintenanceWindow), v.maxLength(20));

/** CreateMaintenanceSchedule of the API documentation. */
export const CreateMaintenanceSchedule = v.object({ name, windows: v.optional(windows) });
export type CreateMaintenanceSchedule = v.InferOutput<typeof CreateMaintenanceSchedule>;

/** UpdateMaintenanceSchedule of the API documentation. A property that is absent does not change; `windows` replaces all windows. */
export const UpdateMaintenanceSchedule = v.object({ name: v.optional(name), windows: v.optional(windows) });
export type UpdateMaintenanceSchedule = v.InferOutput<typeof UpdateMaintenanceSchedule>;

/** MaintenanceScheduleResponse of the API documentation. */
export type MaintenanceScheduleBody = v.InferOutput<typeof MaintenanceScheduleResponse>;

/**
 * Builds the response for a schedule.
 *
 * @param clusterCount number of clusters that use it and are not deleting
 */
export function toMaintenanceScheduleResponse(
  schedule: MaintenanceSchedule,
  clusterCount: number,
): MaintenanceScheduleBody {
  return {
    clusterCount,
    identity: schedule.identity,
    name: schedule.name,
    windows: schedule.windows.map(({ day, duration, startTime }) => ({ day, duration, startTime })),
  };
}

/**
 * Returns the entity tag of a schedule, without quotes: its revision, and the number of its clusters, which changes without a new revision.
 * An identity is never used again, so the tag does not match a later schedule.
 */
export const maintenanceScheduleEtag = ({ revision }: MaintenanceSchedule, clusterCount: number): string =>
  `${revision}.${clusterCount}`;
