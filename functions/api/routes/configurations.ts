import type { Grant } from "../grants.ts";
import { CLUSTER, PLAIN, POOL, READS, type RouteRow } from "./row.ts";

const SECRETS = { ...READS, key: ["Decrypt"] } as const satisfies Grant;
// A token for a cluster with an API server is encrypted until the reconciler, which is made due, has created it there.
const ISSUES = {
  ...READS,
  table: [...READS.table, "PutItem", "UpdateItem", "ConditionCheckItem"],
  key: ["Decrypt"],
} as const satisfies Grant;

/** Rows of the operations on join configurations, OIDC configurations and kubeconfigs. */
export const configurations = {
  getClusterJoinConfig: {
    group: "Configurations",
    method: "GET",
    path: `${CLUSTER}/join-config`,
    parameters: PLAIN,
    success: "JoinConfigResponse",
    grant: ISSUES,
    refusesHead: true,
  },
  getNodePoolJoinConfig: {
    group: "Configurations",
    method: "GET",
    path: `${POOL}/join-config`,
    parameters: PLAIN,
    success: "JoinConfigResponse",
    grant: ISSUES,
    refusesHead: true,
  },
  createNodePoolJoinConfig: {
    group: "Configurations",
    method: "POST",
    path: `${POOL}/join-config`,
    parameters: PLAIN,
    success: "JoinConfigResponse",
    grant: ISSUES,
    ignoresIdempotencyKey: true,
  },
  getClusterOidcConfig: {
    group: "Configurations",
    method: "GET",
    path: `${CLUSTER}/oidc-config`,
    parameters: PLAIN,
    success: "OidcConfigResponse",
    grant: SECRETS,
  },
  getClusterKubeconfig: {
    group: "Configurations",
    method: "GET",
    path: `${CLUSTER}/kubeconfig`,
    parameters: PLAIN,
    success: "KubeconfigResponse",
    grant: SECRETS,
  },
} as const satisfies Record<string, RouteRow>;
