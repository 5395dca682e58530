/** Operations on clusters in the dialect of the published clients. */

import { parseCreate } from "#core/cluster/rules/create.ts";
import { parseUpdate } from "#core/cluster/rules/update.ts";
import { CreateUndocumentedCluster, UpdateUndocumentedCluster } from "#core/cluster/undocumented.ts";
import { ifMatch } from "../../http/preconditions.ts";
import type { clusterOperations } from "../clusters.ts";
import type { Dialect } from "../dialect.ts";
import { clusterDialect } from "../v1/clusters.ts";
import { clusterOf, environmentOf, manifestOptions } from "../v1/request.ts";
import { acloudDialect } from "./dialect.ts";

/** Operations on clusters in the dialect of the published clients. */
export const acloudClusterDialect: Dialect<typeof clusterOperations> = acloudDialect(clusterDialect, {
  createCluster: (request) => ({
    ...environmentOf(request),
    ...manifestOptions(request),
    body: parseCreate(request.body, CreateUndocumentedCluster),
  }),
  updateCluster: (request) => ({
    ...clusterOf(request),
    ...manifestOptions(request),
    ...ifMatch(request),
    body: parseUpdate(request.body, UpdateUndocumentedCluster),
  }),
});
