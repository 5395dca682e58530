/** Request and response shapes of clusters. */

import * as v from "valibot";
import { CreateClusterNodePool } from "../node-pool/schema.ts";
import { cidr, dateTime, IPRange, identity, int32, int64, maxCharacters, Slug, text, uuid } from "../shared/schemas.ts";
import { NAME_PATTERN } from "../shared/slug.ts";
import { Condition } from "./condition.ts";

/** Container network interfaces of the API documentation. */
export const networkInterfaces = ["custom", "cilium", "calico"] as const;

/** Pod security standards of the API documentation, the same as in Kubernetes. */
export const podSecurityProfiles = ["privileged", "baseline", "restricted"] as const;

/** Statuses of a cluster of the API documentation. */
export const clusterStatuses = [
  "new",
  "provisioning",
  "provisioned",
  "starting",
  "started",
  "stopping",
  "stopped",
  "deleting",
  "deleted",
  "unknown",
] as const;

/** Statuses that a user can request. */
export const desiredStatuses = ["starting", "stopping", "deleting"] as const;

/** Phases of a cluster's provisioning. */
export const provisionStatuses = [
  "UNKNOWN",
  "ACCEPTED",
  "OIDC_PROVISIONED",
  "CLUSTER_PROVISIONED",
  "INITIAL_NODE_POOLS_PROVISIONED",
  "INITIAL_ADDONS_PROVISIONED",
  "DONE",
] as const;

/** Maximum size of a cluster's user data, as JSON, in bytes. */
export const MAX_CLUSTER_BYTES = 12 * 1024;

/** APIAddon of the API documentation. Names and values are free text. */
export const APIAddon = v.object({
  customValues: v.optional(
    v.pipe(v.record(v.pipe(text, maxCharacters(63)), v.pipe(text, maxCharacters(1024))), v.maxEntries(50)),
  ),
  enabled: v.optional(v.boolean()),
});
export type APIAddon = v.InferOutput<typeof APIAddon>;

/** IpWhitelistRequest of the API documentation. */
export const IpWhitelistRequest = v.object({
  cidr: IPRange,
  description: v.pipe(text, maxCharacters(100)),
});

const ipWhitelist = v.pipe(v.array(IpWhitelistRequest), v.maxLength(500));

const addons = v.pipe(v.record(v.pipe(text, maxCharacters(63)), APIAddon), v.maxEntries(100));

/** Body of a cluster's creation, of the API documentation. */
export const CreateCluster = v.object({
  addons: v.optional(addons),
  cloudAccountIdentity: uuid,
  clusterPodSubnet: v.optional(IPRange),
  cni: v.optional(v.picklist(networkInterfaces)),
  description: v.optional(v.pipe(text, maxCharacters(500))),
  enableAutoUpgrade: v.optional(v.boolean()),
  enableHA: v.optional(v.boolean()),
  enableHighAvailability: v.optional(v.boolean()),
  enableMultiAvailabilityZones: v.optional(v.boolean()),
  enableNATGateway: v.optional(v.boolean()),
  enableNetworkEncryption: v.optional(v.boolean()),
  enablePodSecurityStandards: v.optional(v.boolean()),
  ipWhitelist: v.optional(ipWhitelist),
  maintenanceScheduleIdentity: v.optional(uuid),
  name: v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(63),
    v.regex(NAME_PATTERN, "must be ASCII letters, digits, spaces, - and &, with at least one letter or digit"),
  ),
  nodePools: v.array(CreateClusterNodePool),
  podSecurityStandardsProfile: v.optional(v.picklist(podSecurityProfiles)),
  region: v.pipe(text, maxCharacters(63)),
  serviceSubnet: v.optional(IPRange),
  updateChannel: v.optional(v.pipe(text, maxCharacters(63))),
  version: v.pipe(text, maxCharacters(63)),
});
export type CreateCluster = v.InferOutput<typeof CreateCluster>;

/** Body of a cluster's change, of the API documentation. */
export const UpdateCluster = v.object({
  addons: v.optional(addons),
  cloudCredentialsIdentity: v.optional(uuid),
  cni: v.optional(v.picklist(networkInterfaces)),
  deleteProtection: v.optional(v.boolean()),
  enableAutoUpgrade: v.optional(v.boolean()),
  enableHighAvailability: v.optional(v.boolean()),
  enableNetworkEncryption: v.optional(v.boolean()),
  environmentSlug: v.optional(v.pipe(text, maxCharacters(100))),
  ipWhitelist: v.optional(ipWhitelist),
  maintenanceScheduleIdentity: v.optional(uuid),
  podSecurityStandardsProfile: v.optional(v.picklist(podSecurityProfiles)),
  status: v.optional(v.picklist(desiredStatuses)),
  updateChannel: v.optional(v.pipe(text, maxCharacters(63))),
  version: v.optional(v.pipe(text, maxCharacters(63))),
});
export type UpdateCluster = v.InferOutput<typeof UpdateCluster>;

