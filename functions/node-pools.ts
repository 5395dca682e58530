/** The node pools' routes. */

import * as NodePool from "#core/node-pool/index.ts";
import { type ApiRequest, type AppDependencies, createApp, type Route } from "./http/app.ts";
import { heldTo, tagged, unlessUnchanged } from "./http/conditional.ts";
import { lambda } from "./http/lambda.ts";

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
      const { body, tag } = await NodePool.create(request.context, { ...ofCluster(request), body: request.body });
      const location = tag === "" ? {} : { location: `${request.url}/${body.id}` };
      return { body, headers: { ...tagged(tag), ...location } };
    },
  },
  {
    method: "GET",
    path: POOL,
    async handle(request) {
      const { body, tag } = await NodePool.get(request.context, ofNodePool(request));
      return unlessUnchanged(request, body, tag);
    },
  },
  {
    method: "PUT",
    path: POOL,
    takesBody: true,
    async handle(request) {
      const given = { ...ofNodePool(request), ...heldTo(request), body: request.body };
      const { body, tag } = await NodePool.update(request.context, given);
      return { body, headers: tagged(tag) };
    },
  },
  {
    method: "DELETE",
    path: POOL,
    async handle(request) {
      const rehearsal = await NodePool.remove(request.context, { ...ofNodePool(request), ...heldTo(request) });
      return rehearsal === undefined ? { status: 204 } : { body: rehearsal };
    },
  },
];

/** Makes the app of this route group. */
export const createNodePoolsApp = (dependencies: AppDependencies) => createApp(dependencies, nodePoolRoutes);

/** The Lambda of this route group. */
export const handler = lambda(createNodePoolsApp);
