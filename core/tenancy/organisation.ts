/** Organisations and their counters as they are stored. */

import * as v from "valibot";
import { type AppError, notFound } from "../shared/errors.ts";
import { formatValue } from "../shared/validation.ts";
import { defineEntity } from "../table/entity.ts";

/** The documentation's kinds of organisation. */
export const organisationTypes = ["BUSINESS", "ENTERPRISE", "INDIVIDUAL", "TRIAL"] as const;

const StoredOrganisation = v.object({
  identity: v.string(),
  slug: v.string(),
  name: v.string(),
  type: v.picklist(organisationTypes),
  companyName: v.optional(v.string()),
  companyAddress: v.optional(v.string()),
  contactEmail: v.optional(v.string()),
  billingEmail: v.optional(v.string()),
  phoneNumber: v.optional(v.string()),
  vatCode: v.optional(v.string()),
  vatCodeValidated: v.boolean(),
  vatCodeValidatedAt: v.optional(v.string()),
  acceptedTerms: v.boolean(),
  acceptedTermsAt: v.optional(v.string()),
  restrictedToAvailableCloudProviders: v.boolean(),
  /** Identities of environments that were deleted and still hold deleting clusters: nothing in them is shown. */
  deletedEnvironments: v.optional(
    v.pipe(
      v.set(v.string()),
      v.transform((identities) => [...identities]),
    ),
  ),
  createdAt: v.string(),
  modifiedAt: v.string(),
  revision: v.number(),
});

/** An organisation: the tenant. */
export type Organisation = v.InferOutput<typeof StoredOrganisation>;

/** How an organisation is stored. */
export const organisationEntity = defineEntity("organisation", 1, StoredOrganisation);

const StoredTotal = v.object({
  clusters: v.number(),
  cpu: v.number(),
  memory: v.number(),
  environments: v.number(),
  members: v.number(),
});

/** What an organisation holds; its limits are conditions on this item. cpu in cores, memory in MiB. */
export type Total = v.InferOutput<typeof StoredTotal>;

/** How an organisation's counters is stored. */
export const totalEntity = defineEntity("total", 1, StoredTotal);

/** At most this many clusters an organisation. */
export const MAX_CLUSTERS = 100_000;

/** What is told who wants one more. */
export const ORGANISATION_FULL_MESSAGE = `An organisation has at most ${MAX_CLUSTERS} clusters, and this one has them.`;

/** At most this many environments an organisation. */
export const MAX_ENVIRONMENTS = 1_000;

/** Returns the error for an organisation that does not exist. */
export const organisationNotFound = (slug: string): AppError =>
  notFound("organisation.missing", `There is no organisation ${formatValue(slug)}.`);
