/** What turns a configuration into a running cluster. */

import type { Cluster } from "../cluster/entity.ts";
import type { ProvisionerTraits } from "../context.ts";
import type { NodePool } from "../node-pool/entity.ts";
import type { NodeUpgrade } from "../node-pool/rules.ts";

/** A node pool as it is to be. */
export interface PlannedPool {
  pool: NodePool;
  version: string;
  upgrade: NodeUpgrade;
}

/** A cluster as it is to be now; on the way to another version that is a step of the way. */
export interface Plan {
  cluster: Cluster;
  /** Rises with every lease: what was planned under a lower one is refused. */
  fence: number;
  /** Of the control plane. */
  version: string;
  isRunning: boolean;
  /** Without those that are being deleted: what is not here is taken away. */
  nodePools: readonly PlannedPool[];
}

/** Phases of building that a provisioner tells; what comes before is the reconciler's own. */
export const builtPhases = [
  "CLUSTER_PROVISIONED",
  "INITIAL_NODE_POOLS_PROVISIONED",
  "INITIAL_ADDONS_PROVISIONED",
  "DONE",
] as const;

/** A node pool as it is. */
export interface ObservedPool {
  identity: string;
  version: string;
  nodes: number;
  /** `ready` only when it is as it was last planned. */
  state: "pending" | "ready" | "failed";
}

/** A cluster as it is. */
export interface Observation {
  /** RFC 3339. */
  collectedAt: string;
  /** The furthest phase of building that is complete; undefined while none is. */
  phase: (typeof builtPhases)[number] | undefined;
  power: "starting" | "started" | "stopping" | "stopped";
  /** Of the control plane, once there is one. */
  version: string | undefined;
  /** Where its API server is to be reached, `https://host:port`, once that is known. */
  endpoint: string | undefined;
  nodePools: readonly ObservedPool[];
}

/**
 * A way to make clusters real. Everything may be called again at any time, with the same effect as once. Every call may fail,
 * and one whose caller gave up may still have its effect, unless a higher fence was seen since.
 */
export interface Provisioner extends ProvisionerTraits {
  /** How long to wait before the next look at something under way, in milliseconds. */
  readonly pollMs: number;
  /** Asks for a cluster to become as planned; it returns when that is accepted, not when it is done. */
  apply(plan: Plan, signal: AbortSignal): Promise<void>;
  /** Looks at a cluster. @returns undefined where nothing is there of it */
  observe(identity: string, signal: AbortSignal): Promise<Observation | undefined>;
  /** Asks for everything of a cluster to be taken away. @param fence as in a plan */
  destroy(identity: string, fence: number, signal: AbortSignal): Promise<void>;
}
