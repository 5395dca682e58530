/** Descriptions of the operations on observability tenants, their Alertmanager configuration, silences and alerts. */

import { MAX_SILENCE_BYTES, MAX_SILENCES, RETENTION_DAYS } from "#core/observability/silence-rules.ts";
import { MAX_OBSERVABILITY_TENANTS } from "#core/tenancy/organisation.ts";
import type { OperationIdOf } from "../api/routes.ts";
import { type Descriptions, READ, UNCHANGED, WRITE } from "./operation.ts";

const tag = "Observability";
const CHANGE = [...READ, 412, 413, 415, 422] as const;
const DELETION = [...READ, 412, 422] as const;
const dryRun = { description: "Result of a dry run.", schema: "DryRunResponse" } as const;
const tenant = { description: "The tenant.", headers: ["ETag"] } as const;
const configuration = { description: "The configuration.", headers: ["ETag"] } as const;
const created = ["ETag", "Location", "Idempotency-Replayed"] as const;
const MANAGES = "Requires the role developer in the organisation.";

/** Descriptions of the operations on observability tenants and what they have. */
export const observabilityDescriptions: Descriptions<OperationIdOf<"Observability">> = {
  listObservabilityTenants: {
    tag,
    summary: "List observability tenants",
    description: "The observability tenants of an organisation, by slug.",
    successes: { 200: { description: "A page.", headers: ["Link"] } },
    errors: READ,
  },
  createObservabilityTenant: {
    tag,
    summary: "Create observability tenant",
    description: `Creates an observability tenant. Its slug follows from its name. An organisation can have at most ${MAX_OBSERVABILITY_TENANTS}. ${MANAGES}`,
    successes: { 200: { description: "The new tenant.", headers: created } },
    errors: WRITE,
  },
  getObservabilityTenant: {
    tag,
    summary: "Get observability tenant",
    description: "One observability tenant.",
    successes: { 200: tenant, 304: UNCHANGED },
    errors: READ,
  },
  updateObservabilityTenant: {
    tag,
    summary: "Update observability tenant",
    description: `Changes the properties in the body: all of them or none. Another name does not change the slug. ${MANAGES}`,
    successes: { 200: { ...tenant, description: "The changed tenant." } },
    errors: CHANGE,
  },
  deleteObservabilityTenant: {
    tag,
    summary: "Delete observability tenant",
    description: `Deletes a tenant with its Alertmanager configuration and its silences. ${MANAGES}`,
    successes: { 200: dryRun, 204: { description: "The tenant is deleted." } },
    errors: DELETION,
  },
  getAlertmanagerConfiguration: {
    tag,
    summary: "Get Alertmanager configuration",
    description:
      "The Alertmanager configuration of a tenant with its rule files and template files, whole. That of a new tenant is empty.",
    successes: { 200: configuration, 304: UNCHANGED },
    errors: READ,
  },
  updateAlertmanagerConfiguration: {
    tag,
    summary: "Replace Alertmanager configuration",
    description: `Replaces the whole configuration: what the body leaves out becomes empty. The syntax of the YAML is checked, not its meaning. Of two writers the later one wins; with \`If-Match\` the later one gets a 412. ${MANAGES}`,
    successes: {
      200: { description: "The new configuration.", headers: ["ETag", "Idempotency-Replayed"] },
    },
    errors: CHANGE,
  },
  listSilences: {
    tag,
    summary: "List silences",
    description: `The silences of a tenant: active ones, then pending ones, then expired ones, which are shown for ${RETENTION_DAYS} days.`,
    successes: { 200: { description: "The silences." } },
    errors: READ,
  },
  createSilence: {
    tag,
    summary: "Create silence",
    description: `Creates a silence. It is at most ${MAX_SILENCE_BYTES} bytes as JSON in UTF-8. A tenant can have at most ${MAX_SILENCES} silences that have not expired; a new one displaces expired ones above this number. ${MANAGES}`,
    successes: { 200: { description: "The new silence.", headers: created } },
    errors: WRITE,
  },
  expireSilence: {
    tag,
    summary: "Expire silence",
    description: `Ends a silence now. An expired one stays as it is. ${MANAGES}`,
    successes: { 200: dryRun, 204: { description: "The silence has expired." } },
    errors: DELETION,
  },
  listOrganisationAlerts: {
    tag,
    summary: "List alerts",
    description: "Alerts of all tenants of an organisation. No alerts are collected, so the list is empty.",
    successes: { 200: { description: "The alerts." } },
    errors: READ,
  },
  listTenantAlerts: {
    tag,
    summary: "List alerts of a tenant",
    description: "Alerts of one tenant. No alerts are collected, so the list is empty.",
    successes: { 200: { description: "The alerts." } },
    errors: READ,
  },
};
