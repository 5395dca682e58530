/**
 * API version of each kind that is written. Each kind has one version, because a field manager that writes two served versions of a kind
 * corrupts its managed fields (kubernetes/kubernetes#136919). The versions are those of the releases Cluster API 1.14.0, aws 2.11.1,
 * azure 1.26.0, openstack 0.14.7, digitalocean main after 1.6.0, hetzner 1.1.8, vsphere 1.16.1 and Kamaji's provider 0.20.0.
 */

const infrastructure = (version: string) => `infrastructure.cluster.x-k8s.io/${version}`;

/** API versions of Cluster API's own kinds. */
export const CLUSTER_API_VERSION = {
  core: "cluster.x-k8s.io/v1beta2",
  bootstrap: "bootstrap.cluster.x-k8s.io/v1beta2",
  controlPlane: "controlplane.cluster.x-k8s.io/v1beta2",
  addons: "addons.cluster.x-k8s.io/v1beta2",
} as const;

/** API versions of the providers' kinds. */
export const PROVIDER_VERSION = {
  none: infrastructure("v1beta2"),
  aws: infrastructure("v1beta2"),
  azure: infrastructure("v1beta1"),
  openstack: infrastructure("v1beta1"),
  openstackIdentity: infrastructure("v1alpha1"),
  digitalocean: infrastructure("v1beta1"),
  hetzner: infrastructure("v1beta1"),
  vsphere: infrastructure("v1beta2"),
  byon: "controlplane.cluster.x-k8s.io/v1alpha2",
} as const;
