/** Handlers of the operations on node pools. */

import * as NodePool from "#core/cluster/operations/node-pools.ts";
import { type ApiRequest, type AppDependencies, createApp } from "../http/app.ts";
import { lambda } from "../http/lambda.ts";
import { ifMatch, notModifiedOr } from "../http/preconditions.ts";
import { type Handlers, type OperationIdOf, routesWith } from "./routes.ts";
import { writeResponse } from "./write-response.ts";

const ofCluster = ({ segment, query }: ApiRequest) => ({
  organisation: segment("organisation"),
  environment: segment("environment"),
  cluster: segment("cluster"),
  query,
});

const ofNodePool = (request: ApiRequest) => ({ ...ofCluster(request), nodePool: request.segment("nodePool") });

const handlers: Handlers<OperationIdOf<"NodePools">> = {
  async listNodePools(request) {
    return { body: await NodePool.list(request.context, ofCluster(request)) };
  },
  async createNodePool(request) {
    const result = await NodePool.create(request.context, { ...ofCluster(request), body: request.body });
    return writeResponse(result, ({ id }) => ({ location: `${request.url}/${id}` }));
  },
  async getNodePool(request) {
    const { body, etag } = await NodePool.get(request.context, ofNodePool(request));
    return notModifiedOr(request, body, etag);
  },
  async updateNodePool(request) {
    const given = { ...ofNodePool(request), ...ifMatch(request), body: request.body };
    return writeResponse(await NodePool.update(request.context, given));
  },
  async deleteNodePool(request) {
    const result = await NodePool.remove(request.context, { ...ofNodePool(request), ...ifMatch(request) });
    return result.kind === "dryRun" ? writeResponse(result) : { status: 204 };
  },
};

/** Routes of the operations on node pools. */
export const nodePoolRoutes = routesWith(handlers);

/** Makes the app of this route group. */
export const createNodePoolsApp = (dependencies: AppDependencies) => createApp(dependencies, nodePoolRoutes);

/** The Lambda of this route group. */
export const handler = lambda(createNodePoolsApp);
