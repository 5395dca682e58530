/** Stored shapes of clusters, their pointers and tombstones. */

import * as v from "valibot";
import { decodeRow, listAttributes } from "../listing/list-row.ts";
import { StoredNodePool } from "../node-pool/entity.ts";
import { parseJson } from "../shared/json.ts";
import { freeNames } from "../shared/schemas.ts";
import { defineEntity, type Entity, type Migration, type RawItem } from "../table/entity.ts";
import { clusterEnvironmentOf, type Key, organisationOf } from "../table/keys.ts";
import { type ClusterCondition, readConditions, StoredConditions, storeConditions } from "./condition.ts";
import { withoutMessages } from "./migrations.ts";
import {
  type APIAddon,
  clusterStatuses,
  desiredStatuses,
  networkInterfaces,
  podSecurityProfiles,
  provisionStatuses,
} from "./schema.ts";
import { AutoscalerSettings, UpstreamCluster } from "./undocumented.ts";

/** Converts the add-ons of a cluster or tombstone of version 1, which stored them as JSON text, to version 2. */
const readAddons: Migration = (cluster) => ({ ...cluster, addons: parseJson(String(cluster.addons)) });

/** Moves a cluster of version 2 from the list index of older releases to the present one. */
const addListRow: Migration = ({ slimSk: _, ...cluster }) => ({
  ...cluster,
  ...listAttributes(cluster as unknown as Cluster),
});

const UpgradeReference = v.object({
  number: v.number(),
  state: v.picklist(["waiting", "started", "finished"]),
});

/** Reference of a cluster to its newest scheduled upgrade. */
export type UpgradeReference = v.InferOutput<typeof UpgradeReference>;

const StoredCluster = v.object({
  identity: v.string(),
  organisation: v.string(),
  environment: v.string(),
  environmentIdentity: v.string(),
  slug: v.string(),
  name: v.string(),
  description: v.optional(v.string()),
  cloudAccountIdentity: v.string(),
  /**
   * True if the cluster is being deleted and counts as a use of its account until that is complete. Absent if it is not being deleted, or
   * if an older release accepted its deletion, which ended the use at once.
   */
  holdsAccount: v.optional(v.boolean()),
  /** Present if a user chose credentials; otherwise the account's current primary credentials apply. */
  cloudCredentialsIdentity: v.optional(v.string()),
  /** Slug of the provider. */
  cloudProvider: v.string(),
  region: v.string(),
  version: v.string(),
  /** Version before a minor upgrade. A rollback to it is possible until another version is accepted. */
  rollbackVersion: v.optional(v.string()),
  /** Version of the control plane at the last observation; absent before the first. */
  runningVersion: v.optional(v.string()),
  /** Version of the control plane in the last plan, stored before the provisioner gets the plan; absent before the first plan. */
  plannedVersion: v.optional(v.string()),
  /** Newest scheduled upgrade: its number among the cluster's upgrades, and its progress. Absent if there never was one. */
  scheduledUpgrade: v.optional(UpgradeReference),
  updateChannel: v.optional(v.string()),
  maintenanceScheduleIdentity: v.optional(v.string()),
  cni: v.optional(v.picklist(networkInterfaces), "cilium"),
  podSecurityStandardsProfile: v.optional(v.picklist(podSecurityProfiles), "privileged"),
  enablePodSecurityStandards: v.optional(v.boolean()),
  /** Spelling of a value in the request that set it; absent if the documented dialect set it, or the default applies. */
  cniSpelling: v.optional(v.string()),
  podSecurityStandardsProfileSpelling: v.optional(v.string()),
  clusterAutoscalerSettings: v.optional(AutoscalerSettings),
  upstreamCluster: v.optional(UpstreamCluster),
  autoUpgrade: v.optional(v.boolean(), false),
  highlyAvailable: v.optional(v.boolean(), false),
  enableMultiAvailabilityZones: v.optional(v.boolean(), false),
  enableNATGateway: v.optional(v.boolean(), false),
  enableNetworkEncryption: v.optional(v.boolean(), false),
  environmentPrometheusRules: v.optional(v.boolean(), true),
  deleteProtection: v.optional(v.boolean(), false),
  clusterPodSubnet: v.optional(v.string(), "10.244.0.0/16"),
  serviceSubnet: v.optional(v.string(), "10.96.0.0/12"),
  /** Absent if it is empty. */
  ipWhitelist: v.optional(v.array(v.object({ cidr: v.string(), description: v.string() }))),
  /** Absent if there are none. */
  addons: v.optional(freeNames<APIAddon>()),
  status: v.picklist(clusterStatuses),
  desiredStatus: v.optional(v.picklist(desiredStatuses), "starting"),
  provisionStatus: v.optional(v.picklist(provisionStatuses), "DONE"),
  /** Furthest phase reached, also while provisionStatus is UNKNOWN. "From a phase on" refers to it. Absent if it is provisionStatus. */
  furthestPhase: v.optional(v.picklist(provisionStatuses)),
  poolID: v.optional(v.number(), 1),
  poolName: v.optional(v.string(), "default"),
  /** Minimum resources of the pools: cores and MiB, updated by every write to a pool. */
  cpu: v.number(),
  memory: v.number(),
  createdAt: v.string(),
  modifiedAt: v.string(),
  /** Raised by users' writes and by changes of status, phase, or a condition's status or reason. */
  revision: v.number(),
  /** Raised only by writes of users. Conditions refer to it as observedGeneration. */
  generation: v.number(),
  conditions: StoredConditions,
  /** Id of the last change: a change whose response was lost recognises its own write by it. */
  writtenBy: v.optional(v.string()),
});

