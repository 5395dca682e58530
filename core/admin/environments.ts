/** Creates, lists and removes environments. */

import * as v from "valibot";
import type { Services } from "../context.ts";
import { buildFirstChunk, newBucketId } from "../listing/page-index.ts";
import { type AppError, conflict, invalid, notFound } from "../shared/errors.ts";
import { type Deadline, deadlineIn } from "../shared/retry.ts";
import { maxCharacters, text } from "../shared/schemas.ts";
import { isOrganisationSlug, isSlug, NAME_PATTERN, slugOf } from "../shared/slug.ts";
import { validate } from "../shared/validation.ts";
import { ENVIRONMENT_PREFIX, environmentKey, organisationKey, totalKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import { type Environment, environmentEntity, environmentTypes } from "../tenancy/environment.ts";
import { deleteEmpty, deletionUnfinished, readEnvironment } from "../tenancy/environment-deletion.ts";
import { MAX_ENVIRONMENTS, organisationNotFound } from "../tenancy/organisation.ts";
import { requireOrganisation } from "./organisations.ts";

/** Delay before a client retries while the clusters of a deleted environment are removed, in seconds. */
const REMOVAL_SECONDS = 30;

const CreateEnvironment = v.object({
  name: v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(25),
    v.regex(NAME_PATTERN, "must be ASCII letters, digits, spaces, - and &, with at least one letter or digit"),
  ),
  type: v.picklist(environmentTypes),
  purpose: v.optional(v.pipe(text, maxCharacters(255))),
  description: v.optional(v.pipe(text, maxCharacters(500))),
});

/**
 * Creates an environment and its part of the page index.
 *
 * @param organisation slug of the organisation
 * @param input name of 1 to 25 characters, type, purpose, description
 * @throws AppError invalid; not found for the organisation; conflict if the slug is taken or the limit is reached
 */
export async function createEnvironment(
  services: Services,
  organisation: string,
  input: unknown,
): Promise<Environment> {
  const checked = validate(CreateEnvironment, input);
  if (checked.problems.length > 0) throw invalid(checked.problems);
  if (!isOrganisationSlug(organisation)) throw organisationNotFound(organisation);
  const { name, type, purpose = "", description = "" } = checked.complete();
  const now = services.clock().toISOString();
  const environment: Environment = {
    identity: services.ids.identity(),
    id: services.ids.number(),
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
  const key = environmentKey(organisation, environment.slug);
  const transaction = new Transaction()
    .create("environment", environmentEntity.write(key, environment))
    .put("index", buildFirstChunk(organisation, environment, newBucketId(services.ids.number())))
    .update("total", totalKey(organisation), "ADD #environments :one", {
      condition: "#environments < :most",
      values: { ":one": 1, ":most": MAX_ENVIRONMENTS },
    });
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  const failed = new Map(failures.map((failure) => [failure.label, failure]));
  const owner = failed.get("environment")?.present;
  if (owner?.identity === environment.identity) return environment;
  if (owner?.deletedAt !== undefined) {
    throw conflict(
      "environment.slug_taken",
      `name: an environment with the slug "${environment.slug}" is still being deleted; try again later`,
      REMOVAL_SECONDS,
    );
  }
  if (owner !== undefined) {
    throw conflict(
      "environment.slug_taken",
      `name: the slug "${environment.slug}" is already used by the environment "${environmentEntity.read(owner).name}"`,
    );
  }
  const total = failed.get("total");
  if (total !== undefined) {
    if (total.present === undefined) throw organisationNotFound(organisation);
    throw conflict(
      "organisation.environment_limit",
      `Limit reached: an organisation can have at most ${MAX_ENVIRONMENTS} environments.`,
    );
  }
  return environment;
}

/** Lists the environments of an organisation by slug, without those that are being deleted. @throws AppError not found */
export async function listEnvironments(services: Services, organisation: string): Promise<Environment[]> {
  return (await listAllEnvironments(services, organisation)).filter(({ deletedAt }) => deletedAt === undefined);
}

/** Lists the environments of an organisation by slug, including those that are being deleted. @throws AppError not found */
export async function listAllEnvironments(services: Services, organisation: string): Promise<Environment[]> {
  await requireOrganisation(services, organisation);
  const { pk } = organisationKey(organisation);
  const items = await services.table.query({ pk, prefix: ENVIRONMENT_PREFIX });
  return items.map((item): Environment => environmentEntity.read(item));
}

/** Reads one environment. @throws AppError not found, also while it is being deleted */
export async function getEnvironment(services: Services, organisation: string, slug: string): Promise<Environment> {
  const isPath = isOrganisationSlug(organisation) && isSlug(slug);
  const environment = isPath ? await readEnvironment(services, organisation, slug) : undefined;
  if (environment === undefined || environment.deletedAt !== undefined) {
    throw notFound("environment.missing", `There is no environment "${slug}" in organisation "${organisation}".`);
  }
  return environment;
}

/**
 * Removes an environment without clusters, and its part of the page index. If it contains only deleting clusters, it is hidden
 * at once together with them. The removal of the last cluster then removes the environment.
 *
 * @throws AppError not found; conflict while it contains clusters that are not deleting; unavailable if the time was too short:
 *   then it still exists with a complete index, and the next attempt has less to do
 */
export async function removeEnvironment(services: Services, organisation: string, slug: string): Promise<void> {
  const deadline = deadlineIn(services.writeTimeoutMs);
  let environment: Environment | undefined = await getEnvironment(services, organisation, slug);
  const { identity } = environment;
  for (;;) {
    // Another request removed it. An environment that was created since with the same name must stay.
    if (environment?.identity !== identity || environment.deletedAt !== undefined) return;
    if (environment.totalClusters > 0) throw notEmpty(slug);
    const done =
      environment.heldClusters === 0
        ? await deleteEmpty(services, organisation, environment, deadline)
        : await markDeleted(services, organisation, environment, deadline);
    if (done) return;
    if (deadline.expired()) throw deletionUnfinished(slug);
    environment = await readEnvironment(services, organisation, slug);
  }
}

/** Hides an environment and its deleting clusters. @returns false if the environment changed since it was read */
async function markDeleted(
  services: Services,
  organisation: string,
  { identity, slug }: Environment,
  deadline: Deadline,
): Promise<boolean> {
  const transaction = new Transaction()
    .update(
      "environment",
      environmentKey(organisation, slug),
      "SET #deletedAt = :now, #modifiedAt = :now ADD #revision :one",
      {
        // Without a deleting cluster, no later removal of a cluster would remove the environment.
        condition:
          "#identity = :identity AND #totalClusters = :none AND #heldClusters > :none AND attribute_not_exists(#deletedAt)",
        values: { ":identity": identity, ":none": 0, ":now": services.clock().toISOString(), ":one": 1 },
      },
    )
    // Lists of the whole organisation do not read environments: they find the hidden ones here.
    .update("organisation", organisationKey(organisation), "ADD #deletedEnvironments :gone", {
      condition: "attribute_exists(#pk)",
      values: { ":gone": new Set([identity]) },
    });
  return (await commit(services.table, transaction, deadline)).length === 0;
}

const notEmpty = (slug: string): AppError =>
  conflict("environment.not_empty", `The environment "${slug}" still contains clusters; delete or move them first.`);
