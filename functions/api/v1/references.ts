/** Requests and responses of the operations in `/api/v1` that read what a cluster refers to. */

import type { ApiRequest, HandlerResponse } from "../../http/app.ts";
import type { Dialect } from "../dialect.ts";
import type { referenceOperations } from "../references.ts";
import { API_PREFIX } from "../routes.ts";
import { encodePage, parsePageQuery } from "./page.ts";
import { anyText, noOptions, organisationOf, pageOptions } from "./request.ts";

const ACCOUNT_FILTERS = { "display-name": anyText, "cloud-provider-slug": anyText };

const accountOf = (request: ApiRequest) => ({ ...organisationOf(request), account: request.segment("account") });

const providerOf = (request: ApiRequest) => ({ provider: request.segment("provider"), ...pageOptions(request) });

const organisationPage = (request: ApiRequest) => ({ ...organisationOf(request), ...pageOptions(request) });

function cloudAccountOptions(request: ApiRequest) {
  const { value, ...found } = parsePageQuery(request, ACCOUNT_FILTERS);
  const { page, "display-name": displayName, "cloud-provider-slug": cloudProvider } = value;
  return { options: { value: { page, displayName, cloudProvider }, ...found } };
}

const encodeBody = (body: unknown): HandlerResponse => ({ body });

/** Operations in `/api/v1` that read what a cluster refers to. */
export const referenceDialect: Dialect<typeof referenceOperations> = {
  prefix: API_PREFIX,
  decode: {
    listMemberships: pageOptions,
    getOrganisation: (request) => ({ ...organisationOf(request), ...noOptions(request) }),
    listEnvironmentTypes: noOptions,
    listCloudAccounts: (request) => ({ ...organisationOf(request), ...cloudAccountOptions(request) }),
    getCloudAccount: (request) => ({ ...accountOf(request), ...noOptions(request) }),
    listCloudCredentials: (request) => ({ ...accountOf(request), ...pageOptions(request) }),
    listCloudProfiles: organisationPage,
    listCloudProviders: organisationPage,
    listRegions: (request) => ({ ...organisationOf(request), ...providerOf(request) }),
    listAvailabilityZones: (request) => ({
      ...organisationOf(request),
      ...providerOf(request),
      region: request.segment("region"),
    }),
    listNodeTypes: providerOf,
    listUpdateChannels: organisationPage,
    listClusterVersions: noOptions,
    listMaintenanceSchedules: (request) => ({ ...organisationOf(request), ...noOptions(request) }),
    getMaintenanceSchedule: (request) => ({
      ...organisationOf(request),
      schedule: request.segment("schedule"),
      ...noOptions(request),
    }),
  },
  encode: {
    listMemberships: encodePage(),
    getOrganisation: encodeBody,
    listEnvironmentTypes: encodeBody,
    listCloudAccounts: encodePage(ACCOUNT_FILTERS),
    getCloudAccount: encodeBody,
    listCloudCredentials: encodePage(),
    listCloudProfiles: encodePage(),
    listCloudProviders: encodePage(),
    listRegions: encodePage(),
    listAvailabilityZones: encodePage(),
    listNodeTypes: encodePage(),
    listUpdateChannels: encodePage(),
    listClusterVersions: encodeBody,
    listMaintenanceSchedules: encodeBody,
    getMaintenanceSchedule: encodeBody,
  },
};
