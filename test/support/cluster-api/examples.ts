/** Three fixed configurations of each provider, whose translations are golden files. */

import type { Cluster } from "#core/cluster/entity.ts";
import type { NodePool } from "#core/node-pool/entity.ts";
import type { TranslatedPool, TranslatedType, TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { objectNameOf } from "#core/provisioning/cluster-api/manifest.ts";
import { apiAddressOf, detailsOf, metadataOf } from "./configurations.ts";
import { catalogueProvider, clusterWith, planned, poolWith, profile, releaseOf } from "./input-parts.ts";
import { abilitiesOf, completeSettings, minimalSettings } from "./provider-settings.ts";

/** Names of the configurations. */
export const exampleNames = ["minimal", "full", "stopped"] as const;
type ExampleName = (typeof exampleNames)[number];

/** Versions of the examples: that of the cluster, and that of a pool whose upgrade has not begun. */
export const VERSION = "v1.34.4-u-ame.2";
const EARLIER = "v1.33.8-u-ame.1";

const id = (letter: string, number: number) => `${letter.repeat(8)}-0000-4000-8000-${String(number).padStart(12, "0")}`;

/** Region of each provider in the examples. */
const REGIONS: Record<TranslatedType, string> = {
  none: "region-1",
  byon: "europe",
  aws: "eu-west-1",
  azure: "westeurope",
  openstack: "regionone",
  digitalocean: "fra1",
  hetzner: "fsn1",
  vsphere: "datacenter-1",
};

/** Returns what is the same in all examples of a provider. */
function common(type: TranslatedType) {
  const provider = catalogueProvider(type);
  const region = provider.regions.find(({ slug }) => slug === REGIONS[type]);
  if (region === undefined) throw new Error(`the catalogue has no region ${REGIONS[type]}`);
  const identity = id("c", Object.keys(REGIONS).indexOf(type) + 1);
  const cluster = clusterWith({
    identity,
    slug: `shop-${type}`,
    name: "Shop",
    cloudProvider: type,
    region: region.slug,
    version: VERSION,
  });
  const [size = "", ...larger] = provider.nodeTypes.map((each) => each.type);
  const pool = (number: number, name: string, settings: Partial<NodePool>): NodePool =>
    poolWith({ identity: id("d", number), name, nodeSize: size, clusterIdentity: identity, ...settings });
  const input: TranslationInput = {
    cluster,
    organisationIdentity: id("a", 1),
    objectName: objectNameOf(cluster.slug, identity),
    type,
    release: releaseOf(type, VERSION),
    isRunning: true,
    nodePools: [planned(type, pool(1, "web", {}), VERSION, VERSION)],
    account: { identity: id("b", 1), metadata: metadataOf(type) },
    accountDetails: detailsOf(type),
    nodeTypes: new Map(provider.nodeTypes.map((each) => [each.type, each])),
    zones: region.availabilityZones.map(({ slug }) => slug),
    oidc: undefined,
    profile,
    settings: minimalSettings(type),
    rollout: { wasAvailable: false, apiAddress: apiAddressOf(type), zones: undefined },
  };
  return { input, pool, larger: larger[0] ?? size };
}

/** One control plane machine and one pool with a node, everything else by default. */
const minimal = (type: TranslatedType): TranslationInput => common(type).input;

/** All settings that a provider supports: three control plane machines, several zones, and three pools. */
function full(type: TranslatedType): TranslationInput {
  const { input, pool, larger } = common(type);
  const settings = completeSettings(type);
  const { natGateway, ipWhitelist, ipv6, zones, severalZones, nodes } = abilitiesOf(type, settings);
  const cluster: Cluster = {
    ...input.cluster,
    description: "Orders and payments",
    highlyAvailable: true,
    enableMultiAvailabilityZones: severalZones,
    enableNATGateway: natGateway,
    enableNetworkEncryption: true,
    podSecurityStandardsProfile: "restricted",
    ipWhitelist: ipWhitelist
      ? [
          { cidr: "203.0.113.0/24", description: "office" },
          { cidr: ipv6 ? "2001:db8::/32" : "198.18.0.0/15", description: "branch" },
        ]
      : [],
    addons: { grafana: { enabled: true, customValues: { replicas: "2" } } },
  };
  const zone = zones && input.zones[1] !== undefined ? { availabilityZone: input.zones[1] } : {};
  const web = pool(1, "web", {
    ...(nodes ? { autoScaling: true, minSize: 3, maxSize: 6 } : { minSize: 3, maxSize: 3 }),
    labels: { "example.com/tier": "front", team: "shop" },
    annotations: { "example.com/contact": "shop@example.com" },
    enableNodeReboots: true,
  });
  const batch = pool(2, "batch", {
    ...zone,
    nodeSize: larger,
    minSize: 2,
    maxSize: 2,
    taints: [
      { key: "example.com/batch", value: "true", effect: "NoSchedule" },
      { key: "example.com/spot", effect: "PreferNoSchedule" },
    ],
    enableNodeAutoReplacement: false,
    upgradeStrategy: "INPLACE_WITHOUT_DRAIN",
  });
  const data = pool(3, "data", {
    minSize: 3,
    maxSize: 3,
    upgradeStrategy: nodes ? "REPLACE_MINOR_INPLACE_PATCH" : "INPLACE",
  });
  return {
    ...input,
    cluster,
    settings,
    oidc: { issuer: "https://id.example.com/realms/acme", clientId: "shop" },
    rollout: { ...input.rollout, wasAvailable: true },
    nodePools: [
      planned(type, web, VERSION, VERSION),
      planned(type, batch, VERSION, VERSION),
      planned(type, data, EARLIER, EARLIER),
    ],
  };
}

/** Stopped cluster with an autoscaled pool and one without a node. */
function stopped(type: TranslatedType): TranslationInput {
  const { input, pool } = common(type);
  const { nodes } = abilitiesOf(type, input.settings);
  const web = pool(1, "web", nodes ? { autoScaling: true, minSize: 0, maxSize: 4 } : { minSize: 2, maxSize: 2 });
  const pools: TranslatedPool[] = [
    planned(type, web, VERSION, VERSION),
    planned(type, pool(2, "batch", { minSize: 0, maxSize: 0 }), VERSION, VERSION),
  ];
  return { ...input, isRunning: false, nodePools: pools, rollout: { ...input.rollout, wasAvailable: true } };
}

const builders: Record<ExampleName, (type: TranslatedType) => TranslationInput> = { minimal, full, stopped };

/** Builds an example. */
export const exampleOf = (type: TranslatedType, name: ExampleName): TranslationInput => builders[name](type);
