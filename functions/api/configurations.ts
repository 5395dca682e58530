/** Routes of the operations that return configurations of nodes and clients of a cluster. */

import { issueJoinConfig } from "#core/cluster-access/join.ts";
import { readKubeconfig, readOidcConfig } from "#core/cluster-access/oidc.ts";
import type { Context } from "#core/context.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { createKmsKeyring } from "#core/secrets/kms-keyring.ts";
import { requireVariable } from "#functions/runtime/config.ts";
import { type AppDependencies, createApp, type Route } from "../http/app.ts";
import { createLambdaHandler } from "../http/lambda.ts";
import { acloudDialect } from "./acloud/dialect.ts";
import { dialectRoutes } from "./dialect.ts";
import type { OperationsOf } from "./routes.ts";
import { configurationDialect } from "./v1/configurations.ts";

/** Returns the operations that return configurations, by their ids. @param keyring keyring with which secrets were encrypted */
export const configurationOperations = (keyring: Keyring) => {
  const join = (context: Context, input: Parameters<typeof issueJoinConfig>[2]) =>
    issueJoinConfig(context, keyring, input);
  return {
    getClusterJoinConfig: join,
    getNodePoolJoinConfig: join,
    // Published clients send a POST without a body.
    createNodePoolJoinConfig: join,
    getClusterOidcConfig: (context: Context, input: Parameters<typeof readOidcConfig>[2]) =>
      readOidcConfig(context, keyring, input),
    getClusterKubeconfig: (context: Context, input: Parameters<typeof readKubeconfig>[2]) =>
      readKubeconfig(context, keyring, input),
  } satisfies OperationsOf<"Configurations">;
};

/** Returns the routes of the operations that return configurations. @param keyring keyring with which secrets were encrypted */
export const configurationRoutes = (keyring: Keyring): readonly Route[] =>
  dialectRoutes(configurationOperations(keyring), configurationDialect, acloudDialect(configurationDialect));

/** Makes the app of this route group. */
const createConfigurationsApp = (dependencies: AppDependencies, keyring: Keyring) =>
  createApp(dependencies, configurationRoutes(keyring));

/** Lambda of this route group. */
export const handler = createLambdaHandler((dependencies, config) =>
  createConfigurationsApp(dependencies, createKmsKeyring(requireVariable(config, "KMS_KEY_ID"))),
);
