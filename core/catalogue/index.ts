/** Catalogue of clouds and versions, the same for every organisation, with lookups. */

import { buildCatalogue, type Catalogue, imageKey } from "./build.ts";
import shipped from "./catalogue.json" with { type: "json" };
import type {
  AvailabilityZone,
  CloudProfile,
  CloudProvider,
  CloudProviderType,
  NodeType,
  Region,
} from "./providers.ts";
import type { CatalogueData } from "./schema.ts";
import { ALL_REGIONS, type UpdateChannel } from "./versions.ts";

export {
  type Architecture,
  architectures,
  type Checksums,
  type Component,
  components,
  type MinorSoftware,
} from "./components.ts";
export {
  type AvailabilityZone,
  type CloudProfile,
  type CloudProvider,
  type CloudProviderType,
  cloudProviderTypes,
  type NodeType,
  type Region,
} from "./providers.ts";
export {
  type ClusterVersion,
  compareVersions,
  type ParsedVersion,
  parseVersion,
  type UpdateChannel,
} from "./versions.ts";

/** Content of the catalogue of this release. A build for a stage replaces the file by that of the operator, if there is one. */
export const shippedCatalogue =
  // TypeScript infers lists of numbers instead of the pairs of a node type.
  shipped as unknown as CatalogueData;

/** Catalogue of this process. The following constants are its parts, and change with it. */
let current: Catalogue = buildCatalogue(shippedCatalogue);

/** Text that changes with the catalogue's content except machine images; the last part of every cluster's entity tag. */
export let catalogueRevision = current.revision;

/** All cloud providers, in the order of lists. */
export let cloudProviders = current.providers;

/** All cloud profiles, in the order of the providers. */
export let cloudProfiles = current.profiles;

/** All versions, oldest first. */
export let clusterVersions = current.versions;

/** All update channels. */
export let updateChannels = current.channels;

/** Versions of the node software by minor version of Kubernetes, such as `v1.34`. */
export let nodeSoftware = current.software;

/** Checksums by component and version, without a leading `v`. */
export let checksums = current.checksums;

/**
 * Replaces the catalogue of this process. Only for entry points, before they serve requests, and for tests, which restore it.
 *
 * @param data content of a checked file
 */
export function useCatalogue(data: CatalogueData): void {
  current = buildCatalogue(data);
  catalogueRevision = current.revision;
  cloudProviders = current.providers;
  cloudProfiles = current.profiles;
  clusterVersions = current.versions;
  updateChannels = current.channels;
  nodeSoftware = current.software;
  checksums = current.checksums;
}

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
export function regionOf(provider: Pick<CloudProvider, "regions">, regionSlug: string): Region | undefined {
  return provider.regions.find((each) => each.slug === regionSlug);
}

/**
 * Finds an availability zone of a region, available or not.
 *
 * @param zoneSlug slug of the zone, such as `eu-west-1a`
 * @returns undefined if the region has no such zone
 */
export function zoneOf(region: Pick<Region, "availabilityZones">, zoneSlug: string): AvailabilityZone | undefined {
  return region.availabilityZones.find((each) => each.slug === zoneSlug);
}

/**
 * Finds a node type of a provider, available or not.
 *
 * @param type name of the node type as the provider spells it, such as `t3.medium`
 * @returns undefined if the provider has no such node type; for `byon` every name is still a valid node size
 */
export function nodeTypeOf(provider: Pick<CloudProvider, "nodeTypes">, type: string): NodeType | undefined {
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
 * Finds the machine image of a version. Images are never part of a response.
 *
 * @param version a complete version
 * @param provider slug of the provider
 * @param region slug of the region
 * @returns the image as the provider names it; undefined if the catalogue has none for the region
 */
export function machineImageOf(version: string, provider: string, region: string): string | undefined {
  const imageIn = (each: string) => current.images.get(imageKey(version, provider, each));
  return imageIn(region) ?? imageIn(ALL_REGIONS);
}

/** Maximum number of names that a message lists. */
const LISTED_NAMES = 50;

/**
 * Lists what is available, for a message. A provider can have hundreds of node types.
 *
 * @returns such as `t3.small, t3.medium and 388 more`, or a text that says that there is none
 */
export function listAvailable<T extends { readonly available: boolean }>(
  rows: readonly T[],
  nameOf: (row: T) => string,
): string {
  const names = rows.filter(({ available }) => available).map(nameOf);
  if (names.length === 0) return "none is available";
  const others = names.length - LISTED_NAMES;
  return others > 0 ? `${names.slice(0, LISTED_NAMES).join(", ")} and ${others} more` : names.join(", ");
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
