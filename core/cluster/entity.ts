/** Clusters, their pointers and their events as they are stored. */

import * as v from "valibot";
import { defineEntity } from "../table/entity.ts";
import { Condition } from "./condition.ts";
import { eventTypes, upgradeEvent } from "./event-types.ts";
import {
  clusterStatuses,
  desiredStatuses,
  networkInterfaces,
  podSecurityProfiles,
  provisionStatuses,
} from "./schema.ts";

const StoredCluster = v.object({
  identity: v.string(),
  organisation: v.string(),
  environment: v.string(),
  environmentIdentity: v.string(),
  slug: v.string(),
  name: v.string(),
  description: v.optional(v.string()),
  cloudAccountIdentity: v.string(),
  /** Set when a user chose; otherwise the account's primary ones count, whichever they are at the time. */
  cloudCredentialsIdentity: v.optional(v.string()),
  /** The provider's slug. */
  cloudProvider: v.string(),
  region: v.string(),
  version: v.string(),
  /** The version before a minor upgrade, to which the way back is open until another version is accepted. */
  rollbackVersion: v.optional(v.string()),
  /** The version that the control plane ran when it was last observed; absent until then. */
  runningVersion: v.optional(v.string()),
  /** The version of the control plane in the last plan: stored before the provisioner gets the plan, absent before the first. */
  plannedVersion: v.optional(v.string()),
  updateChannel: v.optional(v.string()),
  maintenanceScheduleIdentity: v.optional(v.string()),
  cni: v.picklist(networkInterfaces),
  podSecurityStandardsProfile: v.picklist(podSecurityProfiles),
  enablePodSecurityStandards: v.optional(v.boolean()),
  autoUpgrade: v.boolean(),
  highlyAvailable: v.boolean(),
  enableMultiAvailabilityZones: v.boolean(),
  enableNATGateway: v.boolean(),
  enableNetworkEncryption: v.boolean(),
  environmentPrometheusRules: v.boolean(),
  deleteProtection: v.boolean(),
  clusterPodSubnet: v.string(),
  serviceSubnet: v.string(),
  ipWhitelist: v.array(v.object({ cidr: v.string(), description: v.string() })),
  /** JSON: names are free text, and the SDK's marshaller loses some of them, `__proto__` for one. */
  addons: v.string(),
  status: v.picklist(clusterStatuses),
  desiredStatus: v.picklist(desiredStatuses),
  provisionStatus: v.picklist(provisionStatuses),
  /** The furthest phase reached; "from a phase on" means this, also while provisionStatus is UNKNOWN. */
  furthestPhase: v.picklist(provisionStatuses),
  poolID: v.number(),
  poolName: v.string(),
  /** What the pools ask for at least: cores and MiB, kept by every write to a pool. */
  cpu: v.number(),
  memory: v.number(),
  createdAt: v.string(),
  modifiedAt: v.string(),
  /** Raised by users' writes and by changes of status, phase, or a condition's status or reason. */
  revision: v.number(),
  /** Raised by users' writes alone: what conditions say they have observed. */
  generation: v.number(),
  conditions: v.array(Condition),
  /** What the last change drew for itself: by it a change whose answer was lost recognises what it wrote. */
  writtenBy: v.optional(v.string()),
});

/**
 * A cluster: what was asked of it, and how far it is. Written by users, by changes of status, phase or conditions, and
 * when the version of the control plane that runs or is planned changes.
 */
export type Cluster = v.InferOutput<typeof StoredCluster>;

/** How a cluster is stored. */
export const clusterEntity = defineEntity("cluster", 1, StoredCluster);

const StoredPointer = v.object({
  identity: v.string(),
  organisation: v.string(),
  /** The sort key of the cluster's item, kept true by everything that changes it. */
  path: v.string(),
  /** Raised by every lease, so that a delayed worker's writes can be told from the present one's. */
  fence: v.number(),
  /** Until when a worker has the cluster to itself, RFC 3339. */
  leaseUntil: v.optional(v.string()),
  /** Raised by every write of a user, so that none is missed that falls into the same moment as another. */
  wakes: v.number(),
  /** When the reconciler is to look at it; absent where nothing is pending. */
  dueAt: v.optional(v.string()),
  /**
   * When a user or an operator last asked for work that no worker is done with, RFC 3339. The write that ends a lease removes it,
   * unless there was another request meanwhile. The stream's filter selects records by it.
   */
  requestedAt: v.optional(v.string()),
  /** How often in a row it went wrong. */
  attempts: v.number(),
  lastError: v.optional(v.object({ at: v.string(), operation: v.string(), message: v.string() })),
  /** What the provisioner last saw. */
  observation: v.optional(
    v.object({
      collectedAt: v.string(),
      status: v.string(),
      version: v.optional(v.string()),
      endpoint: v.optional(v.string()),
    }),
  ),
  /** Set when the cluster is gone: as long as its tombstone stays. */
  ttl: v.optional(v.number()),
});

/** What a cluster's identity leads to. What the reconciler notes lies here, where no move replaces it. */
export type Pointer = v.InferOutput<typeof StoredPointer>;

/** How a pointer is stored. */
export const pointerEntity = defineEntity("pointer", 1, StoredPointer);

const StoredEvent = v.object({
  type: v.picklist(eventTypes),
  at: v.string(),
  clusterIdentity: v.string(),
  /** Who asked for it, by which token and in which request; absent where the reconciler did it. */
  user: v.optional(v.string()),
  tokenId: v.optional(v.string()),
  sourceAddress: v.optional(v.string()),
  requestId: v.optional(v.string()),
  /** JSON of [{path, from, to}], for the same reason as a cluster's add-ons. */
  changes: v.string(),
  ttl: v.number(),
});

/** What happened to a cluster, by whom and from where. */
export type ClusterEvent = v.InferOutput<typeof StoredEvent>;

/** How an event is stored. */
export const eventEntity = defineEntity("event", 2, StoredEvent, { 1: upgradeEvent });

/** One property that changed. `from` is absent where there was none before, `to` where there is none now. */
export interface Change {
  path: string;
  from?: unknown;
  to?: unknown;
}

const StoredTombstone = v.object({
  ...StoredCluster.entries,
  /** JSON of the pools as last asked for, each as it is stored; those that were being deleted are not among them. */
  nodePools: v.string(),
  deletedAt: v.string(),
  ttl: v.number(),
});

/** What is left of a cluster for 30 days: enough to bring it back. */
export type Tombstone = v.InferOutput<typeof StoredTombstone>;

/** How a tombstone is stored. */
export const tombstoneEntity = defineEntity("tombstone", 1, StoredTombstone);
