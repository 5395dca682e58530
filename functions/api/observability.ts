/** Routes of the operations on observability tenants, their Alertmanager configuration, silences and alerts. */

import * as Observability from "#core/observability/index.ts";
import { type AppDependencies, createApp } from "../http/app.ts";
import { createLambdaHandler } from "../http/lambda.ts";
import { acloudDialect } from "./acloud/dialect.ts";
import { dialectRoutes } from "./dialect.ts";
import type { OperationsOf } from "./routes.ts";
import { observabilityDialect } from "./v1/observability.ts";

/** Operations on observability tenants and what they have, by their ids. */
export const observabilityOperations = {
  listObservabilityTenants: Observability.list,
  createObservabilityTenant: Observability.create,
  getObservabilityTenant: Observability.get,
  updateObservabilityTenant: Observability.update,
  deleteObservabilityTenant: Observability.remove,
  getAlertmanagerConfiguration: Observability.getConfiguration,
  updateAlertmanagerConfiguration: Observability.writeConfiguration,
  listSilences: Observability.listSilences,
  createSilence: Observability.createSilence,
  expireSilence: Observability.expireSilence,
  listOrganisationAlerts: Observability.listOrganisationAlerts,
  listTenantAlerts: Observability.listTenantAlerts,
} satisfies OperationsOf<"Observability">;

/** Routes of the operations on observability tenants and what they have. */
export const observabilityRoutes = dialectRoutes(
  observabilityOperations,
  observabilityDialect,
  acloudDialect(observabilityDialect),
);

/** Makes the app of this route group. */
const createObservabilityApp = (dependencies: AppDependencies) => createApp(dependencies, observabilityRoutes);

/** Lambda of this route group. */
export const handler = createLambdaHandler(createObservabilityApp);
