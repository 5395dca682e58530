/** Shapes of cloud providers with their regions, availability zones, node types and profiles. */

/** Types of cloud providers; also the types of credentials that a cloud account can have. */
export const cloudProviderTypes = [
  "none",
  "byon",
  "aws",
  "azure",
  "multipass",
  "openstack",
  "digitalocean",
  "hetzner",
  "vsphere",
] as const;

/** One of `cloudProviderTypes`; `byon` means bring your own nodes. */
export type CloudProviderType = (typeof cloudProviderTypes)[number];

interface Dated {
  /** RFC 3339, UTC, milliseconds. */
  readonly createdAt: string;
  readonly modifiedAt: string;
}

/** Zone of a region. Its slug is the provider's own name of the zone, if the provider has zones. */
export interface AvailabilityZone extends Dated {
  /** Unique among all zones of all regions; never changes. */
  readonly id: number;
  readonly name: string;
  /** Unique in its region. */
  readonly slug: string;
  /** False if only existing node pools may be in it. */
  readonly available: boolean;
}

/** Region of a provider. */
export interface Region extends Dated {
  /** Unique among all regions of all providers; never changes. */
  readonly id: number;
  /** Slug of the provider. */
  readonly provider: string;
  readonly name: string;
  /** Unique in its provider. */
  readonly slug: string;
  /** False if only existing clusters may be in it. */
  readonly available: boolean;
  readonly restricted: boolean;
  /** In a stable order, because clients store it. */
  readonly availabilityZones: readonly AvailabilityZone[];
}

/** Machine size with the provider's own name. */
export interface NodeType {
  readonly type: string;
  /** Cores. */
  readonly cpu: number;
  /** MB, of which 1024 make a GB. */
  readonly memory: number;
  /** False if only existing node pools may use it. */
  readonly available: boolean;
}

/** Provider of machines. */
export interface CloudProvider extends Dated {
  /** Unique among all providers; never changes. */
  readonly id: number;
  readonly name: string;
  /** Unique; never changes. */
  readonly slug: string;
  readonly type: CloudProviderType;
  /** False if only existing clusters may use it. */
  readonly available: boolean;
  readonly regions: readonly Region[];
  /** The same in every region. A provider may not sell each of them in each of its regions. */
  readonly nodeTypes: readonly NodeType[];
}

/** Template with which organisations create accounts of a provider; each provider has one. */
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
