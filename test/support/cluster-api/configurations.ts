/** Random inputs of the translator, for every provider. */

import fc from "fast-check";
import type { Cluster } from "#core/cluster/entity.ts";
import { networkInterfaces, podSecurityProfiles } from "#core/cluster/schema.ts";
import { upgradeStrategies } from "#core/node-pool/schema.ts";
import {
  type AccountDetails,
  MAX_ZONES,
  type TranslatedPool,
  type TranslatedType,
  type TranslationInput,
} from "#core/provisioning/cluster-api/input.ts";
import { objectNameOf } from "#core/provisioning/cluster-api/manifest.ts";
import { slugOf } from "#core/shared/slug.ts";
import { catalogueProvider, clusterWith, planned, poolWith, profile, releaseOf, versions } from "./input-parts.ts";
import { type Abilities, abilitiesOf, settingsArbitrary, settingsInRegion } from "./provider-settings.ts";

const freeText = fc.string({ unit: "binary", maxLength: 40 });
const key = fc.constantFrom("team", "example.com/role", "x/y", "a.b-c_d", "node-role.kubernetes.io/worker", "1", "Z9");
const labelValue = fc.constantFrom("", "blue", "v1.2_3-x", "0", "true", "a".repeat(63));
const cidr = fc.constantFrom("203.0.113.0/24", "203.0.113.7/32", "198.51.100.0/24", "2001:db8::/32", "192.0.2.10/32");
const taint = fc.record(
  { key, effect: fc.constantFrom("NoSchedule", "PreferNoSchedule", "NoExecute"), value: labelValue },
  { requiredKeys: ["key", "effect"] },
);

/** Slug of a cluster or an environment, made from its name. */
const slug = fc
  .string({ unit: fc.constantFrom(..."abcXYZ019 -&"), minLength: 1, maxLength: 25 })
  .map(slugOf)
  .filter(Boolean);

const addons = fc.dictionary(
  fc.constantFrom("grafana", "velero", "ä", "a b"),
  fc.record(
    { enabled: fc.boolean(), customValues: fc.dictionary(freeText, freeText, { maxKeys: 3 }) },
    { requiredKeys: [] },
  ),
  { maxKeys: 3 },
);

const clusterSettings = fc.record({
  identity: fc.uuid(),
  slug,
  name: freeText,
  environment: slug,
  cni: fc.constantFrom(...networkInterfaces),
  podSecurityStandardsProfile: fc.constantFrom(...podSecurityProfiles),
  highlyAvailable: fc.boolean(),
  enableMultiAvailabilityZones: fc.boolean(),
  enableNATGateway: fc.boolean(),
  enableNetworkEncryption: fc.boolean(),
  autoUpgrade: fc.boolean(),
  deleteProtection: fc.boolean(),
  clusterPodSubnet: fc.constantFrom("10.244.0.0/16", "192.168.0.0/20", "fd00:10::/56"),
  serviceSubnet: fc.constantFrom("10.96.0.0/12", "172.30.0.0/16", "fd00:20::/112"),
  ipWhitelist: fc.array(fc.record({ cidr, description: freeText }), { maxLength: 4 }),
  addons,
});
type ClusterSettings = typeof clusterSettings extends fc.Arbitrary<infer T> ? T : never;

/** Builds a cluster without what its provider cannot express. */
function clusterOf(
  type: TranslatedType,
  region: string,
  version: string,
  chosen: ClusterSettings,
  can: Abilities,
): Cluster {
  const enableNATGateway = chosen.enableNATGateway && can.natGateway;
  const filters = can.ipWhitelist && (enableNATGateway || can.publicNodesWithWhitelist);
  return clusterWith({
    ...chosen,
    enableMultiAvailabilityZones: chosen.enableMultiAvailabilityZones && can.severalZones,
    enableNATGateway,
    enableNetworkEncryption: chosen.enableNetworkEncryption && chosen.cni !== "custom",
    ipWhitelist: filters ? chosen.ipWhitelist.filter(({ cidr: block }) => can.ipv6 || !block.includes(":")) : [],
    cloudProvider: type,
    region,
    version,
  });
}

