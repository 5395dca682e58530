/** Routes of the operations on node pools. */

import { TokenUse } from "#core/access/token-use.ts";
import * as NodePool from "#core/cluster/operations/node-pools.ts";
import { type AppDependencies, createApp } from "../http/app.ts";
import { createLambdaHandler } from "../http/lambda.ts";
import { acloudDialect } from "./acloud/dialect.ts";
import { dialectRoutes } from "./dialect.ts";
import type { OperationsOf } from "./routes.ts";
import { nodePoolDialect } from "./v1/node-pools.ts";

/** Operations on node pools by their ids. */
export const nodePoolOperations = {
  listNodePools: NodePool.list,
  createNodePool: NodePool.create,
  getNodePool: NodePool.get,
  updateNodePool: NodePool.update,
  deleteNodePool: NodePool.remove,
} satisfies OperationsOf<"NodePools">;

/** Routes of the operations on node pools. */
export const nodePoolRoutes = dialectRoutes(nodePoolOperations, nodePoolDialect, acloudDialect(nodePoolDialect));

/** Makes the app of this route group. */
const createNodePoolsApp = (dependencies: AppDependencies) => createApp(dependencies, nodePoolRoutes);

/** Lambda of this route group. It may update items, so it records when tokens are used. */
export const handler = createLambdaHandler(createNodePoolsApp, { tokenUse: new TokenUse() });
