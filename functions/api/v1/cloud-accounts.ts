/** Requests and responses of the operations in `/api/v1` on cloud accounts and their credentials. */

import * as CloudAccount from "#core/references/cloud-accounts/index.ts";
import type { ApiRequest } from "../../http/app.ts";
import { ifMatch, notModifiedOr } from "../../http/preconditions.ts";
import type { cloudAccountOperations } from "../cloud-accounts.ts";
import type { Dialect } from "../dialect.ts";
import { API_PREFIX } from "../routes.ts";
import { encodePage, parsePageQuery } from "./page.ts";
import { anyText, noOptions, organisationOf, pageOptions, writeOptions } from "./request.ts";
import { encodeRemoval, encodeWrite } from "./write-result.ts";

const ACCOUNT_FILTERS = { "display-name": anyText, "cloud-provider-slug": anyText };

const accountOf = (request: ApiRequest) => ({ ...organisationOf(request), account: request.segment("account") });

const credentialsOf = (request: ApiRequest) => ({
  ...accountOf(request),
  credentials: request.segment("credentials"),
});

function accountListOptions(request: ApiRequest) {
  const { value, ...found } = parsePageQuery(request, ACCOUNT_FILTERS);
  const { page, "display-name": displayName, "cloud-provider-slug": cloudProvider } = value;
  return { options: { value: { page, displayName, cloudProvider }, ...found } };
}

/** Operations in `/api/v1` on cloud accounts and their credentials. */
export const cloudAccountDialect: Dialect<ReturnType<typeof cloudAccountOperations>> = {
  prefix: API_PREFIX,
  decode: {
    listCloudAccounts: (request) => ({ ...organisationOf(request), ...accountListOptions(request) }),
    createCloudAccount: (request) => ({
      ...organisationOf(request),
      ...writeOptions(request),
      body: CloudAccount.parseCreate(request.body),
    }),
    getCloudAccount: (request) => ({ ...accountOf(request), ...noOptions(request) }),
    updateCloudAccount: (request) => ({
      ...accountOf(request),
      ...writeOptions(request),
      ...ifMatch(request),
      body: CloudAccount.parseUpdate(request.body),
    }),
    deleteCloudAccount: (request) => ({ ...accountOf(request), ...writeOptions(request), ...ifMatch(request) }),
    listCloudCredentials: (request) => ({ ...accountOf(request), ...pageOptions(request) }),
    createCloudCredentials: (request) => ({
      ...accountOf(request),
      ...writeOptions(request),
      cloudType: request.segment("cloudType"),
      body: request.body,
    }),
    getCloudCredentials: (request) => ({ ...credentialsOf(request), ...noOptions(request) }),
    updateCloudCredentials: (request) => ({
      ...credentialsOf(request),
      ...writeOptions(request),
      ...ifMatch(request),
      body: request.body,
    }),
    deleteCloudCredentials: (request) => ({ ...credentialsOf(request), ...writeOptions(request), ...ifMatch(request) }),
  },
  encode: {
    listCloudAccounts: encodePage(ACCOUNT_FILTERS),
    createCloudAccount: (result, { url }) =>
      encodeWrite(result, ({ identity }) => ({ location: `${url}/${identity}` })),
    getCloudAccount: ({ body, etag }, request) => notModifiedOr(request, body, etag),
    updateCloudAccount: (result) => encodeWrite(result),
    deleteCloudAccount: encodeRemoval,
    listCloudCredentials: encodePage(),
    createCloudCredentials: (result, { url }) =>
      // The last segment is the type of the provider.
      encodeWrite(result, ({ identity }) => ({ location: `${url.slice(0, url.lastIndexOf("/"))}/${identity}` })),
    getCloudCredentials: ({ body, etag }, request) => notModifiedOr(request, body, etag),
    updateCloudCredentials: (result) => encodeWrite(result),
    deleteCloudCredentials: encodeRemoval,
  },
};