/** Body of a move, of the API documentation. */
export const MoveCluster = v.object({
  currentEnvironment: v.pipe(text, maxCharacters(100)),
  newEnvironment: v.pipe(text, maxCharacters(100)),
});
export type MoveCluster = v.InferOutput<typeof MoveCluster>;

/** Body of a restoration: identity of the deleted cluster; absent for the only one with the slug. */
export const UndeleteCluster = v.object({ identity: v.optional(uuid) });
export type UndeleteCluster = v.InferOutput<typeof UndeleteCluster>;

/** IpWhitelistResponse of the API documentation. */
export const IpWhitelistResponse = v.object({ cidr, description: v.string() });

/** ActualClusterStateResponse of the API documentation: the provisioner's last observation. */
export const ActualClusterStateResponse = v.object({
  collectedAt: dateTime,
  status: v.string(),
  version: v.optional(v.string()),
});

/** CloudCredentialsReference of the API documentation. */
export const CloudCredentialsReference = v.object({
  displayName: v.string(),
  identity,
  isPrimary: v.boolean(),
});

/** CloudAccountReference of the API documentation. */
export const CloudAccountReference = v.object({
  displayName: v.string(),
  identity,
  primaryCloudCredentials: v.optional(CloudCredentialsReference),
});

/** MaintenanceWindowResponse of the API documentation: spelled as sent, `duration` in minutes. */
export const MaintenanceWindowResponse = v.object({ day: v.string(), duration: int32, startTime: v.string() });

/** MaintenanceScheduleResponse of the API documentation; without clusterCount inside a cluster. */
export const MaintenanceScheduleResponse = v.object({
  clusterCount: v.optional(int64),
  identity,
  name: v.string(),
  windows: v.array(MaintenanceWindowResponse),
});

/** ObservabilityTenantClusterRef of the API documentation, which does not show its properties. */
export const ObservabilityTenantClusterRef = v.object({});

/** ObservabilityTenantEnvironmentRef of the API documentation, which does not show its properties. */
export const ObservabilityTenantEnvironmentRef = v.object({});

/**
 * ObservabilityTenant of the API documentation, always without cluster and environment: the documentation shows no request that relates
 * a tenant to one.
 */
export const ObservabilityTenant = v.object({
  available: v.boolean(),
  cluster: v.optional(ObservabilityTenantClusterRef),
  createdAt: dateTime,
  customer: v.string(),
  deletedAt: v.optional(dateTime),
  environment: v.optional(ObservabilityTenantEnvironmentRef),
  id: int64,
  identity,
  ipWhiteList: v.string(),
  modifiedAt: dateTime,
  name: v.string(),
  slug: v.string(),
});

/** UpdateChannelResponse of the API documentation. */
export const UpdateChannelResponse = v.object({
  available: v.boolean(),
  kubernetesClusterVersion: v.string(),
  name: v.string(),
});

/** ClusterResponse of the API documentation, always without observabilityTenant, because no request relates one to a cluster. */
export const ClusterResponse = v.object({
  actualState: v.optional(ActualClusterStateResponse),
  addons: v.record(v.string(), APIAddon),
  ameOIDC: v.boolean(),
  autoUpgrade: v.boolean(),
  cloudAccount: v.optional(CloudAccountReference),
  cloudCredentials: v.optional(CloudCredentialsReference),
  cloudProvider: v.string(),
  clusterPodSubnet: v.string(),
  cni: v.picklist(networkInterfaces),
  conditions: v.pipe(
    v.array(Condition),
    v.description("State of the cluster and the reasons for it, in the format of Kubernetes conditions."),
  ),
  cpu: v.optional(int64),
  createdAt: dateTime,
  customerIdentity: identity,
  customerSlug: Slug,
  deleteProtection: v.boolean(),
  deletedAt: v.optional(dateTime),
  description: v.optional(v.string()),
  desiredStatus: v.picklist(desiredStatuses),
  enableMultiAvailabilityZones: v.boolean(),
  enableNATGateway: v.boolean(),
  enableNetworkEncryption: v.boolean(),
  environmentIdentity: identity,
  environmentPrometheusRules: v.boolean(),
  environmentSlug: Slug,
  generation: v.pipe(
    int64,
    v.description("Raised by every write of a user; each condition names the generation that it describes."),
  ),
  highlyAvailable: v.boolean(),
  identity,
  ipWhitelist: v.array(IpWhitelistResponse),
  maintenanceSchedule: v.optional(MaintenanceScheduleResponse),
  memory: v.optional(int64),
  modifiedAt: dateTime,
  name: v.string(),
  observabilityTenant: v.optional(ObservabilityTenant),
  podSecurityStandardsProfile: v.picklist(podSecurityProfiles),
  poolID: int64,
  poolName: v.string(),
  provisionStatus: v.picklist(provisionStatuses),
  region: v.string(),
  serviceSubnet: v.string(),
  slug: Slug,
  status: v.picklist(clusterStatuses),
  updateChannel: v.optional(UpdateChannelResponse),
  version: v.string(),
});
export type ClusterResponse = v.InferOutput<typeof ClusterResponse>;
