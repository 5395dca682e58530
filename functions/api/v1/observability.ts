/** Requests and responses of the operations in `/api/v1` on observability tenants and what they have. */

import * as Observability from "#core/observability/index.ts";
import type { ApiRequest, HandlerResponse } from "../../http/app.ts";
import { ifMatch, notModifiedOr } from "../../http/preconditions.ts";
import type { Dialect } from "../dialect.ts";
import type { observabilityOperations } from "../observability.ts";
import { API_PREFIX } from "../routes.ts";
import { encodePage } from "./page.ts";
import { noOptions, organisationOf, pageOptions, writeOptions } from "./request.ts";
import { encodeRemoval, encodeWrite } from "./write-result.ts";

const tenantOf = (request: ApiRequest) => ({ ...organisationOf(request), tenant: request.segment("tenant") });

const ofTenant = (request: ApiRequest) => ({ ...tenantOf(request), ...noOptions(request) });

const encodeBody = (body: unknown): HandlerResponse => ({ body });

/** Operations in `/api/v1` on observability tenants and what they have. */
export const observabilityDialect: Dialect<typeof observabilityOperations> = {
  prefix: API_PREFIX,
  decode: {
    listObservabilityTenants: (request) => ({ ...organisationOf(request), ...pageOptions(request) }),
    createObservabilityTenant: (request) => ({
      ...organisationOf(request),
      ...writeOptions(request),
      body: Observability.parseCreate(request.body),
    }),
    getObservabilityTenant: ofTenant,
    updateObservabilityTenant: (request) => ({
      ...tenantOf(request),
      ...writeOptions(request),
      ...ifMatch(request),
      body: Observability.parseUpdate(request.body),
    }),
    deleteObservabilityTenant: (request) => ({ ...tenantOf(request), ...writeOptions(request), ...ifMatch(request) }),
    getAlertmanagerConfiguration: ofTenant,
    updateAlertmanagerConfiguration: (request) => ({
      ...tenantOf(request),
      ...writeOptions(request),
      ...ifMatch(request),
      body: Observability.parseConfiguration(request.body),
    }),
    listSilences: ofTenant,
    createSilence: (request) => ({
      ...tenantOf(request),
      ...writeOptions(request),
      body: Observability.parseSilence(request.body),
    }),
    expireSilence: (request) => ({
      ...tenantOf(request),
      silence: request.segment("silence"),
      ...writeOptions(request),
      ...ifMatch(request),
    }),
    listOrganisationAlerts: (request) => ({ ...organisationOf(request), ...noOptions(request) }),
    listTenantAlerts: ofTenant,
  },
  encode: {
    listObservabilityTenants: encodePage(),
    createObservabilityTenant: (result, { url }) => encodeWrite(result, ({ slug }) => ({ location: `${url}/${slug}` })),
    getObservabilityTenant: ({ body, etag }, request) => notModifiedOr(request, body, etag),
    updateObservabilityTenant: (result) => encodeWrite(result),
    deleteObservabilityTenant: encodeRemoval,
    getAlertmanagerConfiguration: ({ body, etag }, request) => notModifiedOr(request, body, etag),
    updateAlertmanagerConfiguration: (result) => encodeWrite(result),
    listSilences: encodeBody,
    createSilence: (result, { url }) => encodeWrite(result, ({ id }) => ({ location: `${url}/${id}` })),
    expireSilence: encodeRemoval,
    listOrganisationAlerts: encodeBody,
    listTenantAlerts: encodeBody,
  },
};
