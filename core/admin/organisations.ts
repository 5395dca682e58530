/** Creates and reads organisations. */

import * as v from "valibot";
import type { Services } from "../context.ts";
import { conflict, invalid } from "../shared/errors.ts";
import { deadlineIn } from "../shared/retry.ts";
import { maxCharacters, text } from "../shared/schemas.ts";
import { isOrganisationSlug } from "../shared/slug.ts";
import { validate } from "../shared/validation.ts";
import { keyText, organisationKey, totalKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import {
  type Organisation,
  organisationEntity,
  organisationNotFound,
  organisationTypes,
  type Total,
  totalEntity,
} from "../tenancy/organisation.ts";
import { buildReferencesItem, type References } from "../tenancy/references-entity.ts";

const CreateOrganisation = v.object({
  slug: v.pipe(v.string(), v.check(isOrganisationSlug, "must be 1 to 63 characters: a-z, 0-9, - and _")),
  name: v.pipe(
    text,
    v.check((name) => [...name].length >= 3, "must have at least 3 characters"),
    maxCharacters(30),
  ),
  type: v.optional(v.picklist(organisationTypes)),
  contactEmail: v.optional(v.pipe(text, maxCharacters(254))),
});

/**
 * Creates an empty organisation.
 *
 * @param input slug, name of 3 to 30 characters, type (default BUSINESS), contactEmail
 * @throws AppError invalid; conflict if the slug is taken
 */
export async function createOrganisation(services: Services, input: unknown): Promise<Organisation> {
  const checked = validate(CreateOrganisation, input);
  if (checked.problems.length > 0) throw invalid(checked.problems);
  const { slug, name, type = "BUSINESS", contactEmail } = checked.complete();
  const now = services.clock().toISOString();
  const references: References = { accounts: {}, schedules: {}, revision: 1, recentWrites: [] };
  const organisation = {
    identity: services.ids.identity(),
    slug,
    name,
    type,
    contactEmail,
    vatCodeValidated: false,
    acceptedTerms: false,
    restrictedToAvailableCloudProviders: false,
    referencesRevision: references.revision,
    createdAt: now,
    modifiedAt: now,
    revision: 1,
  } satisfies Organisation;
  const total: Total = { clusters: 0, cpu: 0, memory: 0, environments: 0, members: 0, admins: 0 };
  const transaction = new Transaction()
    .create("organisation", organisationEntity.write(organisationKey(slug), organisation))
    .create("references", buildReferencesItem(slug, references))
    .create("total", totalEntity.write(totalKey(slug), total));
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  const present = failures.find(({ label }) => label === "organisation")?.present;
  const isOwn = present !== undefined && organisationEntity.read(present).identity === organisation.identity;
  if (failures.length > 0 && !isOwn) {
    throw conflict("organisation.slug_taken", `slug: the slug "${slug}" is already used by another organisation`);
  }
  return organisation;
}

/**
 * Reads an organisation and its totals.
 *
 * @throws AppError not found
 */
export async function showOrganisation(
  services: Services,
  slug: string,
): Promise<{ organisation: Organisation; total: Total }> {
  if (!isOrganisationSlug(slug)) throw organisationNotFound(slug);
  const items = await services.table.get([organisationKey(slug), totalKey(slug)]);
  const organisation = items.get(keyText(organisationKey(slug)));
  const total = items.get(keyText(totalKey(slug)));
  if (organisation === undefined || total === undefined) throw organisationNotFound(slug);
  return { organisation: organisationEntity.read(organisation), total: totalEntity.read(total) };
}

/**
 * Checks that an organisation exists.
 *
 * @throws AppError not found
 */
export async function requireOrganisation(services: Services, slug: string): Promise<void> {
  await showOrganisation(services, slug);
}
