/** Listing and getting environments, as their organisation's members see them. */

import { enter, enterAlone, noSuchEnvironment } from "../access/enter.ts";
import { requireSight } from "../access/memberships.ts";
import { allows, roleIn } from "../access/role.ts";
import type { Context } from "../context.ts";
import { type ListedArray, pageOfArray, readArrayQuery, readPlainQuery } from "../listing/array-page.ts";
import { flag, type RawQuery } from "../query.ts";
import { ENVIRONMENT_PREFIX, organisationKey } from "../table/keys.ts";
import { type EnvironmentResponse, toEnvironmentResponse } from "./responses.ts";
import { environmentEntity, environmentTypes } from "./schema.ts";

/** The totals are kept with the environment and always shown; clients that ask for them are understood. */
const FLAGS = { "show-compute": flag };

/**
 * Lists the environments in the caller's sight, by slug. One wait on the database.
 *
 * @throws AppError as `enter`; forbidden for a billing-admin; invalid with everything wrong in the query
 */
export async function listEnvironments(
  context: Context,
  input: { organisation: string; query: RawQuery },
): Promise<ListedArray<EnvironmentResponse>> {
  const { organisation } = input;
  const entered = await enter(context, {
    path: { organisation },
    right: "viewer",
    beside: () => context.table.query({ pk: organisationKey(organisation).pk, prefix: ENVIRONMENT_PREFIX }),
  });
  const { member } = entered;
  requireSight(member, "environments");
  const query = readArrayQuery(context, input.query, FLAGS);
  const environments = (entered.beside ?? [])
    .map((item) => environmentEntity.read(item))
    .filter(({ deletedAt, identity }) => deletedAt === undefined && allows(roleIn(member, identity), "viewer"));
  const { page, links } = pageOfArray(environments, query, "slug");
  return { page: { ...page, content: page.content.map((each) => toEnvironmentResponse(each, organisation)) }, links };
}

/**
 * Gets one environment. One wait on the database.
 *
 * @throws AppError as `enter`; invalid with everything wrong in the query
 */
export async function getEnvironment(
  context: Context,
  input: { organisation: string; environment: string; query: RawQuery },
): Promise<EnvironmentResponse> {
  const { organisation, environment: slug } = input;
  const { environment } = await enter(context, { path: { organisation, environment: slug }, right: "viewer" });
  if (environment === undefined) throw noSuchEnvironment(slug, organisation);
  readPlainQuery(context, input.query, FLAGS);
  return toEnvironmentResponse(environment, organisation);
}

/** Lists the kinds of environment there are. @throws AppError as `enterAlone`; invalid for the query */
export async function listEnvironmentTypes(context: Context, input: { query: RawQuery }): Promise<readonly string[]> {
  await enterAlone(context);
  readPlainQuery(context, input.query, {});
  return environmentTypes;
}
