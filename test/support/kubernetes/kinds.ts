/** Kinds that the test server serves, with their versions. */

import { groupPath, knownResources, type Resource } from "#core/kubernetes/resources.ts";

/** Served versions of a group, preferred version first; of some kinds others. */
const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  "": ["v1"],
  "apiextensions.k8s.io": ["v1"],
  "cluster.x-k8s.io": ["v1beta2", "v1beta1"],
  "bootstrap.cluster.x-k8s.io": ["v1beta2", "v1beta1"],
  "controlplane.cluster.x-k8s.io": ["v1beta2", "v1beta1"],
  "addons.cluster.x-k8s.io": ["v1beta2", "v1beta1"],
  "infrastructure.cluster.x-k8s.io": ["v1beta2"],
};

const KIND_VERSIONS: Readonly<Record<string, readonly string[]>> = {
  KamajiControlPlane: ["v1alpha2"],
  OpenStackClusterIdentity: ["v1alpha1"],
};

/** Providers on the older contract of Cluster API. They report readiness as `status.ready`. */
const OLDER_CONTRACT = /^(Azure|OpenStack(?!ClusterIdentity)|DO|Hetzner|HCloud)/;

const versionsOf = ({ group, kind }: { group: string; kind: string }): readonly string[] =>
  KIND_VERSIONS[kind] ?? (OLDER_CONTRACT.test(kind) ? ["v1beta1"] : (VERSIONS[group] ?? []));

/** Kinds without a status of their own resource: every change of them is a change of the generation. */
const WITHOUT_STATUS =
  /^(AWSClusterRoleIdentity|AWSClusterStaticIdentity|KubeadmConfigTemplate|DOMachineTemplate|OpenStackClusterIdentity|OpenStackMachineTemplate|VSphereFailureDomain|VSphereMachineTemplate|ClusterResourceSetBinding|DevMachineTemplate)$/;

/** Returns whether a kind has the subresource status. */
export const hasStatus = ({ kind }: Pick<Resource, "kind">): boolean => !WITHOUT_STATUS.test(kind);

/** Returns whether a kind is defined by a CustomResourceDefinition. */
export const isCustom = ({ group }: Pick<Resource, "group">): boolean =>
  group.includes(".cluster.x-k8s.io") || group === "cluster.x-k8s.io";

/** Returns whether the webhook of a kind refuses changes of its spec. */
export const isImmutable = ({ kind }: Pick<Resource, "kind">): boolean =>
  kind.endsWith("MachineTemplate") || kind === "HCloudRemediationTemplate";

/** Returns whether a kind of a provider reports readiness as `status.ready`. */
export const hasOlderContract = (kind: string): boolean => /^(AWS|Azure|OpenStack|DO|Hetzner|HCloud)/.test(kind);

/** Lists every served resource, once for each version. */
export const servedResources: readonly Resource[] = knownResources().flatMap((resource) =>
  versionsOf(resource).map((version) => ({ ...resource, version })),
);

/** Part of a path. */
export interface Target {
  resource: Resource;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
}

/**
 * Finds what a path names.
 *
 * @param path without its query
 * @returns undefined if nothing is served there
 */
export function targetOf(path: string): Target | undefined {
  const match =
    /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path);
  const cluster = /^(\/api\/v1)\/(namespaces)(?:\/([^/]+))?(?:\/(status))?$/.exec(path);
  const [, prefix, namespace, plural, name, subresource] = cluster
    ? ["", cluster[1], undefined, cluster[2], cluster[3], cluster[4]]
    : (match ?? []);
  const resource = servedResources.find(
    (each) => groupPath(each.group, each.version) === prefix && each.plural === plural,
  );
  if (resource === undefined || (namespace !== undefined && !resource.isNamespaced)) return undefined;
  return { resource, namespace, name: name === undefined ? undefined : decodeURIComponent(name), subresource };
}
