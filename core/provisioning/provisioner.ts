/** Interface of a provisioner, which turns a configuration into a running cluster. */

import type { Cluster } from "../cluster/entity.ts";
import type { ProvisionerTraits } from "../context.ts";
import type { NodePool } from "../node-pool/entity.ts";
import type { NodeUpgrade } from "../node-pool/rules.ts";

/** Requested node pool. */
export interface PlannedPool {
  pool: NodePool;
  version: string;
  upgrade: NodeUpgrade;
}

/** Cluster as stored, with all of its node pools. */
export interface Target {
  cluster: Cluster;
  nodePools: readonly NodePool[];
}

/** OIDC client whose tokens the API server of a cluster accepts. */
export interface ClusterOidcClient {
  issuer: string;
  clientId: string;
}

/** Requested state of a cluster, or a step on the way to another version. */
export interface Plan {
  cluster: Cluster;
  /** Undefined if the cluster has none. */
  oidc: ClusterOidcClient | undefined;
  /** Observation that the plan follows from; undefined if nothing existed. */
  observation: Observation | undefined;
  /** Fencing token of the worker's lease: the provisioner refuses a plan with a lower one than it has received. */
  fence: number;
  /** Version of the control plane. */
  version: string;
  isRunning: boolean;
  /** Pools that are not being deleted; the provisioner deletes all others. */
  nodePools: readonly PlannedPool[];
}

/** Phases of building that a provisioner reports. The reconciler itself sets the earlier phases. */
export const builtPhases = [
  "CLUSTER_PROVISIONED",
  "INITIAL_NODE_POOLS_PROVISIONED",
  "INITIAL_ADDONS_PROVISIONED",
  "DONE",
] as const;

/** Observed node pool. */
export interface ObservedPool {
  identity: string;
  version: string;
  nodes: number;
  /** `ready` only if the pool matches its last plan. */
  state: "pending" | "ready" | "failed";
}

/** Observed cluster. */
export interface Observation {
  /** RFC 3339. */
  collectedAt: string;
  /** Furthest complete phase of building; undefined before the first. */
  phase: (typeof builtPhases)[number] | undefined;
  power: "starting" | "started" | "stopping" | "stopped";
  /** Version of the control plane; undefined before it exists. */
  version: string | undefined;
  /** URL of the API server, `https://host:port`; undefined until it is known. */
  endpoint: string | undefined;
  /** Certificate of the authority of the API server, PEM; absent if it is not known, or if this service created it. */
  certificateAuthority?: string;
  /** State of a cluster that is up, beyond its status, such as `available` or `upgrading`; absent if there is none. */
  health?: string;
  /** True if the API server of a cluster that runs has not answered for so long that its state counts as unknown. */
  isUnreachable?: boolean;
  /** True if no API server of a cluster that was built runs, and the version of its control plane can only change while one does. */
  isAsleep?: boolean;
  /** What the provisioner says about a cluster that is not as requested, for the detail of conditions; absent if there is nothing. */
  message?: string;
  nodePools: readonly ObservedPool[];
}

/** Bootstrap token to create in a cluster. */
export interface BootstrapToken {
  /** `abcdef.0123456789abcdef`. */
  token: string;
  /** RFC 3339. */
  expiresAt: string;
}

/**
 * Refusal of a plan or a deletion whose fencing token is lower than one that the provisioner has received. Either another worker has the
 * lease, or the table is older than the provisioner's data, for example because it was restored from a backup.
 */
export class OutdatedFenceError extends Error {
  /** Highest fencing token that the provisioner has received. */
  readonly highest: number;

  /** @param identity of the cluster */
  constructor(identity: string, highest: number) {
    super(`a newer plan for cluster ${identity} was received before, with the fencing token ${highest}`);
    this.name = "OutdatedFenceError";
    this.highest = highest;
  }
}

/**
 * Provisioner of clusters. All calls are idempotent. Every call may fail, and a call that timed out may still take effect, unless
 * the provisioner has received a higher fencing token since.
 */
export interface Provisioner extends ProvisionerTraits {
  /** Delay before the next observation of a change in progress, in milliseconds. */
  readonly pollMs: number;
  /** Requests the planned state; returns when the request is accepted, not when it is complete. @throws OutdatedFenceError */
  apply(plan: Plan, signal: AbortSignal): Promise<void>;
  /** Observes a cluster. @returns undefined if nothing of it exists */
  observe(target: Target, signal: AbortSignal): Promise<Observation | undefined>;
  /**
   * Requests the deletion of all resources of a cluster.
   *
   * @param fence fencing token, as in a plan
   * @returns true if it requested the deletion of everything; false if it has to be called again, even if nothing is observed any more
   * @throws OutdatedFenceError
   */
  destroy(target: Target, fence: number, signal: AbortSignal): Promise<boolean>;
  /**
   * Creates bootstrap tokens in a cluster, and deletes revoked ones. Absent if its clusters have no API servers.
   *
   * @param revoked ids of the tokens to delete
   */
  updateBootstrapTokens?(
    target: Target,
    tokens: readonly BootstrapToken[],
    revoked: readonly string[],
    signal: AbortSignal,
  ): Promise<void>;
}