/** Node types of a provider with at least two cores: a few, because all would make a counterexample hard to read. */
const nodeTypesOf = (type: TranslatedType) =>
  catalogueProvider(type)
    .nodeTypes.filter(({ cpu }) => cpu >= 2)
    .slice(0, 4);

const index = fc.nat(99);
const pick = <T>(list: readonly T[], number: number): T => list[number % list.length] as T;

const poolSettings = fc.record(
  {
    identity: fc.uuid(),
    name: fc.stringMatching(/^[a-z0-9-]{1,25}$/),
    labels: fc.dictionary(key, labelValue, { maxKeys: 4 }),
    annotations: fc.dictionary(key, freeText, { maxKeys: 4 }),
    taints: fc.uniqueArray(taint, { selector: ({ key: name, effect }) => `${name} ${effect}`, maxLength: 4 }),
    enableNodeAutoReplacement: fc.boolean(),
    enableNodeReboots: fc.boolean(),
    upgradeStrategy: fc.constantFrom(...upgradeStrategies),
  },
  { requiredKeys: ["identity", "name", "upgradeStrategy"] },
);

const pools = fc.uniqueArray(
  fc.record({
    settings: poolSettings,
    /** Positions in the lists of node types, zones and versions. */
    size: index,
    zone: fc.option(index, { nil: undefined }),
    from: index,
    to: index,
    least: fc.nat(7),
    /** Number of nodes that the autoscaler may add. */
    more: fc.option(fc.nat(7), { nil: undefined }),
  }),
  { selector: ({ settings }) => settings.identity, maxLength: 5 },
);
type Pools = typeof pools extends fc.Arbitrary<infer T> ? T : never;

/** Plans pools at the version of the control plane or an earlier one, at any stage of an upgrade. */
function plannedPools(
  cluster: Cluster,
  type: TranslatedType,
  newest: string,
  zones: readonly string[],
  can: Abilities,
  list: Pools,
) {
  const sizes = nodeTypesOf(type);
  const known = versions.slice(0, versions.indexOf(newest) + 1);
  // A cluster on AWS has subnets in the zones that it uses only.
  const usable =
    type === "aws" && !cluster.enableMultiAvailabilityZones ? zones.slice(0, 1) : zones.slice(0, MAX_ZONES);
  return list.map(({ settings, size, zone, from, to, least, more }): TranslatedPool => {
    const isAutoscaled = can.nodes && more !== undefined;
    const { upgradeStrategy: strategy } = settings;
    const pool = poolWith({
      ...settings,
      upgradeStrategy: can.nodes || !strategy.startsWith("REPLACE") ? strategy : "INPLACE",
      nodeSize: pick(sizes, size).type,
      ...(can.zones && zone !== undefined ? { availabilityZone: pick(usable, zone) } : {}),
      autoScaling: isAutoscaled,
      minSize: least,
      maxSize: isAutoscaled ? least + more : least,
      clusterIdentity: cluster.identity,
    });
    return planned(type, pool, pick(known, from), pick(known, to));
  });
}

/**
 * Builds inputs of a provider: every setting of a cluster and of its pools that the provider can express, at every stage of an upgrade.
 */
