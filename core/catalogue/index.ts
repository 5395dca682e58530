/** The catalogue of clouds and versions: what is offered to every organisation alike, and how to look it up. */

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
 * Revision of the catalogue's data, the last part of every cluster's ETag. Raise it by one with every change of data,
 * or callers keep seeing what they cached.
 */
export const catalogueRevision = 2;

/**
 * Finds a provider, available or not.
 *
 * @param slug the provider's slug, such as `aws`
 * @returns undefined when there is none
 */
export function providerBySlug(slug: string): CloudProvider | undefined {
  return cloudProviders.find((each) => each.slug === slug);
}

/**
 * Finds a region of a provider, available or not.
 *
 * @param provider where to look
 * @param regionSlug the region's slug, such as `eu-west-1`
 * @returns undefined when the provider has none of that slug
 */
export function regionOf(provider: CloudProvider, regionSlug: string): Region | undefined {
  return provider.regions.find((each) => each.slug === regionSlug);
}

/**
 * Finds an availability zone of a region.
 *
 * @param region where to look
 * @param zoneSlug the zone's slug, such as `eu-west-1a`
 * @returns undefined when the region has none of that slug
 */
export function zoneOf(region: Region, zoneSlug: string): AvailabilityZone | undefined {
  return region.availabilityZones.find((each) => each.slug === zoneSlug);
}

/**
 * Finds a node type of a provider.
 *
 * @param provider where to look
 * @param type the node type's name as the provider spells it, such as `t3.medium`
 * @returns undefined when the provider has none of that name; for `byon` any name is a legal node size nonetheless
 */
export function nodeTypeOf(provider: CloudProvider, type: string): NodeType | undefined {
  return provider.nodeTypes.find((each) => each.type === type);
}

/**
 * Finds a cloud profile.
 *
 * @param identity the profile's UUID, lower case
 * @returns undefined when there is none
 */
export function profileByIdentity(identity: string): CloudProfile | undefined {
  return cloudProfiles.find((each) => each.identity === identity);
}

/**
 * Finds an update channel.
 *
 * @param name the channel's name, such as `v1.34`
 * @returns undefined when there is none
 */
export function channelByName(name: string): UpdateChannel | undefined {
  return updateChannels.find((each) => each.name === name);
}

/**
 * Tells whether a cluster can be given this version.
 *
 * @param text a version in full; `1.34` and `v1.34` are not
 */
export function isAvailableVersion(text: string): boolean {
  return clusterVersions.some((each) => each.available && each.version === text);
}

/**
 * Tells whether nodes of this kind of provider are the customer's own, so that there is no machine to make, no
 * credentials to make it with and no size to check.
 *
 * @param type a provider's type
 */
export function isBringYourOwn(type: CloudProviderType): boolean {
  return type === "byon";
}
