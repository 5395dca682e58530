/** Requests and responses of the operations on node pools in `/api/v1`. */

import { parseNodePool } from "#core/node-pool/rules.ts";
import type { ApiRequest } from "../../http/app.ts";
import { ifMatch, notModifiedOr } from "../../http/preconditions.ts";
import type { Dialect } from "../dialect.ts";
import type { nodePoolOperations } from "../node-pools.ts";
import { API_PREFIX } from "../routes.ts";
import { renderDocumented } from "./documented.ts";
import { clusterOf, manifestOptions, noOptions, writeOptions } from "./request.ts";
import { encodeRemoval, encodeWrite } from "./write-result.ts";

const nodePoolOf = (request: ApiRequest) => ({ ...clusterOf(request), nodePool: request.segment("nodePool") });

/** Operations on node pools in `/api/v1`. */
export const nodePoolDialect: Dialect<typeof nodePoolOperations> = {
  prefix: API_PREFIX,
  renderBody: renderDocumented,
  decode: {
    listNodePools: (request) => ({ ...clusterOf(request), ...noOptions(request) }),
    createNodePool: (request) => ({
      ...clusterOf(request),
      ...manifestOptions(request),
      body: parseNodePool(request.body),
    }),
    getNodePool: (request) => ({ ...nodePoolOf(request), ...noOptions(request) }),
    updateNodePool: (request) => ({
      ...nodePoolOf(request),
      ...manifestOptions(request),
      ...ifMatch(request),
      body: parseNodePool(request.body),
    }),
    deleteNodePool: (request) => ({ ...nodePoolOf(request), ...writeOptions(request), ...ifMatch(request) }),
  },
  encode: {
    listNodePools: (body) => ({ body }),
    createNodePool: (result, { url }) => encodeWrite(result, ({ id }) => ({ location: `${url}/${id}` })),
    getNodePool: ({ body, etag }, request) => notModifiedOr(request, body, etag),
    updateNodePool: (result) => encodeWrite(result),
    deleteNodePool: encodeRemoval,
  },
};
