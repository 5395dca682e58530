/** The node pools' routes. */

import * as NodePool from "#core/cluster/operations/node-pools.ts";
import { type ApiRequest, type AppDependencies, createApp, type Route } from "../http/app.ts";
import { lambda } from "../http/lambda.ts";
import { etagHeader, ifMatch, notModifiedOr } from "../http/preconditions.ts";

const POOLS = "/api/v1/orgs/:organisation/clusters/:environment/:cluster/pools";
const POOL = `${POOLS}/:nodePool`;

const ofCluster = ({ segment, query }: ApiRequest) => ({
  organisation: segment("organisation"),
  environment: segment("environment"),
  cluster: segment("cluster"),
  query,
});

const ofNodePool = (request: ApiRequest) => ({ ...ofCluster(request), nodePool: request.segment("nodePool") });

/** How each operation on node pools is reached. */
export const nodePoolRoutes: readonly Route[] = [
  {
    method: "GET",
    path: POOLS,
    async handle(request) {
      return { body: await NodePool.list(request.context, ofCluster(request)) };
    },
  },
  {
    method: "POST",
    path: POOLS,
    takesBody: true,
    async handle(request) {
      const { body, etag } = await NodePool.create(request.context, { ...ofCluster(request), body: request.body });
      const location = etag === "" ? {} : { location: `${request.url}/${body.id}` };
      return { body, headers: { ...etagHeader(etag), ...location } };
    },
  },
  {
    method: "GET",
    path: POOL,
    async handle(request) {
      const { body, tag } = await NodePool.get(request.context, ofNodePool(request));
      return notModifiedOr(request, body, tag);
    },
  },
  {
    method: "PUT",
    path: POOL,
    takesBody: true,
    async handle(request) {
      const given = { ...ofNodePool(request), ...ifMatch(request), body: request.body };
      const { body, etag } = await NodePool.update(request.context, given);
      return { body, headers: etagHeader(etag) };
    },
  },
  {
    method: "DELETE",
    path: POOL,
    async handle(request) {
      const rehearsal = await NodePool.remove(request.context, { ...ofNodePool(request), ...ifMatch(request) });
      return rehearsal === undefined ? { status: 204 } : { body: rehearsal };
    },
  },
];

/** Makes the app of this route group. */
export const createNodePoolsApp = (dependencies: AppDependencies) => createApp(dependencies, nodePoolRoutes);

/** The Lambda of this route group. */
export const handler = lambda(createNodePoolsApp);
