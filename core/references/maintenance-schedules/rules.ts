/** Decides about writes of maintenance schedules. Pure functions. */

import type { Change } from "../../events/entity.ts";
import { type Precondition, revisionMismatch } from "../../request/preconditions.ts";
import { type AppError, conflict, invalid, notFound, type Problem } from "../../shared/errors.ts";
import { formatValue, type Validated } from "../../shared/validation.ts";
import { MAX_REFERENCES, type MaintenanceSchedule, type References } from "../../tenancy/references-entity.ts";
import type { ReferenceElements, ReferencesChange } from "../store.ts";
import { type CreateMaintenanceSchedule, maintenanceScheduleEtag, type UpdateMaintenanceSchedule } from "./schema.ts";

/** Returns the path of a schedule in the changes of events. */
const schedulePath = ({ identity }: Pick<MaintenanceSchedule, "identity">) =>
  `maintenanceSchedules[${identity}]` as const;

/** Returns the properties of a schedule that events of its creation and deletion contain. */
const scheduleSettings = ({ name, windows }: MaintenanceSchedule) => ({ name, windows });

/**
 * Finds a schedule.
 *
 * @param given identity, case-insensitive
 * @throws AppError not found
 */
export function findSchedule({ schedules }: References, given: string, organisation: string): MaintenanceSchedule {
  const identity = given.toLowerCase();
  const schedule = Object.hasOwn(schedules, identity) ? schedules[identity] : undefined;
  if (schedule !== undefined) return schedule;
  throw notFound(
    "schedule.missing",
    `There is no maintenance schedule ${formatValue(given)} in organisation "${organisation}".`,
  );
}

/** Decision about a write, with the schedule after it. */
type Decision =
  | { kind: "refuse"; error: AppError }
  | { kind: "write"; schedule: MaintenanceSchedule; change: ReferencesChange; properties: readonly string[] };

const withSchedule = ({ accounts, schedules }: ReferenceElements, schedule: MaintenanceSchedule) => ({
  accounts,
  schedules: { ...schedules, [schedule.identity]: schedule },
});

/**
 * Decides about the creation of a schedule, in the contract's order: problems, conflicts.
 *
 * @param problems problems of the request in addition to those of the body
 * @param generated identity and time of creation (RFC 3339)
 */
export function decideCreate(
  body: Validated<CreateMaintenanceSchedule>,
  problems: readonly Problem[],
  references: References,
  generated: Pick<MaintenanceSchedule, "identity" | "createdAt">,
): Decision {
  const all = [...problems, ...body.problems];
  if (all.length > 0) return { kind: "refuse", error: invalid(all) };
  if (Object.keys(references.schedules).length >= MAX_REFERENCES) return { kind: "refuse", error: limitReached() };
  const { name, windows = [] } = body.complete();
  const schedule: MaintenanceSchedule = { ...generated, name, windows, revision: 1 };
  const changes = [{ path: schedulePath(schedule), to: scheduleSettings(schedule) }];
  const change: ReferencesChange = {
    after: withSchedule(references, schedule),
    event: { type: "maintenance-schedule.created", changes },
    created: schedule.identity,
  };
  return { kind: "write", schedule, change, properties: [] };
}

const limitReached = (): AppError =>
  conflict(
    "schedule.limit",
    `Limit reached: an organisation can have at most ${MAX_REFERENCES} maintenance schedules.`,
  );

/** Existing schedule and the request to change or delete it. */
interface WriteState {
  schedule: MaintenanceSchedule;
  /** Number of clusters that use it and are not deleting. */
  clusters: number;
  references: References;
  /** Problems of the request in addition to those of a body. */
  problems: readonly Problem[];
  precondition: Precondition | undefined;
}

function refusal({ schedule, clusters, precondition }: WriteState, problems: readonly Problem[]): AppError | undefined {
  if (problems.length > 0) return invalid(problems);
  return revisionMismatch(precondition, maintenanceScheduleEtag(schedule, clusters));
}

/** Properties that users can change. */
const UPDATABLE = ["name", "windows"] as const satisfies readonly (keyof UpdateMaintenanceSchedule)[];

/** Decides about a change of a schedule, in the contract's order: problems, precondition. Equal values are no change. */
export function decideUpdate(
  state: WriteState,
  body: Validated<UpdateMaintenanceSchedule>,
): Decision | { kind: "unchanged" } {
  const error = refusal(state, [...state.problems, ...body.problems]);
  if (error !== undefined) return { kind: "refuse", error };
  const { schedule: before, references } = state;
  const { name = before.name, windows = before.windows } = body.complete();
  const after: MaintenanceSchedule = { ...before, name, windows, revision: before.revision + 1 };
  const properties = UPDATABLE.filter((property) => textOf(after[property]) !== textOf(before[property]));
  if (properties.length === 0) return { kind: "unchanged" };
  const changes = properties.map(
    (property): Change<`${ReturnType<typeof schedulePath>}.${string}`> => ({
      path: `${schedulePath(before)}.${property}`,
      from: before[property],
      to: after[property],
    }),
  );
  const event = { type: "maintenance-schedule.updated", changes } as const;
  return { kind: "write", schedule: after, change: { after: withSchedule(references, after), event }, properties };
}

/** Returns a text that is equal for equal values, whatever the order of a window's properties. */
const textOf = (value: MaintenanceSchedule["name" | "windows"]): string =>
  JSON.stringify(
    typeof value === "string" ? value : value.map(({ day, startTime, duration }) => [day, startTime, duration]),
  );

/** Decides about the deletion of a schedule, in the contract's order: problems, precondition, conflicts. */
export function decideDelete(state: WriteState): Decision {
  const { schedule, clusters, references } = state;
  const error = refusal(state, state.problems);
  if (error !== undefined) return { kind: "refuse", error };
  if (clusters > 0) return { kind: "refuse", error: inUse(schedule, clusters) };
  const { [schedule.identity]: _, ...schedules } = references.schedules;
  const changes = [{ path: schedulePath(schedule), from: scheduleSettings(schedule) }];
  const change: ReferencesChange = {
    after: { accounts: references.accounts, schedules },
    event: { type: "maintenance-schedule.deleted", changes },
    removed: schedule.identity,
  };
  return { kind: "write", schedule, change, properties: [] };
}

const inUse = ({ name }: MaintenanceSchedule, clusters: number): AppError =>
  conflict(
    "schedule.in_use",
    `The maintenance schedule ${formatValue(name)} is used by ${clusters === 1 ? "1 cluster" : `${clusters} clusters`}; give them another schedule or none, or delete them first.`,
  );
