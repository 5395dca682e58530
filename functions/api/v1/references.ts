/** Requests and responses of the operations in `/api/v1` that read what a cluster refers to. */

import type { ApiRequest, HandlerResponse } from "../../http/app.ts";
import type { Dialect } from "../dialect.ts";
import type { referenceOperations } from "../references.ts";
import { API_PREFIX } from "../routes.ts";
import { encodePage } from "./page.ts";
import { noOptions, organisationOf, pageOptions } from "./request.ts";

const providerOf = (request: ApiRequest) => ({ provider: request.segment("provider"), ...pageOptions(request) });

const organisationPage = (request: ApiRequest) => ({ ...organisationOf(request), ...pageOptions(request) });

const encodeBody = (body: unknown): HandlerResponse => ({ body });

/** Operations in `/api/v1` that read what a cluster refers to. */
export const referenceDialect: Dialect<typeof referenceOperations> = {
  prefix: API_PREFIX,
  decode: {
    listMemberships: pageOptions,
    getOrganisation: (request) => ({ ...organisationOf(request), ...noOptions(request) }),
    listEnvironmentTypes: noOptions,
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
  },
  encode: {
    listMemberships: encodePage(),
    getOrganisation: encodeBody,
    listEnvironmentTypes: encodeBody,
    listCloudProfiles: encodePage(),
    listCloudProviders: encodePage(),
    listRegions: encodePage(),
    listAvailabilityZones: encodePage(),
    listNodeTypes: encodePage(),
    listUpdateChannels: encodePage(),
    listClusterVersions: encodeBody,
  },
};
