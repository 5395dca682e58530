/** What a caller may see of organisations: the own memberships, and an organisation one is a member of. */

import { authenticate, authorize } from "../access/authorize.ts";
import type { Context } from "../context.ts";
import { type PageWithLinks, paginate, parsePageQuery, parseQuery } from "../listing/in-memory-page.ts";
import type { RawQuery } from "../request/query.ts";
import { forbidden } from "../shared/errors.ts";
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
 * Refuses a billing-admin to whom no environment gives more than that.
 *
 * @param what the plural of what is kept back, for the answer
 * @throws AppError forbidden
 */
export function requireListAccess(member: Member, what: string): void {
  if (canList(member)) return;
  throw forbidden("organisation.no_sight", `Your role in organisation "${member.organisation}" sees no ${what}.`);
}

/**
 * Lists the organisations a caller is a member of, by slug. Two waits on the database.
 *
 * @throws AppError as `authenticate`; invalid with everything wrong in the query
 */
export async function listMemberships(
  context: Context,
  input: { query: RawQuery },
): Promise<PageWithLinks<MembershipResponse>> {
  const { table } = context;
  const authorized = await authenticate(context, (user) =>
    table.query({ pk: userOrganisationKey(user, user).pk, prefix: USER_ORGANISATION_PREFIX }),
  );
  const query = parsePageQuery(context, input.query, {});
  const { user } = authorized.actor;
  const slugs = (authorized.beside ?? []).map((item) => userOrganisationEntity.read(item).organisation);
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
 * Gets an organisation, for every role in it. One wait on the database.
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
