/** The node pools' routes. */

import * as NodePool from "#core/node-pool/index.ts";
import { type ApiRequest, type AppDependencies, createApp, type Route } from "./http/app.ts";
import { lambda } from "./http/lambda.ts";

const POOLS = "/api/v1/orgs/:organisation/clusters/:environment/:cluster/pools";

const clusterOf = ({ segment, query }: ApiRequest) => ({
  organisation: segment("organisation"),
  environment: segment("environment"),
  cluster: segment("cluster"),
  query,
});

/** How each operation on node pools is reached. */
export const nodePoolRoutes: readonly Route[] = [
  {
    method: "GET",
    path: POOLS,
    async handle(request) {
      return { body: await NodePool.list(request.context, clusterOf(request)) };
    },
  },
  {
    method: "GET",
    path: `${POOLS}/:nodePool`,
    async handle(request) {
      const nodePool = request.segment("nodePool");
      const { body, tag } = await NodePool.get(request.context, { ...clusterOf(request), nodePool });
      return { body, headers: { etag: tag } };
    },
  },
];

/** Makes the app of this route group. */
export const createNodePoolsApp = (dependencies: AppDependencies) => createApp(dependencies, nodePoolRoutes);

/** The Lambda of this route group. */
export const handler = lambda(createNodePoolsApp);
