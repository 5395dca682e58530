/** Cloud providers with their regions, availability zones and node types. */

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
  readonly available: boolean;
  readonly restricted: boolean;
  /** At least three, in a stable order, because clients store it. */
  readonly availabilityZones: readonly AvailabilityZone[];
}

/** Machine size with the provider's own name. */
export interface NodeType {
  readonly type: string;
  /** Cores. */
  readonly cpu: number;
  /** MB, of which 1024 make a GB. */
  readonly memory: number;
}

/** Provider of machines. */
export interface CloudProvider extends Dated {
  /** Unique among all providers; never changes. */
  readonly id: number;
  readonly name: string;
  readonly slug: string;
  readonly type: CloudProviderType;
  readonly available: boolean;
  readonly regions: readonly Region[];
  /** The same in every region. */
  readonly nodeTypes: readonly NodeType[];
}

// Part of the responses, so one fixed time for all rows instead of the start time of a process.
const dated: Dated = { createdAt: "2026-11-01T00:00:00.000Z", modifiedAt: "2026-11-01T00:00:00.000Z" };

/** Zone slugs by their number in the region. The number of a zone never changes, because the zone's id contains it. */
type Zones = Readonly<Record<number, string>>;
type RegionRow = readonly [id: number, slug: string, name: string, zones: Zones];
type NodeTypeRow = readonly [type: string, cpu: number, memory: number];

// A provider's slug is its type, because there is one provider of each type.
const provider = (
  id: number,
  type: CloudProviderType,
  name: string,
  regions: readonly RegionRow[],
  nodeTypes: readonly NodeTypeRow[],
): CloudProvider => ({
  id,
  name,
  slug: type,
  type,
  available: true,
  ...dated,
  regions: regions.map(([regionId, slug, regionName, zones]) => ({
    id: regionId,
    provider: type,
    name: regionName,
    slug,
    available: true,
    restricted: false,
    ...dated,
    availabilityZones: Object.entries(zones).map(([number, zone]) => ({
      id: regionId * 100 + Number(number),
      name: zone,
      slug: zone,
      ...dated,
    })),
  })),
  nodeTypes: nodeTypes.map(([nodeType, cpu, memory]) => ({ type: nodeType, cpu, memory })),
});

// For providers without zones (DigitalOcean, none, byon, multipass) and for providers whose zones each installation names
// (OpenStack, vSphere): clients need three zones with stable names in every region.
const plainZones: Zones = { 1: "zone-1", 2: "zone-2", 3: "zone-3" };

// Azure uses the same zone numbers in every region.
const azureZones: Zones = { 1: "1", 2: "2", 3: "3" };

// Hetzner's locations have no zones. Machines are spread over the locations of one network zone, so each location of eu-central
// offers all three. The other network zones have only one location.
const hetznerZones: Zones = { 1: "fsn1", 2: "nbg1", 3: "hel1" };

// At least 2 cores, the minimum of kubeadm for a control plane and of Cluster API for a vSphere machine.
const plainSizes: readonly NodeTypeRow[] = [
  ["small", 2, 4096],
  ["medium", 4, 8192],
  ["large", 8, 16384],
  ["xlarge", 16, 32768],
];

/**
 * All cloud providers, in the order of lists: clouds first, then bring-your-own-nodes and the provider without machines.
 *
 * The numbers in the rows are ids and do not depend on the order. A row that is no longer offered stays, as unavailable.
 */
