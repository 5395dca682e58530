/** The route to where a cluster's version can go. */

import { upgrades } from "#core/cluster/operations/upgrades.ts";
import { type AppDependencies, createApp, type Route } from "../http/app.ts";
import { lambda } from "../http/lambda.ts";

/** How a cluster's upgrades are reached. */
export const upgradeRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/api/v1/orgs/:organisation/clusters/:environment/:cluster/upgrades",
    async handle({ context, query, segment }) {
      const path = {
        organisation: segment("organisation"),
        environment: segment("environment"),
        cluster: segment("cluster"),
      };
      return { body: await upgrades(context, { ...path, query }) };
    },
  },
];

/** Makes the app of this route group. */
export const createUpgradesApp = (dependencies: AppDependencies) => createApp(dependencies, upgradeRoutes);

/** The Lambda of this route group. */
export const handler = lambda(createUpgradesApp);
