/** Settings of a new cluster and their defaults. Pure functions. */

import type { Draft } from "../../shared/validation.ts";
import type { Cluster } from "../entity.ts";
import { type CreateUndocumentedCluster, storedAutoscalerSettings, type UpstreamCluster } from "../undocumented.ts";
import { DEFAULT_POD_SUBNET, DEFAULT_SERVICE_SUBNET } from "./subnets.ts";

/** Maximum number of pools that are validated one by one: more are refused for their number in any case. */
export const MAX_VALIDATED_NODE_POOLS = 1_000;

/** Settings of a cluster that users choose, with defaults applied. */
export type ClusterSettings = Pick<
  Cluster,
  | "addons"
  | "autoUpgrade"
  | "cloudAccountIdentity"
  | "clusterAutoscalerSettings"
  | "clusterPodSubnet"
  | "cni"
  | "cniSpelling"
  | "description"
  | "enableMultiAvailabilityZones"
  | "enableNATGateway"
  | "enableNetworkEncryption"
  | "enablePodSecurityStandards"
  | "highlyAvailable"
  | "ipWhitelist"
  | "maintenanceScheduleIdentity"
  | "name"
  | "podSecurityStandardsProfile"
  | "podSecurityStandardsProfileSpelling"
  | "region"
  | "serviceSubnet"
  | "updateChannel"
  | "upstreamCluster"
  | "version"
>;

/** Returns settings that are not lists or maps, with defaults applied. */
export const simpleSettings = (input: Draft<CreateUndocumentedCluster>) => ({
  clusterPodSubnet: input.clusterPodSubnet?.ipRange ?? DEFAULT_POD_SUBNET,
  cni: input.cni ?? "cilium",
  enableMultiAvailabilityZones: input.enableMultiAvailabilityZones ?? false,
  enableNATGateway: input.enableNATGateway ?? false,
  enableNetworkEncryption: input.enableNetworkEncryption ?? false,
  serviceSubnet: input.serviceSubnet?.ipRange ?? DEFAULT_SERVICE_SUBNET,
});

/**
 * Builds the settings of a new cluster from a request without problems.
 *
 * @param version version of the request, or of its channel
 */
export const clusterSettings = (
  input: CreateUndocumentedCluster,
  version: string,
  upstreamCluster: UpstreamCluster | undefined,
): ClusterSettings => ({
  ...simpleSettings(input),
  addons: input.addons ?? {},
  autoUpgrade: input.enableAutoUpgrade ?? false,
  cloudAccountIdentity: input.cloudAccountIdentity,
  clusterAutoscalerSettings: storedAutoscalerSettings(input.clusterAutoscalerSettings),
  cniSpelling: input.cniSpelling,
  description: input.description,
  enablePodSecurityStandards: input.enablePodSecurityStandards,
  highlyAvailable: input.enableHA ?? input.enableHighAvailability ?? false,
  ipWhitelist: (input.ipWhitelist ?? []).map(({ cidr, description }) => ({ cidr: cidr.ipRange, description })),
  maintenanceScheduleIdentity: input.maintenanceScheduleIdentity,
  name: input.name,
  podSecurityStandardsProfile: input.podSecurityStandardsProfile ?? "privileged",
  podSecurityStandardsProfileSpelling: input.podSecurityStandardsProfileSpelling,
  region: input.region,
  updateChannel: input.updateChannel,
  upstreamCluster,
  version,
});