export const cloudProviders: readonly CloudProvider[] = [
  provider(
    3,
    "aws",
    "Amazon Web Services",
    [
      [301, "eu-west-1", "Europe (Ireland)", { 1: "eu-west-1a", 2: "eu-west-1b", 3: "eu-west-1c" }],
      [302, "eu-central-1", "Europe (Frankfurt)", { 1: "eu-central-1a", 2: "eu-central-1b", 3: "eu-central-1c" }],
      [303, "eu-north-1", "Europe (Stockholm)", { 1: "eu-north-1a", 2: "eu-north-1b", 3: "eu-north-1c" }],
      [304, "us-east-2", "US East (Ohio)", { 1: "us-east-2a", 2: "us-east-2b", 3: "us-east-2c" }],
      [305, "us-west-2", "US West (Oregon)", { 1: "us-west-2a", 2: "us-west-2b", 3: "us-west-2c", 4: "us-west-2d" }],
    ],
    [
      ["t3.medium", 2, 4096],
      ["t3.large", 2, 8192],
      ["t3.xlarge", 4, 16384],
      ["m5.large", 2, 8192],
      ["m5.xlarge", 4, 16384],
      ["m5.2xlarge", 8, 32768],
      ["c5.xlarge", 4, 8192],
      ["c5.2xlarge", 8, 16384],
      ["r5.large", 2, 16384],
      ["r5.xlarge", 4, 32768],
    ],
  ),
  provider(
    4,
    "azure",
    "Microsoft Azure",
    [
      [401, "westeurope", "West Europe", azureZones],
      [402, "northeurope", "North Europe", azureZones],
      [403, "swedencentral", "Sweden Central", azureZones],
      [404, "eastus2", "East US 2", azureZones],
    ],
    [
      ["Standard_D2ls_v5", 2, 4096],
      ["Standard_D4ls_v5", 4, 8192],
      ["Standard_D2s_v5", 2, 8192],
      ["Standard_D4s_v5", 4, 16384],
      ["Standard_D8s_v5", 8, 32768],
      ["Standard_D16s_v5", 16, 65536],
      ["Standard_E2s_v5", 2, 16384],
      ["Standard_E4s_v5", 4, 32768],
    ],
  ),
  provider(
    5,
    "multipass",
    "Multipass",
    [
      [501, "local-1", "Local 1", plainZones],
      [502, "local-2", "Local 2", plainZones],
    ],
    plainSizes,
  ),
  provider(
    6,
    "openstack",
    "OpenStack",
    // Each installation names its regions and flavors: these are the defaults of a new installation.
    [
      [601, "regionone", "RegionOne", plainZones],
      [602, "regiontwo", "RegionTwo", plainZones],
    ],
    [
      ["m1.small", 1, 2048],
      ["m1.medium", 2, 4096],
      ["m1.large", 4, 8192],
      ["m1.xlarge", 8, 16384],
    ],
  ),
  provider(
    7,
    "digitalocean",
    "DigitalOcean",
    [
      [701, "ams3", "Amsterdam 3", plainZones],
      [702, "fra1", "Frankfurt 1", plainZones],
      [703, "lon1", "London 1", plainZones],
      [704, "nyc3", "New York 3", plainZones],
      [705, "sfo3", "San Francisco 3", plainZones],
      [706, "sgp1", "Singapore 1", plainZones],
    ],
    [
      ["s-2vcpu-2gb", 2, 2048],
      ["s-2vcpu-4gb", 2, 4096],
      ["s-4vcpu-8gb", 4, 8192],
      ["s-8vcpu-16gb", 8, 16384],
      ["c-2", 2, 4096],
      ["c-4", 4, 8192],
      ["g-2vcpu-8gb", 2, 8192],
      ["m-2vcpu-16gb", 2, 16384],
    ],
  ),
  provider(
    8,
    "hetzner",
    "Hetzner Cloud",
    [
      [801, "fsn1", "Falkenstein", hetznerZones],
      [802, "nbg1", "Nuremberg", hetznerZones],
      [803, "hel1", "Helsinki", hetznerZones],
    ],
    [
      ["cx23", 2, 4096],
      ["cx33", 4, 8192],
      ["cx43", 8, 16384],
      ["cx53", 16, 32768],
      ["cpx22", 2, 4096],
      ["cpx32", 4, 8192],
      ["ccx13", 2, 8192],
      ["ccx23", 4, 16384],
      ["ccx33", 8, 32768],
    ],
  ),
  provider(
    9,
    "vsphere",
    "VMware vSphere",
    [
      [901, "datacenter-1", "Datacenter 1", plainZones],
      [902, "datacenter-2", "Datacenter 2", plainZones],
    ],
    plainSizes,
  ),
  provider(
    2,
    "byon",
    "Bring Your Own Nodes",
    // Only labels: the customer decides where the nodes run.
    [
      [201, "europe", "Europe", plainZones],
      [202, "north-america", "North America", plainZones],
      [203, "asia-pacific", "Asia Pacific", plainZones],
    ],
    // The resources of a customer's node are unknown until it joins.
    [["byon", 0, 0], ...plainSizes],
  ),
  provider(
    1,
    "none",
    "None",
    [
      [101, "region-1", "Region 1", plainZones],
      [102, "region-2", "Region 2", plainZones],
    ],
    plainSizes,
  ),
];
