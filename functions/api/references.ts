/** Routes of the operations that read what a cluster refers to. */

import * as Catalogue from "#core/references/catalogue.ts";
import * as Environment from "#core/references/environments/index.ts";
import { getOrganisation, listMemberships } from "#core/references/memberships.ts";
import { type AppDependencies, createApp } from "../http/app.ts";
import { createLambdaHandler } from "../http/lambda.ts";
import { acloudDialect } from "./acloud/dialect.ts";
import { dialectRoutes } from "./dialect.ts";
import type { OperationsOf } from "./routes.ts";
import { referenceDialect } from "./v1/references.ts";

/** Operations that read what a cluster refers to, by their ids. */
export const referenceOperations = {
  listMemberships,
  getOrganisation,
  listEnvironmentTypes: Environment.listTypes,
  listCloudProfiles: Catalogue.listCloudProfiles,
  listCloudProviders: Catalogue.listCloudProviders,
  listRegions: Catalogue.listRegions,
  listAvailabilityZones: Catalogue.listAvailabilityZones,
  listNodeTypes: Catalogue.listNodeTypes,
  listUpdateChannels: Catalogue.listUpdateChannels,
  listClusterVersions: Catalogue.listClusterVersions,
} satisfies OperationsOf<"References">;

/** Routes of the operations that read what a cluster refers to. */
export const referenceRoutes = dialectRoutes(referenceOperations, referenceDialect, acloudDialect(referenceDialect));

/** Makes the app of this route group. */
const createReferencesApp = (dependencies: AppDependencies) => createApp(dependencies, referenceRoutes);

/** Lambda of this route group. */
export const handler = createLambdaHandler(createReferencesApp);
