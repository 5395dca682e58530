/** Stored shapes of organisations and their counters. */

import * as v from "valibot";
import { type AppError, notFound } from "../shared/errors.ts";
import { formatValue } from "../shared/validation.ts";
import { defineEntity, sameProperties } from "../table/entity.ts";

/** Types of organisations of the API documentation. */
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
  /** Identities of deleted environments that still contain deleting clusters. Nothing in them is shown. */
  deletedEnvironments: v.optional(
    v.pipe(
      v.set(v.string()),
      v.transform((identities) => [...identities]),
    ),
  ),
  /**
   * Revision of the organisation's references, raised with it in one transaction. It is an attribute, because an update expression
   * names it. Absent if the last write of the references was by a release without it.
   */
  referencesRevision: v.optional(v.number()),
  createdAt: v.string(),
  modifiedAt: v.string(),
  revision: v.number(),
});

/** Organisation: the tenant. */
export type Organisation = v.InferOutput<typeof StoredOrganisation>;

/** Entity of an organisation. */
export const organisationEntity = defineEntity("organisation", 2, StoredOrganisation, {
  attributes: ["referencesRevision", "deletedEnvironments"],
  migrations: { 1: sameProperties },
});

const StoredTotal = v.object({
  clusters: v.number(),
  cpu: v.number(),
  memory: v.number(),
  environments: v.number(),
  members: v.number(),
  /** Absent until the first one is created. */
  observabilityTenants: v.optional(v.number()),
  /** Members with the role admin in the organisation. Absent until the first write of a member by a release that counts them. */
  admins: v.optional(v.number()),
});

/** Totals of an organisation: cpu in cores, memory in MiB. Its limits are conditions on this item. */
export type Total = v.InferOutput<typeof StoredTotal>;

/** Entity of the counters of an organisation. */
export const totalEntity = defineEntity("total", 1, StoredTotal);

/** Maximum number of clusters in an organisation. */
export const MAX_CLUSTERS = 100_000;

/** Message for a request that exceeds the limit of clusters. */
export const ORGANISATION_FULL_MESSAGE = `Limit reached: an organisation can have at most ${MAX_CLUSTERS} clusters.`;

/** Maximum number of environments in an organisation. */
export const MAX_ENVIRONMENTS = 1_000;

/** Maximum number of observability tenants in an organisation. */
export const MAX_OBSERVABILITY_TENANTS = 50;
/** Maximum number of members of an organisation. */
export const MAX_MEMBERS = 1_000;

/** Returns the error for an organisation that does not exist. */
export const organisationNotFound = (slug: string): AppError =>
  notFound("organisation.missing", `There is no organisation ${formatValue(slug)}.`);
