/** Lists and gets environments for members of their organisation. */

import { authenticate, authorize, environmentNotFound } from "../access/authorize.ts";
import type { Context } from "../context.ts";
import { type PageWithLinks, paginate, parsePageQuery, parseQuery } from "../listing/in-memory-page.ts";
import { flag, type RawQuery } from "../request/query.ts";
import { ENVIRONMENT_PREFIX, organisationKey } from "../table/keys.ts";
import { environmentEntity, environmentTypes } from "../tenancy/environment.ts";
import { roleIn, satisfies } from "../tenancy/role.ts";
import { requireListAccess } from "./memberships.ts";
import { type EnvironmentResponse, toEnvironmentResponse } from "./schema.ts";

/** Accepted for clients that send it: the totals are stored with the environment and always shown. */
const FLAGS = { "show-compute": flag };

/**
 * Lists the environments that the caller can access, by slug. One database round trip.
 *
 * @throws AppError as `enter`; forbidden for a billing-admin; invalid with every problem of the query
 */
export async function listEnvironments(
  context: Context,
  input: { organisation: string; query: RawQuery },
): Promise<PageWithLinks<EnvironmentResponse>> {
  const { organisation } = input;
  const authorized = await authorize(context, {
    path: { organisation },
    role: "viewer",
    alongside: () => context.table.query({ pk: organisationKey(organisation).pk, prefix: ENVIRONMENT_PREFIX }),
  });
  const { member } = authorized;
  requireListAccess(member, "environments");
  const query = parsePageQuery(context, input.query, FLAGS);
  const environments = (authorized.alongside ?? [])
    .map((item) => environmentEntity.read(item))
    .filter(({ deletedAt, identity }) => deletedAt === undefined && satisfies(roleIn(member, identity), "viewer"));
  const { page, links } = paginate(environments, query, "slug");
  return { page: { ...page, content: page.content.map((each) => toEnvironmentResponse(each, organisation)) }, links };
}

/**
 * Gets one environment. One database round trip.
 *
 * @throws AppError as `enter`; invalid with every problem of the query
 */
export async function getEnvironment(
  context: Context,
  input: { organisation: string; environment: string; query: RawQuery },
): Promise<EnvironmentResponse> {
  const { organisation, environment: slug } = input;
  const { environment } = await authorize(context, { path: { organisation, environment: slug }, role: "viewer" });
  if (environment === undefined) throw environmentNotFound(slug, organisation);
  parseQuery(context, input.query, FLAGS);
  return toEnvironmentResponse(environment, organisation);
}

/** Lists the types of environments. @throws AppError as `authenticate`; invalid for the query */
export async function listEnvironmentTypes(context: Context, input: { query: RawQuery }): Promise<readonly string[]> {
  await authenticate(context);
  parseQuery(context, input.query, {});
  return environmentTypes;
}
