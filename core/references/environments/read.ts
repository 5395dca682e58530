/** Lists and gets environments for members of their organisation. */

import { authenticate, authorize, environmentNotFound } from "../../access/authorize.ts";
import { type Context, type NoOptions, requireValid } from "../../context.ts";
import { type Page, type PageOptions, paginate } from "../../listing/page.ts";
import type { Representation } from "../../request/idempotency.ts";
import type { Parsed } from "../../shared/validation.ts";
import { ENVIRONMENT_PREFIX, organisationKey } from "../../table/keys.ts";
import { environmentEntity, environmentTypes } from "../../tenancy/environment.ts";
import { roleIn, satisfies } from "../../tenancy/role.ts";
import { requireListAccess } from "../memberships.ts";
import { representEnvironment } from "./represent.ts";
import { type EnvironmentResponse, toEnvironmentResponse } from "./schema.ts";

/**
 * Lists the environments that the caller can access, by slug. One database round trip.
 *
 * @throws AppError as `authorize`; forbidden for a billing-admin; invalid with every problem of the options
 */
export async function list(
  context: Context,
  input: { organisation: string; options: Parsed<PageOptions> },
): Promise<Page<EnvironmentResponse>> {
  const { organisation } = input;
  const authorized = await authorize(context, {
    path: { organisation },
    alongside: () => context.table.query({ pk: organisationKey(organisation).pk, prefix: ENVIRONMENT_PREFIX }),
  });
  const { member } = authorized;
  requireListAccess(member, "environments");
  const { page } = requireValid(context, input.options);
  const environments = (authorized.alongside ?? [])
    .map((item) => environmentEntity.read(item))
    .filter(({ deletedAt, identity }) => deletedAt === undefined && satisfies(roleIn(member, identity), "viewer"));
  const listed = paginate(environments, page, "slug");
  return { ...listed, content: listed.content.map((each) => toEnvironmentResponse(each, organisation)) };
}

/**
 * Gets one environment. One database round trip.
 *
 * @throws AppError as `authorize`; invalid with every problem of the options
 */
export async function get(
  context: Context,
  input: { organisation: string; environment: string; options: Parsed<NoOptions> },
): Promise<Representation<EnvironmentResponse>> {
  const { organisation, environment: slug } = input;
  const { environment } = await authorize(context, { path: { organisation, environment: slug }, role: "viewer" });
  if (environment === undefined) throw environmentNotFound(slug, organisation);
  requireValid(context, input.options);
  return representEnvironment(environment, organisation);
}

/** Lists the types of environments. @throws AppError as `authenticate`; invalid for the options */
export async function listTypes(context: Context, input: { options: Parsed<NoOptions> }): Promise<readonly string[]> {
  await authenticate(context);
  requireValid(context, input.options);
  return environmentTypes;
}
