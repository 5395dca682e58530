/** Cloud accounts and the catalogue: the contract's shapes. */

import * as v from "valibot";
import type * as Catalogue from "../catalogue/index.ts";
import { cloudProviderTypes, isBringYourOwn, providerBySlug } from "../catalogue/index.ts";
import type * as Stored from "../tenancy/references-entity.ts";

const dateTime = v.pipe(v.string(), v.isoTimestamp());

/** The documentation's CloudProvider. `byon`: the nodes are the customer's own, and their sizes free text. */
export const CloudProvider = v.object({
  available: v.boolean(),
  byon: v.boolean(),
  createdAt: dateTime,
  id: v.number(),
  modifiedAt: dateTime,
  name: v.string(),
  slug: v.string(),
  type: v.picklist(cloudProviderTypes),
});
export type CloudProvider = v.InferOutput<typeof CloudProvider>;

/** The documentation's Region. */
export const Region = v.object({
  available: v.boolean(),
  createdAt: dateTime,
  id: v.number(),
  modifiedAt: dateTime,
  name: v.string(),
  provider: v.string(),
  restricted: v.boolean(),
  slug: v.string(),
});
export type Region = v.InferOutput<typeof Region>;

/** The documentation's AvailabilityZone. */
export const AvailabilityZone = v.object({
  createdAt: dateTime,
  id: v.number(),
  modifiedAt: dateTime,
  name: v.string(),
  slug: v.string(),
});
export type AvailabilityZone = v.InferOutput<typeof AvailabilityZone>;

/** The documentation's NodeType: cores, and MB of which 1024 make a GB. */
export const NodeType = v.object({ cpu: v.number(), memory: v.number(), type: v.string() });
export type NodeType = v.InferOutput<typeof NodeType>;

/** The documentation's ClusterVersion. */
export const ClusterVersion = v.object({ version: v.string() });
export type ClusterVersion = v.InferOutput<typeof ClusterVersion>;

/** The documentation's CloudProfile, with its provider and the regions it can use. */
export const CloudProfile = v.object({
  cloudProvider: v.string(),
  cloudProviderRegionResponses: v.array(Region),
  cloudProviderResponse: CloudProvider,
  displayName: v.string(),
  enabled: v.boolean(),
  identity: v.string(),
  metadata: v.record(v.string(), v.string()),
  public: v.boolean(),
  regions: v.array(v.string()),
  type: v.picklist(cloudProviderTypes),
});
export type CloudProfile = v.InferOutput<typeof CloudProfile>;

/** The documentation's CloudAccountResponse. */
export const CloudAccountResponse = v.object({
  cloudProfile: CloudProfile,
  displayName: v.string(),
  enabled: v.boolean(),
  identity: v.string(),
  metadata: v.record(v.string(), v.string()),
  primaryCloudCredentialsIdentity: v.optional(v.string()),
});
export type CloudAccountResponse = v.InferOutput<typeof CloudAccountResponse>;

/** The documentation's CloudCredentialsResponse: never a secret. */
export const CloudCredentialsResponse = v.object({
  cloudAccountIdentity: v.string(),
  cloudType: v.picklist(cloudProviderTypes),
  createdAt: dateTime,
  displayName: v.string(),
  identity: v.string(),
  isPrimary: v.boolean(),
  metadata: v.record(v.string(), v.string()),
});
export type CloudCredentialsResponse = v.InferOutput<typeof CloudCredentialsResponse>;

/** Shows a provider as the contract has it. */
export function toCloudProvider(provider: Catalogue.CloudProvider): CloudProvider {
  return {
    available: provider.available,
    byon: isBringYourOwn(provider.type),
    createdAt: provider.createdAt,
    id: provider.id,
    modifiedAt: provider.modifiedAt,
    name: provider.name,
    slug: provider.slug,
    type: provider.type,
  };
}

/** Shows a region as the contract has it. */
export function toRegion(region: Catalogue.Region): Region {
  return {
    available: region.available,
    createdAt: region.createdAt,
    id: region.id,
    modifiedAt: region.modifiedAt,
    name: region.name,
    provider: region.provider,
    restricted: region.restricted,
    slug: region.slug,
  };
}

/** Shows an availability zone as the contract has it. */
export function toAvailabilityZone(zone: Catalogue.AvailabilityZone): AvailabilityZone {
  return { createdAt: zone.createdAt, id: zone.id, modifiedAt: zone.modifiedAt, name: zone.name, slug: zone.slug };
}

/** Shows a node type as the contract has it. */
export function toNodeType(nodeType: Catalogue.NodeType): NodeType {
  return { cpu: nodeType.cpu, memory: nodeType.memory, type: nodeType.type };
}

/** Shows a cloud profile as the contract has it. @throws Error where its provider is not in the catalogue: a defect */
export function toCloudProfile(profile: Catalogue.CloudProfile): CloudProfile {
  const provider = providerBySlug(profile.cloudProvider);
  if (provider === undefined) {
    throw new Error(`the provider ${profile.cloudProvider} of a cloud profile is not in the catalogue`);
  }
  return {
    cloudProvider: profile.cloudProvider,
    cloudProviderRegionResponses: provider.regions.filter(({ slug }) => profile.regions.includes(slug)).map(toRegion),
    cloudProviderResponse: toCloudProvider(provider),
    displayName: profile.displayName,
    enabled: profile.enabled,
    identity: profile.identity,
    metadata: { ...profile.metadata },
    public: profile.public,
    regions: [...profile.regions],
    type: profile.type,
  };
}

/** Shows a cloud account as the contract has it. @param profile the one it was made from */
export function toCloudAccountResponse(
  account: Stored.CloudAccount,
  profile: Catalogue.CloudProfile,
): CloudAccountResponse {
  return {
    cloudProfile: toCloudProfile(profile),
    displayName: account.displayName,
    enabled: account.enabled,
    identity: account.identity,
    metadata: account.metadata,
    primaryCloudCredentialsIdentity: account.primaryCloudCredentialsIdentity,
  };
}

/** Shows the public part of credentials as the contract has it. @param account the one they belong to */
export function toCloudCredentialsResponse(
  credentials: Stored.CloudCredentials,
  account: Stored.CloudAccount,
): CloudCredentialsResponse {
  return {
    cloudAccountIdentity: account.identity,
    cloudType: credentials.cloudType,
    createdAt: credentials.createdAt,
    displayName: credentials.displayName,
    identity: credentials.identity,
    isPrimary: credentials.identity === account.primaryCloudCredentialsIdentity,
    metadata: credentials.metadata,
  };
}
