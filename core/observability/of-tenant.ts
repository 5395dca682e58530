/** Parts that the operations on one observability tenant share. */

import { type Authorized, authorize } from "../access/authorize.ts";
import type { Context } from "../context.ts";
import type { DryRun } from "../request/write.ts";
import type { Parsed } from "../shared/validation.ts";
import { type Key, observabilityTenantKey } from "../table/keys.ts";
import type { RequiredRole } from "../tenancy/role.ts";
import { type Tenant, tenantEntity } from "./entity.ts";
import { tenantNotFound } from "./tenant-rules.ts";

/** Slugs of an organisation and a tenant. */
interface TenantPath {
  organisation: string;
  tenant: string;
}

/** Request about a tenant. */
export interface OfTenant<Options> extends TenantPath {
  options: Parsed<Options>;
}

/**
 * Authorizes a request about a tenant and reads the tenant, and one item of what it has, in one database round trip.
 *
 * @param role role that the caller needs in the organisation
 * @param keyOf builds the key of the item
 * @throws AppError as `authorize`
 */
export const authorizeTenant = <Body>(
  context: Context,
  { organisation, tenant }: TenantPath,
  role: RequiredRole,
  keyOf?: (organisation: string, tenant: string) => Key,
): Promise<Authorized<undefined, Body>> =>
  authorize<undefined, Body>(context, {
    path: { organisation, tenant },
    role,
    keys: () => [
      observabilityTenantKey(organisation, tenant),
      ...(keyOf === undefined ? [] : [keyOf(organisation, tenant)]),
    ],
  });

/** Returns the tenant that `authorizeTenant` read. @throws AppError not found */
export function tenantIn({ prefetched }: Pick<Authorized, "prefetched">, { organisation, tenant }: TenantPath): Tenant {
  const item = prefetched(observabilityTenantKey(organisation, tenant));
  if (item === undefined) throw tenantNotFound(tenant, organisation);
  return tenantEntity.read(item);
}

/** Builds the result of a dry run of a change. @param properties names of the properties that would change */
export const changedInPlace = <Body>(body: Partial<Body>, properties: readonly string[]): DryRun<Body> => ({
  kind: "dryRun",
  body,
  consequences: properties.map((property) => ({ property, effect: "inPlace", nodePools: [] })),
});
