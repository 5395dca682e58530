/** Lists alerts. No alerts are collected, so the lists are empty; clients can always ask for them. */

import { authorize } from "../access/authorize.ts";
import { type Context, type NoOptions, requireValid } from "../context.ts";
import type { Parsed } from "../shared/validation.ts";
import { authorizeTenant, type OfTenant, tenantIn } from "./of-tenant.ts";
import type { Alert } from "./schema.ts";

/** Lists the alerts of an organisation. One database round trip. @throws AppError as `authorize`; invalid for the options */
export async function listOrganisationAlerts(
  context: Context,
  { organisation, options }: { organisation: string; options: Parsed<NoOptions> },
): Promise<Alert[]> {
  await authorize(context, { path: { organisation }, role: "viewer" });
  requireValid(context, options);
  return [];
}

/** Lists the alerts of a tenant. One database round trip. @throws AppError as `authorize`; not found; invalid for the options */
export async function listTenantAlerts(context: Context, input: OfTenant<NoOptions>): Promise<Alert[]> {
  tenantIn(await authorizeTenant(context, input, "viewer"), input);
  requireValid(context, input.options);
  return [];
}
