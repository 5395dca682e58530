/** Reads the caller's memberships and the organisations of the caller. */

import { authenticate, authorize } from "../access/authorize.ts";
import { type Context, type NoOptions, requireValid } from "../context.ts";
import { type Page, type PageOptions, paginate } from "../listing/page.ts";
import { forbidden } from "../shared/errors.ts";
import type { Parsed } from "../shared/validation.ts";
import { keyText, memberKey, organisationKey, USER_ORGANISATION_PREFIX, userOrganisationKey } from "../table/keys.ts";
import { type Member, memberEntity, userOrganisationEntity } from "../tenancy/member.ts";
import { organisationEntity } from "../tenancy/organisation.ts";
import { canList } from "../tenancy/role.ts";
import {
  type MembershipResponse,
  type OrganisationResponse,
  toMembershipResponse,
  toOrganisationResponse,
} from "./schema.ts";

/**
 * Refuses a billing-admin who has no other role in any environment.
 *
 * @param what plural noun for the error message, such as `cloud accounts`
 * @throws AppError forbidden
 */
export function requireListAccess(member: Member, what: string): void {
  if (canList(member)) return;
  throw forbidden(
    "organisation.role_insufficient",
    `Your role in organisation "${member.organisation}" does not allow reading ${what}.`,
  );
}

/**
 * Lists the organisations that the caller is a member of, by slug. Two database round trips.
 *
 * @throws AppError as `authenticate`; invalid with every problem of the options
 */
export async function listMemberships(
  context: Context,
  input: { options: Parsed<PageOptions> },
): Promise<Page<MembershipResponse>> {
  const { table } = context;
  const authorized = await authenticate(context, {
    alongside: (user) => table.query({ pk: userOrganisationKey(user, user).pk, prefix: USER_ORGANISATION_PREFIX }),
  });
  const { page } = requireValid(context, input.options);
  const { user } = authorized.actor;
  const slugs = (authorized.alongside ?? []).map((item) => userOrganisationEntity.read(item).organisation);
  const items = await table.get(slugs.flatMap((slug) => [organisationKey(slug), memberKey(slug, user)]));
  const memberships = slugs.flatMap((slug) => {
    const organisation = items.get(keyText(organisationKey(slug)));
    const member = items.get(keyText(memberKey(slug, user)));
    if (organisation === undefined || member === undefined) return [];
    return [toMembershipResponse(organisationEntity.read(organisation), memberEntity.read(member))];
  });
  return paginate(memberships, page, "slug");
}

/**
 * Gets an organisation, for every role in it. One database round trip.
 *
 * @throws AppError as `authorize`; invalid for the options
 */
export async function getOrganisation(
  context: Context,
  input: { organisation: string; options: Parsed<NoOptions> },
): Promise<OrganisationResponse> {
  const { organisation } = await authorize(context, { path: { organisation: input.organisation } });
  requireValid(context, input.options);
  return toOrganisationResponse(organisation);
}
