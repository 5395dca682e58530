/** Parts of a translator's input that are the same in all tests. */

import { clusterVersions, providerBySlug } from "#core/catalogue/index.ts";
import type { Cluster } from "#core/cluster/entity.ts";
import type { NodePool } from "#core/node-pool/entity.ts";
import { nodeUpgradeOf } from "#core/node-pool/rules.ts";
import type { Release, TranslatedPool, TranslatedType } from "#core/provisioning/cluster-api/input.ts";
import type { Profile } from "#core/provisioning/cluster-api/profile.ts";

const AT = "2026-01-01T00:00:00.000Z";

/** All versions of the catalogue, oldest first. */
export const versions: readonly string[] = clusterVersions.map(({ version }) => version);

/** Returns the provider of the catalogue with a type. */
export function catalogueProvider(type: TranslatedType) {
  const provider = providerBySlug(type);
  if (provider === undefined) throw new Error(`the catalogue has no provider ${type}`);
  return provider;
}

const IMAGES: Record<TranslatedType, ((version: string) => string) | undefined> = {
  none: undefined,
  byon: undefined,
  aws: (version) => `ami-${version.replaceAll(/[^0-9]/g, "").padStart(17, "0")}`,
  azure: (version) =>
    `/subscriptions/cccccccc-0000-4000-8000-000000000001/resourceGroups/images/providers/Microsoft.Compute/images/node-${version}`,
  openstack: (version) => `node-${version}`,
  digitalocean: (version) => version.replaceAll(/[^0-9]/g, ""),
  hetzner: (version) => `node-${version}`,
  vsphere: (version) => `node-${version}`,
};

/** Returns the release of a version with the image of a provider. */
export function releaseOf(type: TranslatedType, version: string): Release {
  const row = clusterVersions.find((each) => each.version === version);
  if (row === undefined) throw new Error(`the catalogue has no version ${version}`);
  return { version, kubernetes: row.kubernetes, image: IMAGES[type]?.(version) };
}

/** Settings of all providers in the tests. The manifests stand for those of the network add-ons. */
export const profile: Profile = {
  networkInterfaces: {
    cilium: { manifests: "pods: {{podSubnet}}\nservices: {{serviceSubnet}}\nencryption: {{encryption}}\n" },
    calico: { manifests: "cidr: {{podSubnet}}\nwireguardEnabled: {{encryption}}\n" },
  },
  installsAddons: true,
};

/** Properties of a cluster that the translator reads. */
type ClusterSettings = Partial<Cluster> & Pick<Cluster, "identity" | "slug" | "cloudProvider" | "region" | "version">;

/** Builds a cluster with default settings. */
export const clusterWith = (settings: ClusterSettings): Cluster => ({
  organisation: "acme",
  environment: "production",
  environmentIdentity: "eeeeeeee-0000-4000-8000-000000000001",
  name: settings.slug,
  cloudAccountIdentity: "bbbbbbbb-0000-4000-8000-000000000001",
  cni: "cilium",
  podSecurityStandardsProfile: "privileged",
  autoUpgrade: false,
  highlyAvailable: false,
  enableMultiAvailabilityZones: false,
  enableNATGateway: false,
  enableNetworkEncryption: false,
  environmentPrometheusRules: true,
  deleteProtection: false,
  clusterPodSubnet: "10.244.0.0/16",
  serviceSubnet: "10.96.0.0/12",
  ipWhitelist: [],
  addons: {},
  status: "started",
  desiredStatus: "starting",
  provisionStatus: "DONE",
  furthestPhase: "DONE",
  poolID: 1,
  poolName: "default",
  cpu: 0,
  memory: 0,
  createdAt: AT,
  modifiedAt: AT,
  revision: 1,
  generation: 1,
  conditions: [],
  ...settings,
});

/** Builds a node pool with default settings. */
export const poolWith = (settings: Partial<NodePool> & Pick<NodePool, "identity" | "name" | "nodeSize">): NodePool => ({
  annotations: {},
  autoScaling: false,
  createdAt: AT,
  enableNodeAutoReplacement: true,
  enableNodeReboots: false,
  id: 1,
  labels: {},
  maxSize: 1,
  minSize: 1,
  modifiedAt: AT,
  provisionStatus: "DONE",
  securityUpdatesOnJoin: "OFF",
  taints: [],
  upgradeStrategy: "REPLACE",
  clusterIdentity: "cccccccc-0000-4000-8000-000000000001",
  revision: 1,
  ...settings,
});

/** Plans a pool. @param from version that its nodes run @param to version that its nodes get */
export const planned = (type: TranslatedType, pool: NodePool, from: string, to: string): TranslatedPool => ({
  pool,
  version: to,
  upgrade: nodeUpgradeOf(pool, from, to),
  release: releaseOf(type, to),
});
