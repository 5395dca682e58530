import type { Grant } from "../grants.ts";
import { CHANGE, GETS, NEW, ORGANISATION, PAGE, REMOVES, type RouteRow, UPDATES } from "./row.ts";

const ACCOUNTS = `${ORGANISATION}/cloud-accounts`;
const ACCOUNT = `${ACCOUNTS}/{account}`;
// Secrets can be written with it, and not be read.
const SEALS = { ...UPDATES, key: ["GenerateDataKey"] } as const satisfies Grant;

/** Rows of the operations on cloud accounts and their credentials. */
export const cloudAccounts = {
  listCloudAccounts: {
    group: "CloudAccounts",
    method: "GET",
    path: ACCOUNTS,
    parameters: ["display-name", "cloud-provider-slug", ...PAGE],
    success: "PageCloudAccountResponse",
    grant: GETS,
  },
  createCloudAccount: {
    group: "CloudAccounts",
    method: "POST",
    path: ACCOUNTS,
    parameters: NEW,
    body: "CreateCloudAccount",
    success: "CloudAccountResponse",
    grant: UPDATES,
  },
  getCloudAccount: {
    group: "CloudAccounts",
    method: "GET",
    path: ACCOUNT,
    parameters: ["ifNoneMatch", "prefer"],
    success: "CloudAccountResponse",
    grant: GETS,
  },
  updateCloudAccount: {
    group: "CloudAccounts",
    method: "PATCH",
    path: ACCOUNT,
    parameters: CHANGE,
    body: "UpdateCloudAccount",
    success: "CloudAccountResponse",
    grant: UPDATES,
  },
  deleteCloudAccount: {
    group: "CloudAccounts",
    method: "DELETE",
    path: ACCOUNT,
    parameters: CHANGE,
    grant: REMOVES,
  },
  listCloudCredentials: {
    group: "CloudAccounts",
    method: "GET",
    path: `${ACCOUNT}/credentials`,
    parameters: PAGE,
    success: "PageCloudCredentialsResponse",
    grant: GETS,
  },
  createCloudCredentials: {
    group: "CloudAccounts",
    method: "POST",
    path: `${ACCOUNT}/credentials/{cloudType}`,
    parameters: NEW,
    body: "CreateCloudCredentials",
    hasSecretBody: true,
    success: "CloudCredentialsResponse",
    grant: SEALS,
  },
  getCloudCredentials: {
    group: "CloudAccounts",
    method: "GET",
    path: `${ACCOUNT}/credentials/{credentials}`,
    parameters: ["ifNoneMatch", "prefer"],
    success: "CloudCredentialsResponse",
    grant: GETS,
  },
  updateCloudCredentials: {
    group: "CloudAccounts",
    method: "PUT",
    path: `${ACCOUNT}/credentials/{credentials}`,
    parameters: CHANGE,
    body: "UpdateCloudCredentials",
    hasSecretBody: true,
    success: "CloudCredentialsResponse",
    grant: SEALS,
  },
  deleteCloudCredentials: {
    group: "CloudAccounts",
    method: "DELETE",
    path: `${ACCOUNT}/credentials/{credentials}`,
    parameters: CHANGE,
    grant: REMOVES,
  },
} as const satisfies Record<string, RouteRow>;
