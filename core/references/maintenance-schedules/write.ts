/** Creates, changes and deletes maintenance schedules. */

import type { Context, WriteOptions } from "../../context.ts";
import type { Representation } from "../../request/idempotency.ts";
import type { Precondition } from "../../request/preconditions.ts";
import type { WriteResult } from "../../request/write.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import type { MaintenanceSchedule } from "../../tenancy/references-entity.ts";
import { type ReferencesState, writeReferences } from "../write.ts";
import { decideCreate, decideDelete, decideUpdate, findSchedule } from "./rules.ts";
import {
  CreateMaintenanceSchedule,
  type MaintenanceScheduleBody,
  maintenanceScheduleEtag,
  toMaintenanceScheduleResponse,
  UpdateMaintenanceSchedule,
} from "./schema.ts";

/** Parses the body of a creation. @param body as sent */
export const parseCreate = (body: unknown): Validated<CreateMaintenanceSchedule> =>
  validate(CreateMaintenanceSchedule, body);

/** Parses the body of a change. @param body as sent */
export const parseUpdate = (body: unknown): Validated<UpdateMaintenanceSchedule> =>
  validate(UpdateMaintenanceSchedule, body);

/** Builds the representation of a schedule. @param clusters number of clusters that use it and are not deleting */
export const representSchedule = (
  schedule: MaintenanceSchedule,
  clusters: number,
): Representation<MaintenanceScheduleBody> => ({
  kind: "representation",
  body: toMaintenanceScheduleResponse(schedule, clusters),
  etag: maintenanceScheduleEtag(schedule, clusters),
});

/** Request to create a schedule. */
interface CreateInput {
  organisation: string;
  options: Parsed<WriteOptions>;
  body: Validated<CreateMaintenanceSchedule>;
}

/**
 * Creates a maintenance schedule, with the counter of its clusters. Two database round trips.
 *
 * @throws AppError as `authorize`; invalid with every problem; conflict for the limits
 */
export function create(context: Context, input: CreateInput): Promise<WriteResult<MaintenanceScheduleBody>> {
  const identity = context.ids.identity();
  const { body } = input;
  return writeReferences(context, input, ({ references, now, problems }) => {
    const decision = decideCreate(body, problems(body.unknown), references, { identity, createdAt: now });
    if (decision.kind === "refuse") return decision;
    const response = representSchedule(decision.schedule, 0);
    const { identity: _, ...rehearsed } = response.body;
    return { ...decision, response, rehearsed };
  });
}

/** Request about one schedule: `schedule` is its identity, case-insensitive. */
interface OneInput {
  organisation: string;
  schedule: string;
  options: Parsed<WriteOptions>;
  precondition?: Precondition;
}

/** Finds the schedule of a request, and what decides about it. */
function stateOf(input: OneInput, { references, usage, problems }: ReferencesState, unknown: readonly string[]) {
  const { clusters } = usage;
  const schedule = findSchedule(references, input.schedule, input.organisation);
  return { schedule, clusters, references, problems: problems(unknown), precondition: input.precondition };
}

const requestOf = (input: OneInput) => ({ ...input, usageOf: input.schedule });

/**
 * Changes a maintenance schedule: the whole request, or nothing. Two database round trips, one if nothing changes.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem; preconditionFailed
 */
export const update = (
  context: Context,
  input: OneInput & { body: Validated<UpdateMaintenanceSchedule> },
): Promise<WriteResult<MaintenanceScheduleBody>> =>
  writeReferences(context, requestOf(input), (current) => {
    const state = stateOf(input, current, input.body.unknown);
    const decision = decideUpdate(state, input.body);
    if (decision.kind === "refuse") return decision;
    if (decision.kind === "unchanged")
      return { ...decision, response: representSchedule(state.schedule, state.clusters) };
    const response = representSchedule(decision.schedule, state.clusters);
    return { ...decision, response, rehearsed: response.body };
  });

/**
 * Deletes a maintenance schedule that no cluster uses, except deleting ones. Two database round trips.
 *
 * @throws AppError as `authorize`; not found; invalid; preconditionFailed; conflict while clusters use it
 */
export const remove = (context: Context, input: OneInput): Promise<WriteResult<MaintenanceScheduleBody>> =>
  writeReferences(context, requestOf(input), (current) => {
    const state = stateOf(input, current, []);
    const decision = decideDelete(state);
    if (decision.kind === "refuse") return decision;
    return { ...decision, response: representSchedule(state.schedule, state.clusters), rehearsed: {} };
  });
