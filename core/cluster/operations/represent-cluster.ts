/** Builds the representation of a cluster. */

import type { Authorized } from "../../access/authorize.ts";
import type { Representation } from "../../request/idempotency.ts";
import type { Cluster } from "../entity.ts";
import type { ClusterResponse } from "../schema.ts";
import { clusterEtag, toClusterResponse } from "../store/items.ts";

/** Builds the representation of a cluster in the response to a write. */
export const representCluster = (
  cluster: Cluster,
  { organisation, references }: Pick<Authorized, "organisation" | "references">,
): Representation<ClusterResponse> => ({
  kind: "representation",
  body: toClusterResponse(cluster, { organisation, references, showCompute: false }),
  etag: clusterEtag(cluster, references),
});
