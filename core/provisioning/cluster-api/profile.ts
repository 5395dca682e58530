/** Format of the profile file: the operator's settings by provider and region. */

import * as v from "valibot";
import type { CloudProviderType } from "../../catalogue/index.ts";
import { cidr } from "../../shared/schemas.ts";

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(500));
const texts = v.optional(v.array(text), []);
const flag = v.optional(v.boolean(), false);
const cidrs = v.optional(v.array(cidr), []);
const gibibytes = v.pipe(v.number(), v.integer(), v.minValue(10), v.maxValue(65_536));

const common = {
  /** Blocks from which the management cluster reaches API servers. They are added to every IP whitelist. */
  egress: cidrs,
};

const machines = {
  ...common,
  /** Node type of control plane machines. */
  controlPlaneNodeSize: text,
  /** Size of the system disk of every machine. */
  diskGiB: v.optional(gibibytes, 40),
};

/** Settings by the type of the provider. */
export const settingsByType = {
  none: v.object(common),
  byon: v.object({
    ...common,
    dataStoreName: v.optional(text, "default"),
    /** Newest minor version of Kubernetes that the platform's Kamaji can run, such as `1.34`; not limited if absent. */
    newestVersion: v.optional(text),
    serviceType: v.optional(v.picklist(["LoadBalancer", "NodePort", "ClusterIP"]), "LoadBalancer"),
  }),
  aws: v.object({
    ...machines,
    controlPlaneInstanceProfile: v.optional(text, "control-plane.cluster-api-provider-aws.sigs.k8s.io"),
    nodeInstanceProfile: v.optional(text, "nodes.cluster-api-provider-aws.sigs.k8s.io"),
    sshKeyName: v.optional(text),
    /** Block of the VPC of each cluster. */
    networkCidr: v.optional(cidr, "10.0.0.0/16"),
    /** Namespace of the provider's controller, which reads credentials there. */
    controllerNamespace: v.optional(text, "capa-system"),
  }),
  azure: v.object({
    ...machines,
    /** Public key, as in an authorized_keys file. */
    sshPublicKey: text,
    networkCidr: v.optional(cidr, "172.16.0.0/16"),
    controlPlaneCidr: v.optional(cidr, "172.16.0.0/24"),
    nodeCidr: v.optional(cidr, "172.16.1.0/24"),
    /** Type of system disks. Premium ones need node types with an s in their name. */
    diskType: v.optional(v.picklist(["Premium_LRS", "StandardSSD_LRS", "Standard_LRS"]), "Premium_LRS"),
    /** True if the provider's controller runs with the feature gate APIServerILB: only then can API servers have an IP whitelist. */
    internalLoadBalancer: flag,
    /** False for regions without availability zones. */
    hasZones: v.optional(v.boolean(), true),
  }),
  openstack: v.object({
    ...machines,
    authUrl: v.pipe(text, v.url("must be a URL")),
    caCertificate: v.optional(v.pipe(v.string(), v.includes("BEGIN CERTIFICATE", "must be PEM"))),
    /** Name of the region as OpenStack spells it; the slug of the catalogue if absent, which has no capital letters. */
    regionName: v.optional(text),
    externalNetworkId: text,
    nodeCidr: v.optional(cidr, "10.6.0.0/24"),
    dnsServers: texts,
    sshKeyName: v.optional(text),
    /** True if system disks are volumes; false if they are part of the flavor. */
    rootVolume: flag,
    /** Type of the volumes; the default of OpenStack if absent. */
    volumeType: v.optional(text),
    /** Zone of the volumes, or `machine` for the zone of the machine; OpenStack chooses one if absent. */
    volumeZone: v.optional(text),
    /** Names of zones as OpenStack spells them, by the slugs of the catalogue, which have no capital letters. */
    zoneNames: v.optional(v.record(v.string(), text), {}),
    /** True if the load balancers filter sources (amphora); OVN balancers cannot. */
    filtersSources: v.optional(v.boolean(), true),
  }),
  digitalocean: v.object({
    ...machines,
    /** Ids or fingerprints of SSH keys. */
    sshKeys: v.optional(v.array(v.union([text, v.number()], "must be the id or the fingerprint of a key")), []),
    vpcUuid: v.optional(text),
    /** Domain of the platform in which each API server gets a name. */
    domain: v.optional(text),
    /** Identity of the only cloud account whose token the provider's controller has. */
    account: v.optional(text),
  }),
  hetzner: v.object({
    ...machines,
    sshKeys: texts,
    /** True if the platform provides a router, so that nodes need no public address. */
    hasRouter: flag,
    networkCidr: v.optional(cidr, "10.0.0.0/16"),
    /** Locations of one network zone, for control planes in several locations. */
    locations: texts,
  }),
  vsphere: v.object({
    ...machines,
    server: text,
    thumbprint: text,
    datacenter: text,
    datastore: text,
    network: text,
    /** Block of free addresses for API servers; each cluster gets one. */
    apiAddresses: cidr,
    kubeVipImage: text,
    kubeVipInterface: v.optional(text, "eth0"),
    /** True if the port group is behind network address translation. */
    hasNat: flag,
    /** Labels of the VSphereDeploymentZones of the region, which the operator created; without them, the region has no zones. */
    zoneLabels: v.optional(v.record(v.string(), v.string())),
    /** Names of these VSphereDeploymentZones, by the slugs of the catalogue. */
    zoneNames: v.optional(v.record(v.string(), text), {}),
    controllerNamespace: v.optional(text, "capv-system"),
  }),
} as const satisfies Partial<Record<CloudProviderType, v.GenericSchema>>;

/** Settings of a provider in one region, with defaults applied. */
export type SettingsOf<Type extends keyof typeof settingsByType> = v.InferOutput<(typeof settingsByType)[Type]>;

/** Network add-on that a ClusterResourceSet installs. */
export const NetworkInterface = v.object({
  /**
   * Kubernetes objects as YAML. `{{podSubnet}}`, `{{serviceSubnet}}` and `{{encryption}}` (true or false) are replaced by the values of
   * each cluster.
   */
  manifests: v.pipe(v.string(), v.minLength(1), v.maxLength(700_000)),
});

/** Settings that all providers share. */
export const Profile = v.object({
  /** Network add-ons that clusters can choose. */
  networkInterfaces: v.optional(
    v.object({ cilium: v.optional(NetworkInterface), calico: v.optional(NetworkInterface) }),
    {},
  ),
  /** True if the platform runs a controller that installs the add-ons of clusters. */
  installsAddons: flag,
});
export type Profile = v.InferOutput<typeof Profile>;
