/** What the documents of a node are made of. */

import type { NodePool } from "../node-pool/entity.ts";

/** The pool that a machine becomes a node of. */
export type JoinedPool = Pick<
  NodePool,
  "name" | "labels" | "taints" | "enableNodeReboots" | "securityUpdatesOnJoin" | "upgradeStrategy"
>;

/** What the documents of a node are made of. */
export interface JoinInput {
  /** Where the API server is, `https://host:port`; without a port 443. */
  readonly endpoint: string;
  /** The certificate of the cluster's authority, PEM. */
  readonly certificate: string;
  /** A bootstrap token in kubeadm's format, such as `abcdef.0123456789abcdef`. */
  readonly token: string;
  /** The cluster's version, such as `v1.33.4-u-ame.2`. */
  readonly version: string;
  /** The addresses of services in CIDR notation; the tenth is the cluster's DNS. */
  readonly serviceSubnet: string;
  /** The domain of services; `cluster.local` where it is left out. */
  readonly clusterDomain?: string;
  /** Left out for a node that belongs to no pool. */
  readonly pool?: JoinedPool;
}
