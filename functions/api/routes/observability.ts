import type { Grant } from "../grants.ts";
import { CHANGE, GETS, NEW, ORGANISATION, PAGE, PLAIN, READS, type RouteRow } from "./row.ts";

const TENANTS = `${ORGANISATION}/monitoring`;
const TENANT = `${TENANTS}/{tenant}`;
const SILENCES = `${ORGANISATION}/observability/{tenant}/silences`;
// Writes of what a tenant has require the tenant.
const WRITES_OF_TENANT = {
  table: ["BatchGetItem", "PutItem", "ConditionCheckItem"],
  indexes: [],
} as const satisfies Grant;

/** Rows of the operations on observability tenants, their Alertmanager configuration, silences and alerts. */
export const observability = {
  listObservabilityTenants: {
    group: "Observability",
    method: "GET",
    path: TENANTS,
    parameters: PAGE,
    success: "PageObservabilityTenant",
    grant: READS,
  },
  createObservabilityTenant: {
    group: "Observability",
    method: "POST",
    path: TENANTS,
    parameters: NEW,
    body: "CreateObservabilityTenant",
    success: "ObservabilityTenant",
    grant: { table: ["BatchGetItem", "PutItem", "UpdateItem"], indexes: [] },
  },
  getObservabilityTenant: {
    group: "Observability",
    method: "GET",
    path: TENANT,
    parameters: ["ifNoneMatch", "prefer"],
    success: "ObservabilityTenant",
    grant: GETS,
  },
  updateObservabilityTenant: {
    group: "Observability",
    method: "PATCH",
    path: TENANT,
    parameters: CHANGE,
    body: "UpdateObservabilityTenant",
    success: "ObservabilityTenant",
    grant: { table: ["BatchGetItem", "PutItem"], indexes: [] },
  },
  deleteObservabilityTenant: {
    group: "Observability",
    method: "DELETE",
    path: TENANT,
    parameters: CHANGE,
    grant: { table: ["BatchGetItem", "PutItem", "UpdateItem", "DeleteItem"], indexes: [] },
  },
  getAlertmanagerConfiguration: {
    group: "Observability",
    method: "GET",
    path: `${TENANT}/alertmanager`,
    parameters: ["ifNoneMatch", "prefer"],
    success: "AlertmanagerConfiguration",
    grant: GETS,
  },
  updateAlertmanagerConfiguration: {
    group: "Observability",
    method: "POST",
    path: `${TENANT}/alertmanager`,
    parameters: ["dryRun", "ifMatch", "idempotencyKey", "prefer"],
    body: "UpdateAlertmanagerConfiguration",
    success: "AlertmanagerConfiguration",
    grant: WRITES_OF_TENANT,
  },
  listSilences: {
    group: "Observability",
    method: "GET",
    path: SILENCES,
    parameters: PLAIN,
    success: "SilenceResponse[]",
    grant: GETS,
  },
  createSilence: {
    group: "Observability",
    method: "POST",
    path: SILENCES,
    parameters: NEW,
    body: "CreateSilence",
    success: "SilenceResponse",
    grant: WRITES_OF_TENANT,
  },
  expireSilence: {
    group: "Observability",
    method: "DELETE",
    path: `${SILENCES}/{silence}`,
    parameters: CHANGE,
    grant: WRITES_OF_TENANT,
  },
  listOrganisationAlerts: {
    group: "Observability",
    method: "GET",
    path: `${ORGANISATION}/alerts`,
    parameters: PLAIN,
    success: "Alert[]",
    grant: GETS,
  },
  listTenantAlerts: {
    group: "Observability",
    method: "GET",
    path: `${ORGANISATION}/alerts/{tenant}`,
    parameters: PLAIN,
    success: "Alert[]",
    grant: GETS,
  },
} as const satisfies Record<string, RouteRow>;
