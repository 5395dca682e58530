/** Decides about writes of environments. Pure functions. */

import type { Change } from "../../events/entity.ts";
import type { OrganisationEvent } from "../../events/organisation-events.ts";
import { type Precondition, revisionMismatch } from "../../request/preconditions.ts";
import { type AppError, conflict, invalid, type Problem } from "../../shared/errors.ts";
import { slugOf } from "../../shared/slug.ts";
import type { Validated } from "../../shared/validation.ts";
import { type Environment, environmentPath } from "../../tenancy/environment.ts";
import { MAX_ENVIRONMENTS, type Total } from "../../tenancy/organisation.ts";
import { type CreateEnvironment, environmentEtag, type UpdateEnvironment } from "./schema.ts";

/** Delay before a client retries while the clusters of a deleted environment are removed, in seconds. */
const REMOVAL_SECONDS = 30;

/** Values that the server generates for a new environment, the same for all attempts: an own write is recognised by them. */
export interface GeneratedIds {
  identity: string;
  /** Numeric id. */
  id: number;
}

/** Request to create an environment, and the state that decides about it. */
export interface CreateState {
  body: Validated<CreateEnvironment>;
  /** Problems of the request in addition to those of the body. */
  problems: readonly Problem[];
  /** Environment that has the slug, also one that is being deleted. */
  owner: Environment | undefined;
  total: Total;
  generated: GeneratedIds;
  /** RFC 3339. */
  now: string;
}

/** Decision about the creation of an environment. `exists`: an earlier attempt of this request wrote it. */
export type CreateDecision =
  | { kind: "refuse"; error: AppError }
  | { kind: "exists"; environment: Environment }
  | { kind: "write"; environment: Environment };

/** Returns the slug of a new environment, if its name has one: the first read needs it before the request is validated. */
export const slugIn = (name: string | undefined): string | undefined =>
  (name === undefined ? "" : slugOf(name.slice(0, 25))) || undefined;

/** Decides about the creation of an environment, in the contract's order: problems, conflicts. */
export function decideCreate({ body, problems, owner, total, generated, now }: CreateState): CreateDecision {
  const all = [...problems, ...body.problems];
  if (all.length > 0) return { kind: "refuse", error: invalid(all) };
  // An earlier attempt succeeded, and its response was lost.
  if (owner?.identity === generated.identity) return { kind: "exists", environment: owner };
  if (owner !== undefined) return { kind: "refuse", error: slugTaken(owner) };
  if (total.environments >= MAX_ENVIRONMENTS) return { kind: "refuse", error: limitReached() };
  const { name, type = "other", purpose = "", description = "" } = body.complete();
  const environment: Environment = {
    ...generated,
    slug: slugOf(name),
    name,
    purpose,
    type,
    description,
    totalClusters: 0,
    totalCpu: 0,
    totalMemory: 0,
    heldClusters: 0,
    createdAt: now,
    modifiedAt: now,
    revision: 1,
  };
  return { kind: "write", environment };
}

const slugTaken = ({ slug, name, deletedAt }: Environment): AppError =>
  deletedAt === undefined
    ? conflict(
        "environment.slug_taken",
        `name: the slug "${slug}" is already used by the environment ${JSON.stringify(name)}`,
      )
    : conflict(
        "environment.slug_taken",
        `name: an environment with the slug "${slug}" is still being deleted; try again later`,
        REMOVAL_SECONDS,
      );

const limitReached = (): AppError =>
  conflict(
    "organisation.environment_limit",
    `Limit reached: an organisation can have at most ${MAX_ENVIRONMENTS} environments.`,
  );

/** Request to change or delete an environment, and the state that decides about it. */
export interface WriteState {
  environment: Environment;
  /** Problems of the request in addition to those of a body. */
  problems: readonly Problem[];
  precondition: Precondition | undefined;
}

/** Decision about a change of an environment. */
export type UpdateDecision =
  | { kind: "refuse"; error: AppError }
  | { kind: "unchanged" }
  | { kind: "write"; after: Environment; properties: readonly UpdatableName[]; event: OrganisationEvent };

/** Properties that users can change. */
const UPDATABLE = ["name", "type", "purpose", "description"] as const satisfies readonly (keyof UpdateEnvironment)[];
type UpdatableName = (typeof UPDATABLE)[number];

/**
 * Decides about a change of an environment, in the contract's order: problems, precondition. Absent properties and values equal to the
 * stored ones are no change. The slug never changes, because paths and clusters refer to it.
 */
export function decideUpdate(state: WriteState, body: Validated<UpdateEnvironment>): UpdateDecision {
  const { environment: before, precondition } = state;
  const problems = [...state.problems, ...body.problems];
  if (problems.length > 0) return { kind: "refuse", error: invalid(problems) };
  const mismatch = revisionMismatch(precondition, environmentEtag(before));
  if (mismatch !== undefined) return { kind: "refuse", error: mismatch };
  const {
    name = before.name,
    type = before.type,
    purpose = before.purpose,
    description = before.description,
  } = body.complete();
  const after: Environment = { ...before, name, type, purpose, description };
  const properties = UPDATABLE.filter((property) => after[property] !== before[property]);
  if (properties.length === 0) return { kind: "unchanged" };
  const path = environmentPath(before);
  const changes = properties.map(
    (property): Change<`${typeof path}.${UpdatableName}`> => ({
      path: `${path}.${property}`,
      from: before[property],
      to: after[property],
    }),
  );
  return { kind: "write", after, properties, event: { type: "environment.updated", changes } };
}

/** Decision about a deletion. `hide`: only deleting clusters are left, and the removal of the last removes the environment. */
type DeleteDecision = { kind: "refuse"; error: AppError } | { kind: "remove" } | { kind: "hide" };

/** Decides about the deletion of an environment, in the contract's order: problems, precondition, conflicts. */
export function decideDelete({ environment, problems, precondition }: WriteState): DeleteDecision {
  if (problems.length > 0) return { kind: "refuse", error: invalid(problems) };
  const mismatch = revisionMismatch(precondition, environmentEtag(environment));
  if (mismatch !== undefined) return { kind: "refuse", error: mismatch };
  if (environment.totalClusters > 0) return { kind: "refuse", error: notEmpty(environment.slug) };
  return { kind: environment.heldClusters === 0 ? "remove" : "hide" };
}

const notEmpty = (slug: string): AppError =>
  conflict("environment.not_empty", `The environment "${slug}" still contains clusters; delete or move them first.`);
