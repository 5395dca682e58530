/** Response shapes of the catalogue, memberships and organisations. */

import * as v from "valibot";
import type * as Catalogue from "../catalogue/index.ts";
import { cloudProviderTypes, isBringYourOwn, providerBySlug } from "../catalogue/index.ts";
import { dateTime, identity, Slug } from "../shared/schemas.ts";
import type { Member } from "../tenancy/member.ts";
import { type Organisation, organisationTypes } from "../tenancy/organisation.ts";
import { roles } from "../tenancy/role.ts";

/** CloudProvider of the API documentation. `byon`: the customer supplies the nodes, and their sizes are free text. */
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

/** Region of the API documentation. */
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

/** AvailabilityZone of the API documentation. */
export const AvailabilityZone = v.object({
  createdAt: dateTime,
  id: v.number(),
  modifiedAt: dateTime,
  name: v.string(),
  slug: v.string(),
});
export type AvailabilityZone = v.InferOutput<typeof AvailabilityZone>;

/** NodeType of the API documentation: cores, and MB of which 1024 make a GB. */
export const NodeType = v.object({ cpu: v.number(), memory: v.number(), type: v.string() });
export type NodeType = v.InferOutput<typeof NodeType>;

/** ClusterVersion of the API documentation. */
export const ClusterVersion = v.object({ version: v.string() });
export type ClusterVersion = v.InferOutput<typeof ClusterVersion>;

/** CloudProfile of the API documentation, with its provider and the regions that it can use. */
export const CloudProfile = v.object({
  cloudProvider: v.string(),
  cloudProviderRegionResponses: v.array(Region),
  cloudProviderResponse: v.optional(
    v.pipe(CloudProvider, v.description("Absent if the provider is not in the catalogue any more.")),
  ),
  displayName: v.string(),
  enabled: v.boolean(),
  identity: v.string(),
  metadata: v.record(v.string(), v.string()),
  public: v.boolean(),
  regions: v.array(v.string()),
  type: v.picklist(cloudProviderTypes),
});
export type CloudProfile = v.InferOutput<typeof CloudProfile>;

/** Builds the response for a provider. */
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

/** Builds the response for a region. */
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

/** Builds the response for an availability zone. */
export function toAvailabilityZone(zone: Catalogue.AvailabilityZone): AvailabilityZone {
  return { createdAt: zone.createdAt, id: zone.id, modifiedAt: zone.modifiedAt, name: zone.name, slug: zone.slug };
}

/** Builds the response for a node type. */
export function toNodeType(nodeType: Catalogue.NodeType): NodeType {
  return { cpu: nodeType.cpu, memory: nodeType.memory, type: nodeType.type };
}

/** Builds the response for a cloud profile. */
export function toCloudProfile(profile: Catalogue.CloudProfile): CloudProfile {
  const provider = providerBySlug(profile.cloudProvider);
  return {
    cloudProvider: profile.cloudProvider,
    cloudProviderRegionResponses: (provider?.regions ?? [])
      .filter(({ slug }) => profile.regions.includes(slug))
      .map(toRegion),
    cloudProviderResponse: provider && toCloudProvider(provider),
    displayName: profile.displayName,
    enabled: profile.enabled,
    identity: profile.identity,
    metadata: { ...profile.metadata },
    public: profile.public,
    regions: [...profile.regions],
    type: profile.type,
  };
}

/** Email of the API documentation. */
export const Email = v.object({ email: v.string() });

/** OrganisationMembershipResponse of the API documentation: an organisation of the caller, and the caller's role in it. */
export const MembershipResponse = v.object({
  email: Email,
  identity,
  kubernetesRole: v.string(),
  memberIdentity: identity,
  name: v.string(),
  organisationIdentity: identity,
  role: v.picklist(roles),
  slug: Slug,
});
export type MembershipResponse = v.InferOutput<typeof MembershipResponse>;

/** OrganisationResponse of the API documentation. Its `id` is an older name of the identity. */
export const OrganisationResponse = v.object({
  acceptedTerms: v.boolean(),
  acceptedTermsAt: v.optional(dateTime),
  billingEmail: v.optional(v.string()),
  companyAddress: v.optional(v.string()),
  companyName: v.optional(v.string()),
  contactEmail: v.optional(v.string()),
  createdAt: dateTime,
  id: v.string(),
  identity,
  name: v.string(),
  phoneNumber: v.optional(v.string()),
  restrictedToAvailableCloudProviders: v.boolean(),
  slug: Slug,
  type: v.picklist(organisationTypes),
  vatCode: v.optional(v.string()),
  vatCodeValidated: v.boolean(),
  vatCodeValidatedAt: v.optional(dateTime),
});
export type OrganisationResponse = v.InferOutput<typeof OrganisationResponse>;

/** Builds the response for a membership. A membership has no identity of its own; the organisation's identity is used. */
export function toMembershipResponse(organisation: Organisation, member: Member): MembershipResponse {
  return {
    email: { email: member.email },
    identity: organisation.identity,
    kubernetesRole: member.kubernetesRole,
    memberIdentity: member.user,
    name: organisation.name,
    organisationIdentity: organisation.identity,
    role: member.role,
    slug: { slugValue: organisation.slug },
  };
}

/** Builds the response for an organisation. Absent properties are omitted from the JSON. */
export function toOrganisationResponse(organisation: Organisation): OrganisationResponse {
  return {
    acceptedTerms: organisation.acceptedTerms,
    acceptedTermsAt: organisation.acceptedTermsAt,
    billingEmail: organisation.billingEmail,
    companyAddress: organisation.companyAddress,
    companyName: organisation.companyName,
    contactEmail: organisation.contactEmail,
    createdAt: organisation.createdAt,
    id: organisation.identity,
    identity: organisation.identity,
    name: organisation.name,
    phoneNumber: organisation.phoneNumber,
    restrictedToAvailableCloudProviders: organisation.restrictedToAvailableCloudProviders,
    slug: { slugValue: organisation.slug },
    type: organisation.type,
    vatCode: organisation.vatCode,
    vatCodeValidated: organisation.vatCodeValidated,
    vatCodeValidatedAt: organisation.vatCodeValidatedAt,
  };
}
