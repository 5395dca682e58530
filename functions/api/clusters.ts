/** Routes of the operations on clusters. */

import { TokenUse } from "#core/access/token-use.ts";
import * as Cluster from "#core/cluster/operations/index.ts";
import { type AppDependencies, createApp } from "../http/app.ts";
import { createLambdaHandler } from "../http/lambda.ts";
import { acloudClusterDialect } from "./acloud/clusters.ts";
import { dialectRoutes } from "./dialect.ts";
import type { OperationsOf } from "./routes.ts";
import { clusterDialect } from "./v1/clusters.ts";

/** Operations on clusters by their ids. */
export const clusterOperations = {
  listOrganisationClusters: Cluster.list,
  listEnvironmentClusters: Cluster.list,
  createCluster: Cluster.create,
  getCluster: Cluster.get,
  listClusterEvents: Cluster.listEvents,
  updateCluster: Cluster.update,
  moveCluster: Cluster.move,
  updatePrometheusRulesInheritance: Cluster.updatePrometheusRules,
  undeleteCluster: Cluster.undelete,
  getClusterUpgrades: Cluster.upgrades,
} satisfies OperationsOf<"Clusters">;

/** Routes of the operations on clusters. */
export const clusterRoutes = dialectRoutes(clusterOperations, clusterDialect, acloudClusterDialect);

/** Makes the app of this route group. */
const createClustersApp = (dependencies: AppDependencies) => createApp(dependencies, clusterRoutes);

/** Lambda of this route group. It may update items, so it records when tokens are used. */
export const handler = createLambdaHandler(createClustersApp, { tokenUse: new TokenUse() });
