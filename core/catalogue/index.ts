/** Catalogue of clouds and versions, the same for every organisation, with lookups. */

import { type CloudProfile, cloudProfiles } from "./profiles.ts";
import {
  type AvailabilityZone,
  type CloudProvider,
  type CloudProviderType,
  cloudProviders,
  type NodeType,
  type Region,
} from "./providers.ts";
import { clusterVersions, type UpdateChannel, updateChannels } from "./versions.ts";

export { type CloudProfile, cloudProfiles } from "./profiles.ts";
export {
  type AvailabilityZone,
  type CloudProvider,
  type CloudProviderType,
  cloudProviders,
  cloudProviderTypes,
  type NodeType,
  type Region,
} from "./providers.ts";
export {
  type ClusterVersion,
  clusterVersions,
  compareVersions,
  type ParsedVersion,
  parseVersion,
  type UpdateChannel,
  updateChannels,
} from "./versions.ts";

/**
 * Revision of the catalogue's data, the last part of every cluster's entity tag. Raise it by one with every change of data;
 * otherwise callers keep their cached responses.
 */
export const catalogueRevision = 2;

/**
 * Finds a provider, available or not.
 *
 * @param slug slug of the provider, such as `aws`
 * @returns undefined if it does not exist
 */
export function providerBySlug(slug: string): CloudProvider | undefined {
  return cloudProviders.find((each) => each.slug === slug);
}

/**
 * Finds a region of a provider, available or not.
 *
 * @param regionSlug slug of the region, such as `eu-west-1`
 * @returns undefined if the provider has no such region
 */
export function regionOf(provider: CloudProvider, regionSlug: string): Region | undefined {
  return provider.regions.find((each) => each.slug === regionSlug);
}

/**
 * Finds an availability zone of a region.
 *
 * @param zoneSlug slug of the zone, such as `eu-west-1a`
 * @returns undefined if the region has no such zone
 */
export function zoneOf(region: Region, zoneSlug: string): AvailabilityZone | undefined {
  return region.availabilityZones.find((each) => each.slug === zoneSlug);
}

/**
 * Finds a node type of a provider.
 *
 * @param type name of the node type as the provider spells it, such as `t3.medium`
 * @returns undefined if the provider has no such node type; for `byon` every name is still a valid node size
 */
export function nodeTypeOf(provider: CloudProvider, type: string): NodeType | undefined {
  return provider.nodeTypes.find((each) => each.type === type);
}

/**
 * Finds a cloud profile.
 *
 * @param identity UUID of the profile, lower case
 * @returns undefined if it does not exist
 */
export function profileByIdentity(identity: string): CloudProfile | undefined {
  return cloudProfiles.find((each) => each.identity === identity);
}

/**
 * Finds an update channel.
 *
 * @param name name of the channel, such as `v1.34`
 * @returns undefined if it does not exist
 */
export function channelByName(name: string): UpdateChannel | undefined {
  return updateChannels.find((each) => each.name === name);
}

/**
 * Returns whether a version is available for clusters.
 *
 * @param text a complete version; `1.34` and `v1.34` are not complete
 */
export function isAvailableVersion(text: string): boolean {
  return clusterVersions.some((each) => each.available && each.version === text);
}

/**
 * Returns whether the customer supplies the nodes of this type of provider. Then there is no machine to create, no credentials
 * are needed and no size is checked.
 *
 * @param type type of a provider
 */
export function isBringYourOwn(type: CloudProviderType): boolean {
  return type === "byon";
}
