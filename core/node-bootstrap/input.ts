/** Input for the documents of a node. */

import type { NodePool } from "../node-pool/entity.ts";

/** Node pool that a machine joins. */
export type JoinedPool = Pick<
  NodePool,
  "name" | "labels" | "taints" | "enableNodeReboots" | "securityUpdatesOnJoin" | "upgradeStrategy"
>;

/** Input for the documents of a node. */
export interface JoinInput {
  /** URL of the API server, `https://host:port`; default port 443. */
  readonly endpoint: string;
  /** Certificate of the cluster's certificate authority, PEM. */
  readonly certificate: string;
  /** Bootstrap token in kubeadm's format, such as `abcdef.0123456789abcdef`. */
  readonly token: string;
  /** Version of the cluster, such as `v1.33.4-u-ame.2`. */
  readonly version: string;
  /** Service subnet in CIDR notation; its tenth address is the cluster's DNS. */
  readonly serviceSubnet: string;
  /** DNS domain of services; default `cluster.local`. */
  readonly clusterDomain?: string;
  /** Absent for a node without a pool. */
  readonly pool?: JoinedPool;
}
