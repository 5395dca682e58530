/** Cloud profiles, the templates of cloud accounts: one public profile for each provider. */

import { type CloudProviderType, cloudProviders } from "./providers.ts";

/** Template with which organisations create accounts of a provider. */
export interface CloudProfile {
  /** UUID; stored in cloud accounts, so it never changes. */
  readonly identity: string;
  readonly displayName: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Slug of the provider. */
  readonly cloudProvider: string;
  /** Slugs of the provider's regions that accounts of this profile can use. */
  readonly regions: readonly string[];
  readonly enabled: boolean;
  readonly public: boolean;
  /** Type of the provider; decides which credentials an account takes. */
  readonly type: CloudProviderType;
}

const identities: Readonly<Record<CloudProviderType, string>> = {
  none: "e433d701-0ada-4c6b-803d-0b5bf86a6279",
  byon: "341fed3e-efef-44e9-b347-5bc1d078810f",
  aws: "6c21a795-758a-4887-a35e-965af0f50343",
  azure: "8d03d140-b1f4-425e-9495-cea51d0e84c4",
  multipass: "370dceac-b575-4035-8d10-0e9fdd8c7f14",
  openstack: "2c71f2b5-4e95-482e-8205-3c5aff78e982",
  digitalocean: "672e6284-5ff1-42ff-94a8-a5c39dad75fe",
  hetzner: "8b370091-3d10-4d82-9726-9a25a8a382c3",
  vsphere: "62dcc4a7-b218-4590-b757-9a9e72654c10",
};

/** All cloud profiles, in the order of the providers. */
export const cloudProfiles: readonly CloudProfile[] = cloudProviders.map(({ type, name, slug, regions }) => ({
  identity: identities[type],
  displayName: name,
  metadata: {},
  cloudProvider: slug,
  regions: regions.map((region) => region.slug),
  enabled: true,
  public: true,
  type,
}));
