/** Profile files and a catalogue with machine images, for tests of what Cluster API cannot express. */

import { isBringYourOwn, shippedCatalogue } from "#core/catalogue/index.ts";
import type { CatalogueData } from "#core/catalogue/schema.ts";
import type { ProvisionerTraits } from "#core/context.ts";
import { parseProfiles } from "#core/provisioning/cluster-api/parse-profiles.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import { clusterApiTraits } from "#core/provisioning/cluster-api/traits.ts";

const readNothing = () => {
  throw new Error("the profile file names no other file");
};

const NODE_SIZE = {
  aws: "m5.large",
  azure: "Standard_D2s_v5",
  openstack: "m1.medium",
  digitalocean: "s-2vcpu-4gb",
  hetzner: "cx33",
  vsphere: "medium",
};

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdV6vPQTs4K0bRrYpCI+7ZxwPZ0mCmJ7nAc1z6a6x5E operators@example.com";

const vsphere = {
  controlPlaneNodeSize: NODE_SIZE.vsphere,
  server: "vcenter.example.com",
  thumbprint: Array(32).fill("AB").join(":"),
  datacenter: "dc-1",
  datastore: "datastore-1",
  network: "nodes",
  apiAddresses: "10.9.0.0/26",
  kubeVipImage: "registry.example.com/kube-vip:v1.0.1",
};

const zonesOfVsphere = (datacenter: string) => ({
  zoneLabels: { "example.com/datacenter": datacenter },
  zoneNames: Object.fromEntries([1, 2, 3].map((zone) => [`zone-${zone}`, `${datacenter}-zone-${zone}`])),
});

const openstack = {
  controlPlaneNodeSize: NODE_SIZE.openstack,
  authUrl: "https://identity.example.com/v3",
  externalNetworkId: "6c1b5f0a-0000-4000-8000-000000000002",
};

const aws = { controlPlaneNodeSize: NODE_SIZE.aws };

const manifests = (name: string, more = "") =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\ndata: { pods: "{{podSubnet}}"${more} }\n`;

const EGRESS = ["198.51.100.7/32"];

/** Returns settings with few features: no add-ons, one zone, no NAT, no load balancers that filter, and only cilium without encryption. */
export const strictProfiles = (account: string): Profiles =>
  parseProfiles(
    JSON.stringify({
      networkInterfaces: { cilium: { manifests: manifests("cilium") } },
      providers: {
        none: {},
        byon: { serviceType: "NodePort", newestVersion: "1.34", egress: EGRESS },
        aws: { regions: { "eu-west-1": aws, "eu-north-1": aws } },
        azure: { controlPlaneNodeSize: NODE_SIZE.azure, sshPublicKey: KEY, hasZones: false, egress: EGRESS },
        openstack: { ...openstack, filtersSources: false, egress: EGRESS },
        digitalocean: { controlPlaneNodeSize: NODE_SIZE.digitalocean, account },
        hetzner: { controlPlaneNodeSize: NODE_SIZE.hetzner },
        vsphere,
      },
    }),
    readNothing,
  );

/** Returns a profile file with which everything is possible that a provider can express. */
export const generousProfileFile = (account: string): string =>
  JSON.stringify({
    networkInterfaces: {
      cilium: { manifests: manifests("cilium", ', encryption: "{{encryption}}"') },
      calico: { manifests: manifests("calico", ', encryption: "{{encryption}}"') },
    },
    installsAddons: true,
    providers: {
      none: {},
      byon: { egress: EGRESS },
      aws: { ...aws, egress: EGRESS },
      azure: { controlPlaneNodeSize: NODE_SIZE.azure, sshPublicKey: KEY, egress: EGRESS, internalLoadBalancer: true },
      openstack: { ...openstack, egress: EGRESS },
      digitalocean: { controlPlaneNodeSize: NODE_SIZE.digitalocean, account },
      hetzner: {
        controlPlaneNodeSize: NODE_SIZE.hetzner,
        hasRouter: true,
        locations: [],
        regions: { fsn1: { locations: ["fsn1", "nbg1", "hel1"] } },
      },
      vsphere: {
        ...vsphere,
        hasNat: true,
        regions: { "datacenter-1": zonesOfVsphere("dc1"), "datacenter-2": zonesOfVsphere("dc2") },
      },
    },
  });

/** The same profile file, with an account of DigitalOcean that does not exist. */
export const PROFILE_FILE = generousProfileFile("dddddddd-0000-4000-8000-000000000001");

/** Returns settings with which everything is possible that a provider can express. */
export const generousProfiles = (account: string): Profiles => parseProfiles(generousProfileFile(account), readNothing);

/** Version without a machine image. */
export const WITHOUT_IMAGE = "v1.34.4-u-ame.1";

/** Node type of vSphere with one core, which the shipped catalogue does not have. */
export const ONE_CORE = "tiny";

/**
 * Returns the shipped catalogue with `ONE_CORE`, and with machine images.
 *
 * @param without version without images
 */
export function catalogueWithImages(without = WITHOUT_IMAGE): CatalogueData {
  const images = Object.fromEntries(Object.keys(NODE_SIZE).map((provider) => [provider, { "*": "image-1" }]));
  return {
    ...shippedCatalogue,
    providers: shippedCatalogue.providers.map((row) =>
      row.slug === "vsphere" ? { ...row, nodeTypes: { ...row.nodeTypes, [ONE_CORE]: [1, 1024] } } : row,
    ),
    versions: shippedCatalogue.versions.map((row) => (row.version === without ? row : { ...row, images })),
  };
}

/** Provisioner whose profile file can change while the server runs. */
export interface LimitedProvisioner extends ProvisionerTraits {
  use(profiles: Profiles): void;
}

/** Creates the traits of a provisioner without limits; `use` gives it a profile file. */
export function limitedProvisioner(): LimitedProvisioner {
  let profiles: Profiles | undefined;
  return {
    name: "cluster-api",
    needsCredentials: () => false,
    hasApiServers: true,
    upgradesInPlace: isBringYourOwn,
    problemsOf: (requested) => (profiles === undefined ? [] : clusterApiTraits(profiles).problemsOf(requested)),
    use: (next) => {
      profiles = next;
    },
  };
}
