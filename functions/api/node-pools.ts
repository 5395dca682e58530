/** Handlers of the operations on node pools. */

import * as NodePool from "#core/cluster/operations/node-pools.ts";
import { type ApiRequest, type AppDependencies, createApp } from "../http/app.ts";
import { lambda } from "../http/lambda.ts";
import { etagHeader, ifMatch, notModifiedOr } from "../http/preconditions.ts";
import { type Handlers, type OperationIdOf, routesWith } from "./routes.ts";

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
    const { body, etag } = await NodePool.create(request.context, { ...ofCluster(request), body: request.body });
    const location = etag === "" ? {} : { location: `${request.url}/${body.id}` };
    return { body, headers: { ...etagHeader(etag), ...location } };
  },
  async getNodePool(request) {
    const { body, tag } = await NodePool.get(request.context, ofNodePool(request));
    return notModifiedOr(request, body, tag);
  },
  async updateNodePool(request) {
    const given = { ...ofNodePool(request), ...ifMatch(request), body: request.body };
    const { body, etag } = await NodePool.update(request.context, given);
    return { body, headers: etagHeader(etag) };
  },
  async deleteNodePool(request) {
    const rehearsal = await NodePool.remove(request.context, { ...ofNodePool(request), ...ifMatch(request) });
    return rehearsal === undefined ? { status: 204 } : { body: rehearsal };
  },
};

/** Routes of the operations on node pools. */
export const nodePoolRoutes = routesWith(handlers);

/** Makes the app of this route group. */
export const createNodePoolsApp = (dependencies: AppDependencies) => createApp(dependencies, nodePoolRoutes);

/** The Lambda of this route group. */
export const handler = lambda(createNodePoolsApp);