export function inputArbitrary(type: TranslatedType): fc.Arbitrary<TranslationInput> {
  const provider = catalogueProvider(type);
  const nodeTypes = new Map(nodeTypesOf(type).map((each) => [each.type, each]));
  const chosen = fc.record({
    settings: settingsArbitrary(type),
    region: fc.constantFrom(...provider.regions),
    requested: fc.constantFrom(...versions),
    version: fc.constantFrom(...versions),
    cluster: clusterSettings,
    organisationIdentity: fc.uuid(),
    isRunning: fc.boolean(),
    pools,
    account: fc.record({ identity: fc.uuid(), metadata: accountMetadata(type) }),
    oidc: fc.option(fc.record({ issuer: fc.webUrl(), clientId: fc.uuid() }), { nil: undefined }),
    wasAvailable: fc.boolean(),
  });
  return chosen.map(({ region, requested, version, pools: list, ...rest }) => {
    const settings = settingsInRegion(rest.settings, region.slug);
    const can = abilitiesOf(type, settings);
    const cluster = clusterOf(type, region.slug, requested, rest.cluster, can);
    const zones = region.availabilityZones.map((zone) => zone.slug);
    return {
      cluster,
      organisationIdentity: rest.organisationIdentity,
      objectName: objectNameOf(cluster.slug, cluster.identity),
      type,
      release: releaseOf(type, version),
      isRunning: rest.isRunning,
      nodePools: plannedPools(cluster, type, version, zones, can, list),
      account: rest.account,
      accountDetails: detailsOf(type),
      nodeTypes,
      zones,
      oidc: rest.oidc,
      profile,
      settings,
      rollout: { wasAvailable: rest.wasAvailable, apiAddress: apiAddressOf(type), zones: undefined },
    };
  });
}

const METADATA: Partial<Record<TranslatedType, Record<string, string>>> = {
  openstack: { tenantId: "6c1b5f0a-0000-4000-8000-000000000003" },
  vsphere: { parentFolder: "/dc-1/vm/customers", parentResourcePool: "/dc-1/host/cluster-1/Resources/customers" },
};

/** Returns the metadata of an account that the translation of its provider reads. */
export const metadataOf = (type: TranslatedType): Record<string, string> => METADATA[type] ?? {};

const accountMetadata = (type: TranslatedType): fc.Arbitrary<Record<string, string>> =>
  fc.subarray(Object.entries(metadataOf(type))).map((entries) => Object.fromEntries(entries));

/** Returns the parts of the credentials that the objects of a provider show. */
export const detailsOf = (type: TranslatedType): AccountDetails | undefined =>
  type === "azure"
    ? {
        subscriptionId: "6c1b5f0a-0000-4000-8000-000000000004",
        tenantId: "6c1b5f0a-0000-4000-8000-000000000005",
        clientId: "6c1b5f0a-0000-4000-8000-000000000006",
      }
    : undefined;

/** Returns the address that the platform allocated for an API server. */
export const apiAddressOf = (type: TranslatedType): string | undefined =>
  type === "vsphere" ? "203.0.113.5" : undefined;

/**
 * Returns an equal input with the members of all sets and objects in another order.
 *
 * @param next returns a random integer from 0 to below its argument
 */
export function reordered(input: TranslationInput, next: (limit: number) => number): TranslationInput {
  const shuffled = <T>(list: readonly T[]): T[] => {
    const result = [...list];
    for (let at = result.length - 1; at > 0; at--) {
      const other = next(at + 1);
      [result[at], result[other]] = [result[other] as T, result[at] as T];
    }
    return result;
  };
  const members = <T>(object: Record<string, T>): Record<string, T> =>
    Object.fromEntries(shuffled(Object.entries(object)));
  const { cluster, settings } = input;
  return {
    ...input,
    cluster: members({
      ...cluster,
      ipWhitelist: shuffled(cluster.ipWhitelist),
      addons: members(cluster.addons),
    } as unknown as Record<string, unknown>) as unknown as Cluster,
    nodePools: shuffled(input.nodePools).map((each) => ({
      ...each,
      pool: {
        ...each.pool,
        labels: members(each.pool.labels),
        annotations: members(each.pool.annotations),
        taints: shuffled(each.pool.taints),
      },
    })),
    nodeTypes: new Map(shuffled([...input.nodeTypes])),
    account: { ...input.account, metadata: members(input.account.metadata) },
    settings: { ...settings, egress: shuffled(settings.egress) },
  };
}