/**
 * Cluster: its requested settings and its progress. Written by users, by changes of status, phase or conditions, and by
 * changes of the running or planned version of the control plane.
 */
export type Cluster = Decoded<StoredProperties>;

type StoredProperties = v.InferOutput<typeof StoredCluster>;

/** Properties of clusters and tombstones that are stored in a shorter form. */
interface DecodedProperties {
  ipWhitelist: NonNullable<StoredProperties["ipWhitelist"]>;
  addons: NonNullable<StoredProperties["addons"]>;
  furthestPhase: StoredProperties["provisionStatus"];
  conditions: ClusterCondition[];
}

type Decoded<Stored> = Omit<Stored, keyof DecodedProperties> & DecodedProperties;

/** Converts the properties of a cluster or tombstone to the form in which they are stored. */
function encode<Properties extends DecodedProperties & Pick<Cluster, "provisionStatus">>(properties: Properties) {
  const { conditions, ipWhitelist, addons, furthestPhase, provisionStatus } = properties;
  return {
    ...properties,
    conditions: storeConditions(conditions),
    ipWhitelist: ipWhitelist.length === 0 ? undefined : ipWhitelist,
    addons: Object.keys(addons).length === 0 ? undefined : addons,
    furthestPhase: furthestPhase === provisionStatus ? undefined : furthestPhase,
  };
}

/** Converts a cluster or tombstone as stored. Changes the given object, because a copy of so many properties takes long. */
function decode<Stored extends StoredProperties>(stored: Stored): Decoded<Stored> {
  return Object.assign(stored, {
    conditions: readConditions(stored.conditions),
    ipWhitelist: stored.ipWhitelist ?? [],
    addons: stored.addons ?? {},
    furthestPhase: stored.furthestPhase ?? stored.provisionStatus,
  });
}

/** Migration from the version before conditions were stored without messages. */
const withoutConditionMessages: Migration = (properties) => ({
  ...properties,
  ...encode({ ...(properties as unknown as Cluster), conditions: withoutMessages(properties.conditions) }),
});

/** Returns the properties of a cluster that its key and its row of the list index contain. */
function inKeyAndRow(item: RawItem): Readonly<Record<string, unknown>> {
  const { pk, sk, row } = item;
  const { slug, name, version, region, cloudProvider, createdAt, modifiedAt } = decodeRow({ pk, sk }, row);
  const [organisation, environment] = [organisationOf(item), clusterEnvironmentOf(sk)];
  const times = { createdAt: new Date(createdAt).toISOString(), modifiedAt: new Date(modifiedAt).toISOString() };
  return { organisation, environment, slug, name, version, region, cloudProvider, ...times };
}

