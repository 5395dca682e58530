/** Settings of the profile for each provider, and the limits of the provider. */

import fc from "fast-check";
import * as v from "valibot";
import type { TranslatedType } from "#core/provisioning/cluster-api/input.ts";
import { type SettingsOf, settingsByType } from "#core/provisioning/cluster-api/profile.ts";
import type { AccountSecrets } from "#core/provisioning/cluster-api/provider.ts";

/** Settings of any provider. */
export type Settings = SettingsOf<TranslatedType>;

const EGRESS = ["192.0.2.10/32", "198.51.100.0/24"];
const PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExample1 operator";

/** Smallest valid settings of each provider. */
const required: Record<TranslatedType, object> = {
  none: {},
  byon: {},
  aws: { controlPlaneNodeSize: "t3.large" },
  azure: { controlPlaneNodeSize: "Standard_D2s_v5", sshPublicKey: PUBLIC_KEY },
  openstack: {
    controlPlaneNodeSize: "SCS-2V-8",
    authUrl: "https://identity.example.com/v3",
    externalNetworkId: "6c1b5f0a-0000-4000-8000-000000000002",
  },
  digitalocean: { controlPlaneNodeSize: "s-2vcpu-4gb" },
  hetzner: { controlPlaneNodeSize: "cpx31" },
  vsphere: {
    controlPlaneNodeSize: "medium",
    server: "vcenter.example.com",
    thumbprint: Array(20).fill("AB").join(":"),
    datacenter: "dc-1",
    datastore: "datastore-1",
    network: "nodes",
    apiAddresses: "203.0.113.0/26",
    kubeVipImage: "registry.example.com/kube-vip:v1.0.1",
  },
};

/** Name of an optional setting that stands for several, which have to fit together. */
const TOGETHER = "";

/** Values of optional settings: the first of each is that of the complete example. */
const optional: Record<TranslatedType, Record<string, readonly unknown[]>> = {
  none: {},
  byon: { dataStoreName: ["store-1"], serviceType: ["LoadBalancer", "NodePort", "ClusterIP"] },
  aws: {
    controlPlaneInstanceProfile: ["control-plane.example.com"],
    nodeInstanceProfile: ["nodes.example.com"],
    sshKeyName: ["operators"],
    networkCidr: ["10.20.0.0/16"],
    controllerNamespace: ["aws-system"],
  },
  azure: {
    [TOGETHER]: [
      { networkCidr: "172.20.0.0/16", controlPlaneCidr: "172.20.0.0/24", nodeCidr: "172.20.1.0/24" },
      { nodeCidr: "172.16.128.0/17" },
    ],
    hasZones: [true, false],
    diskType: ["StandardSSD_LRS"],
    internalLoadBalancer: [false, true],
  },
  openstack: {
    caCertificate: ["-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n"],
    nodeCidr: ["10.8.0.0/24"],
    dnsServers: [["192.0.2.53", "192.0.2.54"], []],
    sshKeyName: ["operators"],
    regionName: ["RegionOne"],
    rootVolume: [true, false],
    volumeType: ["ssd"],
    volumeZone: ["machine", "nova"],
    zoneNames: [{ "zone-1": "AZ1", "zone-2": "AZ2" }, {}],
    filtersSources: [true, false],
  },
  digitalocean: {
    sshKeys: [["3b:16:bf:e4:8b:00:8b:b8:59:8c:a9:d3:f0:19:45:fa", 289794], []],
    vpcUuid: ["6c1b5f0a-0000-4000-8000-000000000001"],
    domain: ["clusters.example.com"],
    account: ["bbbbbbbb-0000-4000-8000-000000000001"],
  },
  hetzner: {
    sshKeys: [["operators"], []],
    hasRouter: [true, false],
    networkCidr: ["10.64.0.0/16"],
    locations: [["fsn1", "nbg1", "hel1"], []],
  },
  vsphere: {
    kubeVipInterface: ["ens192"],
    hasNat: [true, false],
    [TOGETHER]: [
      {
        zoneLabels: { "example.com/region": "datacenter-1" },
        zoneNames: { "zone-1": "dc1-a", "zone-2": "dc1-b", "zone-3": "dc1-c" },
      },
    ],
    controllerNamespace: ["vsphere-system"],
  },
};

const parse = (type: TranslatedType, { [TOGETHER]: together = {}, ...raw }: Record<string, unknown>): Settings =>
  v.parse(settingsByType[type], { ...required[type], ...(together as object), ...raw });

/** Returns the settings of a provider without optional ones. */
export const minimalSettings = (type: TranslatedType): Settings => parse(type, {});

