/** Creates, lists and removes environments. */

import type { Services } from "../context.ts";
import { decideCreate, decideDelete, slugIn } from "../references/environments/rules.ts";
import { CreateEnvironment } from "../references/environments/schema.ts";
import { createTransaction } from "../references/environments/store.ts";
import { invalid, notFound } from "../shared/errors.ts";
import { deadlineIn } from "../shared/retry.ts";
import { isOrganisationSlug, isSlug } from "../shared/slug.ts";
import { validate } from "../shared/validation.ts";
import { ENVIRONMENT_PREFIX, environmentKey, keyText, organisationKey, totalKey } from "../table/keys.ts";
import { commit, retryOnConflict } from "../table/transaction.ts";
import { type Environment, environmentEntity } from "../tenancy/environment.ts";
import { deleteEmpty, deletionUnfinished, hideEnvironment, readEnvironment } from "../tenancy/environment-deletion.ts";
import { organisationNotFound, totalEntity } from "../tenancy/organisation.ts";
import { requireOrganisation } from "./organisations.ts";

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
  const body = validate(CreateEnvironment, input);
  const slug = slugIn(body.value?.name);
  if (body.problems.length > 0 || slug === undefined) throw invalid(body.problems);
  if (!isOrganisationSlug(organisation)) throw organisationNotFound(organisation);
  const generated = { identity: services.ids.identity(), id: services.ids.number() };
  return await retryOnConflict(deadlineIn(services.writeTimeoutMs), async (deadline) => {
    const keys = [totalKey(organisation), environmentKey(organisation, slug)];
    const items = await services.table.get(keys);
    const [total, owner] = keys.map((key) => items.get(keyText(key)));
    if (total === undefined) throw organisationNotFound(organisation);
    const decision = decideCreate({
      body,
      problems: [],
      owner: owner && environmentEntity.read(owner),
      total: totalEntity.read(total),
      generated,
      now: services.clock().toISOString(),
    });
    if (decision.kind === "refuse") throw decision.error;
    const { environment } = decision;
    if (decision.kind === "exists") return environment;
    const transaction = createTransaction(services, environment, { organisation, requester: undefined });
    return (await commit(services.table, transaction, deadline)).length === 0 ? environment : undefined;
  });
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
  let environment: Environment | undefined = await getEnvironment(services, organisation, slug);
  const { identity } = environment;
  const deadline = deadlineIn(services.writeTimeoutMs);
  for (;;) {
    // Another request removed it. An environment that was created since with the same name must stay.
    if (environment?.identity !== identity || environment.deletedAt !== undefined) return;
    const decision = decideDelete({ environment, problems: [], precondition: undefined });
    if (decision.kind === "refuse") throw decision.error;
    const remove = decision.kind === "remove" ? deleteEmpty : hideEnvironment;
    if (await remove(services, { organisation, environment, requester: undefined }, deadline)) return;
    if (deadline.expired()) throw deletionUnfinished(slug);
    environment = await readEnvironment(services, organisation, slug);
  }
}
