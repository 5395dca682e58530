/** Reads the caller's memberships and the organisations of the caller. */

import * as v from "valibot";
import { authenticate, authorize } from "../access/authorize.ts";
import type { Context } from "../context.ts";
import { type PageWithLinks, paginate, parsePageQuery, parseQuery } from "../listing/in-memory-page.ts";
import type { RawQuery } from "../request/query.ts";
import { forbidden } from "../shared/errors.ts";
import { Slug } from "../shared/schemas.ts";
import { keyText, memberKey, organisationKey, USER_ORGANISATION_PREFIX, userOrganisationKey } from "../table/keys.ts";
import { type Member, memberEntity, userOrganisationEntity } from "../tenancy/member.ts";
import { type Organisation, organisationEntity, organisationTypes } from "../tenancy/organisation.ts";
import { canList, roles } from "../tenancy/role.ts";

const dateTime = v.pipe(v.string(), v.isoTimestamp());

/** Email of the API documentation. */
export const Email = v.object({ email: v.string() });

/** OrganisationMembershipResponse of the API documentation: an organisation of the caller, and the caller's role in it. */
export const MembershipResponse = v.object({
  email: Email,
  identity: v.string(),
  kubernetesRole: v.string(),
  memberIdentity: v.string(),
  name: v.string(),
  organisationIdentity: v.string(),
  role: v.picklist(roles),
  slug: Slug,
});
export type MembershipResponse = v.InferOutput<typeof MembershipResponse>;

/** OrganisationResponse of the API documentation. Its `id` is an older name of the identity. */
export const OrganisationResponse = v.object({
  acceptedTerms: v.boolean(),
  acceptedTermsAt: v.optional(dateTime),
  billingEmail: v.optional(v.string()),
  companyAddress: v.optional(v.string()),
  companyName: v.optional(v.string()),
  contactEmail: v.optional(v.string()),
  createdAt: dateTime,
  id: v.string(),
  identity: v.string(),
  name: v.string(),
  phoneNumber: v.optional(v.string()),
  restrictedToAvailableCloudProviders: v.boolean(),
  slug: Slug,
  type: v.picklist(organisationTypes),
  vatCode: v.optional(v.string()),
  vatCodeValidated: v.boolean(),
  vatCodeValidatedAt: v.optional(dateTime),
});
export type OrganisationResponse = v.InferOutput<typeof OrganisationResponse>;

/** Builds the response for a membership. A membership has no identity of its own; the organisation's identity is used. */
export function toMembershipResponse(organisation: Organisation, member: Member): MembershipResponse {
  return {
    email: { email: member.email },
    identity: organisation.identity,
    kubernetesRole: member.kubernetesRole,
    memberIdentity: member.user,
    name: organisation.name,
    organisationIdentity: organisation.identity,
    role: member.role,
    slug: { slugValue: organisation.slug },
  };
}

/** Builds the response for an organisation. Absent properties are omitted from the JSON. */
export function toOrganisationResponse(organisation: Organisation): OrganisationResponse {
  return {
    acceptedTerms: organisation.acceptedTerms,
    acceptedTermsAt: organisation.acceptedTermsAt,
    billingEmail: organisation.billingEmail,
    companyAddress: organisation.companyAddress,
    companyName: organisation.companyName,
    contactEmail: organisation.contactEmail,
    createdAt: organisation.createdAt,
    id: organisation.identity,
    identity: organisation.identity,
    name: organisation.name,
    phoneNumber: organisation.phoneNumber,
    restrictedToAvailableCloudProviders: organisation.restrictedToAvailableCloudProviders,
    slug: { slugValue: organisation.slug },
    type: organisation.type,
    vatCode: organisation.vatCode,
    vatCodeValidated: organisation.vatCodeValidated,
    vatCodeValidatedAt: organisation.vatCodeValidatedAt,
  };
}

/**
 * Refuses a billing-admin who has no other role in any environment.
 *
 * @param what plural noun for the error message, such as `cloud accounts`
 * @throws AppError forbidden
 */
export function requireListAccess(member: Member, what: string): void {
  if (canList(member)) return;
  throw forbidden(
    "organisation.no_sight",
    `Your role in organisation "${member.organisation}" does not allow reading ${what}.`,
  );
}

/**
 * Lists the organisations that the caller is a member of, by slug. Two database round trips.
 *
 * @throws AppError as `authenticate`; invalid with every problem of the query
 */
export async function listMemberships(
  context: Context,
  input: { query: RawQuery },
): Promise<PageWithLinks<MembershipResponse>> {
  const { table } = context;
  const entered = await authenticate(context, (user) =>
    table.query({ pk: userOrganisationKey(user, user).pk, prefix: USER_ORGANISATION_PREFIX }),
  );
  const query = parsePageQuery(context, input.query, {});
  const { user } = entered.actor;
  const slugs = (entered.beside ?? []).map((item) => userOrganisationEntity.read(item).organisation);
  const items = await table.get(slugs.flatMap((slug) => [organisationKey(slug), memberKey(slug, user)]));
  const memberships = slugs.flatMap((slug) => {
    const organisation = items.get(keyText(organisationKey(slug)));
    const member = items.get(keyText(memberKey(slug, user)));
    if (organisation === undefined || member === undefined) return [];
    return [toMembershipResponse(organisationEntity.read(organisation), memberEntity.read(member))];
  });
  return paginate(memberships, query, "slug");
}

/**
 * Gets an organisation, for every role in it. One database round trip.
 *
 * @throws AppError as `enter`; invalid for the query
 */
export async function getOrganisation(
  context: Context,
  input: { organisation: string; query: RawQuery },
): Promise<OrganisationResponse> {
  const { organisation } = await authorize(context, { path: { organisation: input.organisation }, role: "viewer" });
  parseQuery(context, input.query, {});
  return toOrganisationResponse(organisation);
}