/** Returns the settings of a provider with all optional ones. */
export function completeSettings(type: TranslatedType): Settings {
  const first = Object.entries(optional[type]).map(([name, values]) => [name, values[0]]);
  return parse(type, { egress: EGRESS, diskGiB: 80, ...Object.fromEntries(first) });
}

const withMachines = (type: TranslatedType) => "controlPlaneNodeSize" in required[type];

/** Builds settings of a provider with any of the optional ones. */
export function settingsArbitrary(type: TranslatedType): fc.Arbitrary<Settings> {
  const values = Object.entries(optional[type]).map(([name, each]): [string, fc.Arbitrary<unknown>] => [
    name,
    fc.constantFrom(...each),
  ]);
  const common: Record<string, fc.Arbitrary<unknown>> = {
    egress: fc.shuffledSubarray(EGRESS),
    ...(withMachines(type) ? { diskGiB: fc.integer({ min: 10, max: 200 }) } : {}),
  };
  return fc.record({ ...common, ...Object.fromEntries(values) }, { requiredKeys: [] }).map((raw) => parse(type, raw));
}

/** Returns settings that an operator can have for a region: the locations of hetzner must include it. */
export const settingsInRegion = (settings: Settings, region: string): Settings =>
  "locations" in settings && !settings.locations.includes(region) ? { ...settings, locations: [] } : settings;

/** Features that the translation of a provider supports with its settings. Other configurations are refused before a translation. */
export interface Abilities {
  /** True if nodes can be without public addresses. */
  natGateway: boolean;
  ipWhitelist: boolean;
  /** True if the IP whitelist can contain IPv6 ranges. */
  ipv6: boolean;
  /** True if nodes with public addresses can reach an API server with an IP whitelist. */
  publicNodesWithWhitelist: boolean;
  /** True if the user can choose the zone of a pool. */
  zones: boolean;
  /** True if the cluster can use several zones. */
  severalZones: boolean;
  /** True if the provisioner creates the nodes. */
  nodes: boolean;
}

const everything: Abilities = {
  natGateway: true,
  ipWhitelist: true,
  ipv6: true,
  publicNodesWithWhitelist: true,
  zones: true,
  severalZones: true,
  nodes: true,
};

const abilities: { [Type in TranslatedType]: (settings: SettingsOf<Type>) => Abilities } = {
  none: () => everything,
  byon: ({ egress, serviceType }) => ({
    ...everything,
    natGateway: false,
    ipWhitelist: serviceType === "LoadBalancer" && egress.length > 0,
    zones: false,
    nodes: false,
  }),
  aws: ({ egress }) => ({ ...everything, ipWhitelist: egress.length > 0, publicNodesWithWhitelist: false }),
  azure: ({ egress, hasZones, internalLoadBalancer }) => ({
    ...everything,
    ipWhitelist: internalLoadBalancer && egress.length > 0,
    ipv6: false,
    zones: hasZones,
    severalZones: hasZones,
  }),
  openstack: ({ egress, filtersSources }) => ({
    ...everything,
    ipWhitelist: filtersSources && egress.length > 0,
    ipv6: false,
  }),
  digitalocean: () => ({ ...everything, natGateway: false, ipWhitelist: false, zones: false }),
  hetzner: ({ hasRouter, locations }) => ({
    ...everything,
    natGateway: hasRouter,
    ipWhitelist: false,
    severalZones: locations.length > 1,
  }),
  vsphere: ({ hasNat, zoneLabels }) => ({
    ...everything,
    natGateway: hasNat,
    ipWhitelist: false,
    zones: zoneLabels !== undefined,
    severalZones: zoneLabels !== undefined,
  }),
};

/** Returns what a provider can express with its settings. */
export function abilitiesOf(type: TranslatedType, settings: Settings): Abilities {
  const of = abilities[type] as (settings: Settings) => Abilities;
  return of(settings);
}

/** Returns credentials of a provider's account, each with a value of its own. @param salt part of every value */
export function credentialsOf(type: TranslatedType, salt: string): AccountSecrets {
  const names: Record<TranslatedType, readonly string[]> = {
    none: [],
    byon: [],
    aws: ["accessKeyId", "accessKeySecret"],
    azure: ["clientId", "clientSecret", "subscriptionId", "tenantId"],
    openstack: ["credential", "credentialId"],
    digitalocean: ["apiKey"],
    hetzner: ["apiKey"],
    vsphere: ["username", "password", "provisionUsername", "provisionPassword"],
  };
  return Object.fromEntries(names[type].map((name) => [name, `${salt}-${name}`]));
}
