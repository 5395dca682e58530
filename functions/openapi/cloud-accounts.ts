/** Descriptions of the operations on cloud accounts and their credentials. */

import type { OperationIdOf } from "../api/routes.ts";
import { type Descriptions, READ, UNCHANGED, WRITE } from "./operation.ts";

const account = {
  description: "The cloud account.",
  headers: ["ETag"],
} as const;

const credentials = {
  description: "The credentials, without secrets.",
  headers: ["ETag"],
} as const;

/** Descriptions of the operations on cloud accounts and their credentials. */
export const cloudAccountDescriptions: Descriptions<OperationIdOf<"CloudAccounts">> = {
  listCloudAccounts: {
    tag: "Cloud accounts",
    summary: "List cloud accounts",
    description: "The organisation's accounts with cloud providers, oldest first.",
    successes: { 200: { description: "A page.", headers: ["Link"] } },
    errors: READ,
  },
  createCloudAccount: {
    tag: "Cloud accounts",
    summary: "Create cloud account",
    description:
      "Creates an enabled cloud account, without credentials. Its name is unique among the accounts of its provider. Every problem is reported at once. Requires the role admin in the organisation.",
    successes: {
      200: { description: "The new cloud account.", headers: ["ETag", "Location", "Idempotency-Replayed"] },
    },
    errors: WRITE,
  },
  getCloudAccount: {
    tag: "Cloud accounts",
    summary: "Get cloud account",
    description: "One cloud account.",
    successes: { 200: account, 304: UNCHANGED },
    errors: READ,
  },
  updateCloudAccount: {
    tag: "Cloud accounts",
    summary: "Update cloud account",
    description:
      "Changes the properties in the body: all of them or none. No cluster can be created on a disabled account; existing clusters stay. While clusters use the account, primary credentials of another Azure subscription are refused. Requires the role admin in the organisation.",
    successes: { 200: { ...account, description: "The changed cloud account." } },
    errors: [...WRITE, 412],
  },
  deleteCloudAccount: {
    tag: "Cloud accounts",
    summary: "Delete cloud account",
    description:
      "Deletes a cloud account with its credentials and their secrets. It is refused while a cluster uses the account: until the deletion of the cluster is complete. Requires the role admin in the organisation.",
    successes: {
      200: { description: "Result of a dry run.", schema: "DryRunResponse" },
      204: { description: "The cloud account is deleted." },
    },
    errors: [...READ, 409, 412, 422],
  },
  listCloudCredentials: {
    tag: "Cloud accounts",
    summary: "List cloud credentials",
    description: "Credentials of a cloud account, oldest first, without secrets.",
    successes: { 200: { description: "A page.", headers: ["Link"] } },
    errors: READ,
  },
  createCloudCredentials: {
    tag: "Cloud accounts",
    summary: "Create cloud credentials",
    description:
      "Creates credentials of a cloud account. The type in the path is that of the account's cloud profile. The first credentials of an account become its primary ones. The secrets are encrypted, and no response, event or error contains them. Requires the role admin in the organisation.",
    successes: {
      200: {
        description: "The new credentials, without secrets.",
        headers: ["ETag", "Location", "Idempotency-Replayed"],
      },
    },
    errors: WRITE,
  },
  getCloudCredentials: {
    tag: "Cloud accounts",
    summary: "Get cloud credentials",
    description: "One of the credentials of a cloud account, without secrets.",
    successes: { 200: credentials, 304: UNCHANGED },
    errors: READ,
  },
  updateCloudCredentials: {
    tag: "Cloud accounts",
    summary: "Update cloud credentials",
    description:
      "Changes the properties in the body: all of them or none. `credentials` replaces all secrets, for example after a rotation at the provider; the identity stays, and no cluster changes. While clusters use the account, another Azure subscription for its primary credentials is refused. Requires the role admin in the organisation.",
    successes: { 200: { ...credentials, description: "The changed credentials, without secrets." } },
    errors: [...WRITE, 412],
  },
  deleteCloudCredentials: {
    tag: "Cloud accounts",
    summary: "Delete cloud credentials",
    description:
      "Deletes credentials with their secrets. If they are the primary ones, the oldest remaining ones become primary. Clusters that named the deleted credentials use the primary ones. The last credentials of an account are refused if clusters use the account and need credentials, also to be deleted, and so is a deletion after which the primary credentials of their account have another Azure subscription. Requires the role admin in the organisation.",
    successes: {
      200: { description: "Result of a dry run.", schema: "DryRunResponse" },
      204: { description: "The credentials are deleted." },
    },
    errors: [...READ, 409, 412, 422],
  },
};