const storedCluster = defineEntity("cluster", 3, StoredCluster, {
  derive: inKeyAndRow,
  // The status is read from items without their document (status-watcher.ts).
  attributes: [
    "identity",
    "revision",
    "status",
    "rollbackVersion",
    "runningVersion",
    "plannedVersion",
    "scheduledUpgrade",
  ],
  migrations: { 1: readAddons, 2: (cluster) => addListRow({ ...cluster, ...withoutConditionMessages(cluster) }) },
});

/** Entity of a cluster. */
export const clusterEntity: Entity<Cluster> = {
  ...storedCluster,
  read: (item) => decode(storedCluster.read(item)),
  write: (key, cluster, extra) => storedCluster.write(key, encode(cluster), extra),
};

/** Builds the item of a cluster at a key, with its row of the list index. */
export const clusterItemAt = (key: Key, cluster: Cluster): RawItem =>
  clusterEntity.write(key, cluster, listAttributes(cluster));

const StoredPointer = v.object({
  identity: v.string(),
  organisation: v.string(),
  /** Sort key of the cluster's item, updated by every write that changes that key. */
  path: v.string(),
  /**
   * Fencing token, by which writes of a delayed worker are refused. Raised by every lease after one that was not released, and by
   * the end of a lease with a failed call.
   */
  fence: v.number(),
  /** End of a worker's exclusive lease, RFC 3339. */
  leaseUntil: v.optional(v.string()),
  /**
   * Random id of the last lease: a worker whose response was lost recognises its own lease by it, and a write under an earlier lease
   * is refused.
   */
  leaseId: v.optional(v.string()),
  /** Raised by every write of a user, so that two writes in the same millisecond are not confused. */
  wakes: v.number(),
  /** Time of the next reconciliation; absent if nothing is pending. */
  dueAt: v.optional(v.string()),
  /**
   * Time of the last unfinished request by a user or an operator, RFC 3339. The write that ends a lease removes it, unless
   * another request arrived since. The stream's filter selects records by it.
   */
  requestedAt: v.optional(v.string()),
  /** Number of consecutive failed attempts. */
  attempts: v.number(),
  lastError: v.optional(v.object({ at: v.string(), operation: v.string(), message: v.string() })),
  /** Step after the observation that failed, such as the creation of a bootstrap token, with its own attempts. */
  followUp: v.optional(
    v.object({
      operation: v.string(),
      message: v.string(),
      isTimeout: v.boolean(),
      attempts: v.number(),
      /** Earliest time of the next attempt, RFC 3339. A request of a user is an earlier one. */
      retryAt: v.string(),
    }),
  ),
  /** Last observation by the provisioner. */
  observation: v.optional(
    v.object({
      collectedAt: v.string(),
      status: v.string(),
      version: v.optional(v.string()),
      endpoint: v.optional(v.string()),
    }),
  ),
  /** Present once the cluster is removed: the same retention as the tombstone's. */
  ttl: v.optional(v.number()),
});

/** Item found by a cluster's identity. It contains the reconciler's state, so that a move does not replace it. */
export type Pointer = v.InferOutput<typeof StoredPointer>;

/** Entity of a pointer. */
export const pointerEntity = defineEntity("pointer", 1, StoredPointer);

const StoredTombstone = v.object({
  ...StoredCluster.entries,
  /** The pools as last requested, without those that were being deleted. */
  nodePools: v.array(StoredNodePool),
  deletedAt: v.string(),
  ttl: v.number(),
});

/** Data of a deleted cluster, retained for 30 days, from which it can be restored. */
export type Tombstone = Decoded<v.InferOutput<typeof StoredTombstone>>;

const storedTombstone = defineEntity("tombstone", 3, StoredTombstone, {
  attributes: ["revision", "deletedAt", "ttl"],
  migrations: {
    1: (stone) => ({ ...readAddons(stone), nodePools: JSON.parse(String(stone.nodePools)) }),
    2: withoutConditionMessages,
  },
});

/** Entity of a tombstone. */
export const tombstoneEntity: Entity<Tombstone> = {
  ...storedTombstone,
  read: (item) => decode(storedTombstone.read(item)),
  write: (key, tombstone, extra) => storedTombstone.write(key, encode(tombstone), extra),
};
