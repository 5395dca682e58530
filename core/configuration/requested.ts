/** Requested configuration of a cluster, as a provisioner checks it before it is stored. */

import type { CloudProvider } from "../catalogue/index.ts";

/** Settings of a cluster. A setting is absent if its value is not known, because the request has another problem there. */
export interface RequestedCluster {
  readonly addons?: Readonly<Record<string, { readonly enabled?: boolean | undefined }>> | undefined;
  readonly cloudAccountIdentity?: string | undefined;
  /** Absent for the primary credentials of the account. */
  readonly cloudCredentialsIdentity?: string | undefined;
  readonly clusterPodSubnet?: string | undefined;
  readonly cni?: string | undefined;
  readonly enableMultiAvailabilityZones?: boolean | undefined;
  readonly enableNATGateway?: boolean | undefined;
  readonly enableNetworkEncryption?: boolean | undefined;
  readonly ipWhitelist?: readonly { readonly cidr: string }[] | undefined;
  readonly region?: string | undefined;
  readonly serviceSubnet?: string | undefined;
  readonly status?: string | undefined;
  readonly version?: string | undefined;
}

/** Cluster as stored before a change. */
export interface ConfiguredCluster extends RequestedCluster {
  /** Version of the control plane at the last observation. */
  readonly runningVersion?: string | undefined;
  /** Version of the control plane in the last plan. */
  readonly plannedVersion?: string | undefined;
}

/** Settings of a node pool. A setting is absent for its default, and if the request has another problem there. */
export interface RequestedNodePool {
  readonly annotations?: Readonly<Record<string, string | undefined>> | undefined;
  readonly autoScaling?: boolean | undefined;
  readonly availabilityZone?: string | undefined;
  readonly nodeSize?: string | undefined;
  readonly securityUpdatesOnJoin?: string | undefined;
  readonly upgradeStrategy?: string | undefined;
}

/** Request for a new cluster, or for a change of a cluster or of its node pools. */
export interface RequestedConfiguration {
  readonly provider: Pick<CloudProvider, "slug" | "name" | "type" | "regions" | "nodeTypes">;
  /** Identity of the primary credentials of the cluster's account; undefined if it has none. */
  readonly primaryCredentials: string | undefined;
  readonly cluster: RequestedCluster;
  /** The cluster before the change; undefined for a new one. */
  readonly storedCluster: ConfiguredCluster | undefined;
  /** Pools that the request creates or changes. */
  readonly nodePools: readonly {
    /** Path of the pool in the request, such as `nodePools[1]`; empty if it is the body. */
    readonly path: string;
    readonly pool: RequestedNodePool;
    /** The pool before the change; undefined for a new one. */
    readonly storedPool: RequestedNodePool | undefined;
  }[];
}
