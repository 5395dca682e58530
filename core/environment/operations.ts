/** Making, listing and removing environments. */

import * as v from "valibot";
import type { Services } from "../context.ts";
import { type AppError, conflict, invalid, missing } from "../errors.ts";
import { firstChunk, newBucketId } from "../listing/page-index.ts";
import { removeEmptyBuckets } from "../listing/page-index-repair.ts";
import { noSuchOrganisation, requireOrganisation } from "../organisation/operations.ts";
import { MAX_ENVIRONMENTS } from "../organisation/schema.ts";
import { text } from "../schema.ts";
import { isOrganisationSlug, isSlug, NAME_PATTERN, slugOf } from "../slug.ts";
import {
  ENVIRONMENT_PREFIX,
  environmentKey,
  indexChunkKey,
  keyText,
  organisationKey,
  totalKey,
} from "../table/keys.ts";
import { deadlineIn } from "../table/pause.ts";
import { commit, Transaction } from "../table/transact.ts";
import { check } from "../validation.ts";
import { type Environment, environmentEntity, environmentTypes } from "./schema.ts";

const CreateEnvironment = v.object({
  name: v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(25),
    v.regex(NAME_PATTERN, "must be ASCII letters, digits, spaces, - and &, with at least one letter or digit"),
  ),
  type: v.picklist(environmentTypes),
  purpose: v.optional(v.pipe(text, v.maxLength(255))),
  description: v.optional(v.pipe(text, v.maxLength(500))),
});

/**
 * Makes an environment and its part of the page index.
 *
 * @param organisation its slug
 * @param input name of 1 to 25 characters, type, purpose, description
 * @throws AppError invalid; missing for the organisation; conflict where the slug is held or the organisation is full
 */
export async function createEnvironment(
  services: Services,
  organisation: string,
  input: unknown,
): Promise<Environment> {
  const checked = check(CreateEnvironment, input);
  if (checked.problems.length > 0) throw invalid(checked.problems);
  if (!isOrganisationSlug(organisation)) throw noSuchOrganisation(organisation);
  const { name, type, purpose = "", description = "" } = checked.complete();
  const now = services.clock().toISOString();
  const environment: Environment = {
    identity: services.draw.identity(),
    id: services.draw.number(),
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
    .put("index", firstChunk(organisation, environment, newBucketId(services.draw.number())))
    .update("total", totalKey(organisation), "ADD #environments :one", {
      condition: "#environments < :most",
      values: { ":one": 1, ":most": MAX_ENVIRONMENTS },
    });
  const failures = await commit(services.table, transaction, deadlineIn(services.patienceMs));
  const failed = new Map(failures.map((failure) => [failure.label, failure]));
  const holder = failed.get("environment")?.present;
  if (holder?.identity === environment.identity) return environment;
  if (holder !== undefined) {
    throw conflict(
      "environment.slug_held",
      `name: the environment "${environmentEntity.read(holder).name}" has the slug "${environment.slug}" already`,
    );
  }
  const total = failed.get("total");
  if (total !== undefined) {
    if (total.present === undefined) throw noSuchOrganisation(organisation);
    throw conflict("organisation.environment_limit", `An organisation has at most ${MAX_ENVIRONMENTS} environments.`);
  }
  return environment;
}

/** Lists an organisation's environments by slug. @throws AppError missing */
export async function listEnvironments(services: Services, organisation: string): Promise<Environment[]> {
  await requireOrganisation(services, organisation);
  const { pk } = organisationKey(organisation);
  const items = await services.table.query({ pk, prefix: ENVIRONMENT_PREFIX });
  return items.map((item): Environment => environmentEntity.read(item));
}

/** Reads one environment. @throws AppError missing */
export async function getEnvironment(services: Services, organisation: string, slug: string): Promise<Environment> {
  const key = isOrganisationSlug(organisation) && isSlug(slug) ? environmentKey(organisation, slug) : undefined;
  const item = key === undefined ? undefined : (await services.table.get([key])).get(keyText(key));
  if (item === undefined) {
    throw missing("environment.missing", `There is no environment "${slug}" in organisation "${organisation}".`);
  }
  return environmentEntity.read(item);
}

/**
 * Removes an environment in which there is no cluster, and its part of the page index.
 *
 * @throws AppError missing; conflict while it holds clusters
 */
export async function removeEnvironment(services: Services, organisation: string, slug: string): Promise<void> {
  const deadline = deadlineIn(services.patienceMs);
  const environment = await getEnvironment(services, organisation, slug);
  if (environment.heldClusters > 0) throw notEmpty(slug);
  await removeEmptyBuckets(services, organisation, slug, deadline);
  const transaction = new Transaction()
    .delete("environment", environmentKey(organisation, slug), {
      condition: "#identity = :identity AND #heldClusters = :none",
      values: { ":identity": environment.identity, ":none": 0 },
    })
    // The first chunk is the last one left: others come to be only by clusters that are added.
    .delete("index", indexChunkKey(organisation, slug, ""))
    .update("total", totalKey(organisation), "ADD #environments :less", { values: { ":less": -1 } });
  const failures = await commit(services.table, transaction, deadline);
  if (failures.length === 0) return;
  const present = failures.find(({ label }) => label === "environment")?.present;
  if (present === undefined) return;
  throw notEmpty(slug);
}

const notEmpty = (slug: string): AppError =>
  conflict("environment.not_empty", `The environment "${slug}" still holds clusters; delete or move them first.`);
