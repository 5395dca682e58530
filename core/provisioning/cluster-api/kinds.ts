/** Kinds of objects of a cluster, by the type of its provider. */

import type { ObjectKind } from "../../kubernetes/objects.ts";
import type { TranslatedType } from "./input.ts";
import type { ObservedCluster } from "./observed-objects.ts";
import { CLUSTER_API_VERSION, PROVIDER_VERSION } from "./versions.ts";

const core = (kind: string): ObjectKind => ({ apiVersion: CLUSTER_API_VERSION.core, kind });

/** Cluster of Cluster API. */
export const CLUSTER = core("Cluster");
/** Machines of a node pool, or of its part in one zone. */
export const MACHINE_DEPLOYMENT = core("MachineDeployment");
/** Machines of a MachineDeployment with the same template. */
export const MACHINE_SET = core("MachineSet");
/** Replaces machines that are not ready. */
export const MACHINE_HEALTH_CHECK = core("MachineHealthCheck");
/** Control plane on machines. */
export const KUBEADM_CONTROL_PLANE = { apiVersion: CLUSTER_API_VERSION.controlPlane, kind: "KubeadmControlPlane" };
/** Template of the bootstrap configuration of machines. */
export const KUBEADM_CONFIG_TEMPLATE = { apiVersion: CLUSTER_API_VERSION.bootstrap, kind: "KubeadmConfigTemplate" };
/** Applies objects in a cluster. */
export const CLUSTER_RESOURCE_SET = { apiVersion: CLUSTER_API_VERSION.addons, kind: "ClusterResourceSet" };
/** Secret. */
export const SECRET = { apiVersion: "v1", kind: "Secret" };
/** ConfigMap. */
export const CONFIG_MAP = { apiVersion: "v1", kind: "ConfigMap" };
/** Namespace. */
export const NAMESPACE = { apiVersion: "v1", kind: "Namespace" };
/** Control plane in the management cluster. */
export const KAMAJI_CONTROL_PLANE = { apiVersion: PROVIDER_VERSION.byon, kind: "KamajiControlPlane" };

/** Kinds of each provider: infrastructure cluster, machine template, and other templates. */
const PROVIDER_KINDS: Readonly<Record<TranslatedType, readonly string[]>> = {
  none: ["DevCluster", "DevMachineTemplate"],
  aws: ["AWSCluster", "AWSMachineTemplate"],
  azure: ["AzureCluster", "AzureMachineTemplate"],
  openstack: ["OpenStackCluster", "OpenStackMachineTemplate"],
  digitalocean: ["DOCluster", "DOMachineTemplate"],
  hetzner: ["HetznerCluster", "HCloudMachineTemplate", "HCloudRemediationTemplate"],
  vsphere: ["VSphereCluster", "VSphereMachineTemplate"],
  byon: [],
};

/** All types of providers. */
export const translatedTypes = Object.keys(PROVIDER_KINDS) as TranslatedType[];

/** Returns whether a kind belongs to a provider, and not to Kubernetes or to Cluster API. */
export const isProviderKind = ({ apiVersion, kind }: ObjectKind): boolean =>
  apiVersion.startsWith("infrastructure.") || kind === KAMAJI_CONTROL_PLANE.kind;

/** Returns the type of the provider of a Cluster by the kinds that it refers to; undefined if it refers to none of them. */
export const typeOfCluster = ({ spec }: ObservedCluster): TranslatedType | undefined =>
  spec?.controlPlaneRef?.kind === KAMAJI_CONTROL_PLANE.kind
    ? "byon"
    : translatedTypes.find((type) => PROVIDER_KINDS[type][0] === (spec?.infrastructureRef?.kind ?? ""));

/** Kinds of the identities with which controllers use a cloud account. Namespaced ones are in the namespace of the cluster. */
const IDENTITIES: Partial<Record<TranslatedType, { kind: string; isNamespaced: boolean }>> = {
  aws: { kind: "AWSClusterStaticIdentity", isNamespaced: false },
  azure: { kind: "AzureClusterIdentity", isNamespaced: true },
  vsphere: { kind: "VSphereClusterIdentity", isNamespaced: false },
};

/** Returns the kind of the identity with which a provider's controller uses a cloud account; undefined if it needs none. */
export function accountIdentityKind(type: TranslatedType): (ObjectKind & { isNamespaced: boolean }) | undefined {
  const identity = IDENTITIES[type];
  return identity && { apiVersion: PROVIDER_VERSION[type], ...identity };
}

/** Returns the kinds of a provider: its infrastructure of clusters first, then its templates. */
export const providerKinds = (type: TranslatedType): ObjectKind[] =>
  PROVIDER_KINDS[type].map((kind) => ({ apiVersion: PROVIDER_VERSION[type], kind }));

/** Returns the kind of the control plane. */
export const controlPlaneKind = (type: TranslatedType): ObjectKind =>
  type === "byon" ? KAMAJI_CONTROL_PLANE : KUBEADM_CONTROL_PLANE;

/** Returns the kinds whose objects are named by their content. Unused objects of these kinds are deleted. */
export const contentNamedKinds = (type: TranslatedType): ObjectKind[] =>
  type === "byon" ? [SECRET, CONFIG_MAP] : [...providerKinds(type).slice(1), KUBEADM_CONFIG_TEMPLATE, SECRET];

/** Returns the kinds of the objects that may remain after the deletion of a Cluster. */
export const leftoverKinds = (type: TranslatedType): ObjectKind[] => [
  CLUSTER_RESOURCE_SET,
  MACHINE_HEALTH_CHECK,
  MACHINE_DEPLOYMENT,
  controlPlaneKind(type),
  ...providerKinds(type),
  KUBEADM_CONFIG_TEMPLATE,
  SECRET,
  CONFIG_MAP,
];
