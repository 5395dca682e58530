/** Routes of the operations on cloud accounts and their credentials. */

import type { Context } from "#core/context.ts";
import * as CloudAccount from "#core/references/cloud-accounts/index.ts";
import * as CloudCredentials from "#core/references/cloud-credentials/index.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { createKmsKeyring } from "#core/secrets/kms-keyring.ts";
import { requireVariable } from "#functions/runtime/config.ts";
import { type AppDependencies, createApp, type Route } from "../http/app.ts";
import { createLambdaHandler } from "../http/lambda.ts";
import { acloudDialect } from "./acloud/dialect.ts";
import { dialectRoutes } from "./dialect.ts";
import type { OperationsOf } from "./routes.ts";
import { cloudAccountDialect } from "./v1/cloud-accounts.ts";

/** Returns the operations on cloud accounts and credentials, by their ids. @param keyring keyring that encrypts secrets */
export const cloudAccountOperations = (keyring: Keyring) =>
  ({
    listCloudAccounts: CloudAccount.list,
    createCloudAccount: CloudAccount.create,
    getCloudAccount: CloudAccount.get,
    updateCloudAccount: CloudAccount.update,
    deleteCloudAccount: CloudAccount.remove,
    listCloudCredentials: CloudCredentials.list,
    createCloudCredentials: (context: Context, input: Parameters<typeof CloudCredentials.create>[2]) =>
      CloudCredentials.create(context, keyring, input),
    getCloudCredentials: CloudCredentials.get,
    updateCloudCredentials: (context: Context, input: Parameters<typeof CloudCredentials.update>[2]) =>
      CloudCredentials.update(context, keyring, input),
    deleteCloudCredentials: CloudCredentials.remove,
  }) satisfies OperationsOf<"CloudAccounts">;

/** Returns the routes of the operations on cloud accounts and credentials. @param keyring keyring that encrypts secrets */
export const cloudAccountRoutes = (keyring: Keyring): readonly Route[] =>
  dialectRoutes(cloudAccountOperations(keyring), cloudAccountDialect, acloudDialect(cloudAccountDialect));

/** Makes the app of this route group. */
const createCloudAccountsApp = (dependencies: AppDependencies, keyring: Keyring) =>
  createApp(dependencies, cloudAccountRoutes(keyring));

/** Lambda of this route group. */
export const handler = createLambdaHandler((dependencies, config) =>
  createCloudAccountsApp(dependencies, createKmsKeyring(requireVariable(config, "KMS_KEY_ID"))),
);
