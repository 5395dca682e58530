/**
 * Paths of objects in the Kubernetes API. The plural of each kind is in a table, so that a call needs no discovery before it, and a kind
 * that this service does not use is refused.
 */

import type { ObjectKind } from "./objects.ts";

/** Plurals by API group and kind. Those of cluster-scoped kinds have a leading slash. */
const PLURALS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "": {
    ConfigMap: "configmaps",
    Namespace: "/namespaces",
    Node: "/nodes",
    PersistentVolumeClaim: "persistentvolumeclaims",
    Secret: "secrets",
    Service: "services",
  },
  "authorization.k8s.io": { SelfSubjectAccessReview: "/selfsubjectaccessreviews" },
  "apiextensions.k8s.io": { CustomResourceDefinition: "/customresourcedefinitions" },
  "cluster.x-k8s.io": {
    Cluster: "clusters",
    Machine: "machines",
    MachineDeployment: "machinedeployments",
    MachineHealthCheck: "machinehealthchecks",
    MachineSet: "machinesets",
  },
  "bootstrap.cluster.x-k8s.io": { KubeadmConfig: "kubeadmconfigs", KubeadmConfigTemplate: "kubeadmconfigtemplates" },
  "controlplane.cluster.x-k8s.io": {
    KamajiControlPlane: "kamajicontrolplanes",
    KubeadmControlPlane: "kubeadmcontrolplanes",
  },
  "addons.cluster.x-k8s.io": {
    ClusterResourceSet: "clusterresourcesets",
    ClusterResourceSetBinding: "clusterresourcesetbindings",
  },
  "infrastructure.cluster.x-k8s.io": {
    AWSCluster: "awsclusters",
    AWSClusterRoleIdentity: "/awsclusterroleidentities",
    AWSClusterStaticIdentity: "/awsclusterstaticidentities",
    AWSMachine: "awsmachines",
    AWSMachineTemplate: "awsmachinetemplates",
    AzureCluster: "azureclusters",
    AzureClusterIdentity: "azureclusteridentities",
    AzureMachine: "azuremachines",
    AzureMachineTemplate: "azuremachinetemplates",
    DevCluster: "devclusters",
    DevMachine: "devmachines",
    DevMachineTemplate: "devmachinetemplates",
    DOCluster: "doclusters",
    DOMachine: "domachines",
    DOMachineTemplate: "domachinetemplates",
    HCloudMachine: "hcloudmachines",
    HCloudMachineTemplate: "hcloudmachinetemplates",
    HCloudRemediationTemplate: "hcloudremediationtemplates",
    HetznerCluster: "hetznerclusters",
    OpenStackCluster: "openstackclusters",
    OpenStackClusterIdentity: "/openstackclusteridentities",
    OpenStackMachine: "openstackmachines",
    OpenStackMachineTemplate: "openstackmachinetemplates",
    VSphereCluster: "vsphereclusters",
    VSphereClusterIdentity: "/vsphereclusteridentities",
    VSphereDeploymentZone: "/vspheredeploymentzones",
    VSphereFailureDomain: "/vspherefailuredomains",
    VSphereMachine: "vspheremachines",
    VSphereMachineTemplate: "vspheremachinetemplates",
  },
};

/** Resource of a kind. */
export interface Resource {
  /** Empty for the core group. */
  group: string;
  version: string;
  kind: string;
  plural: string;
  isNamespaced: boolean;
}

function resource(group: string, version: string, kind: string, plural: string): Resource {
  const isNamespaced = !plural.startsWith("/");
  return { group, version, kind, plural: isNamespaced ? plural : plural.slice(1), isNamespaced };
}

/**
 * Returns the resource of a kind.
 *
 * @throws TypeError for a kind that this service does not use
 */
export function resourceOf({ apiVersion, kind }: ObjectKind): Resource {
  const [version = "", group = ""] = apiVersion.split("/").reverse();
  const plural = PLURALS[group]?.[kind];
  if (plural === undefined)
    throw new TypeError(`${apiVersion} ${kind}: unknown kind, add it to core/kubernetes/resources.ts`);
  return resource(group, version, kind, plural);
}

/** Lists every kind that this service uses, without versions. */
export const knownResources = (): Omit<Resource, "version">[] =>
  Object.entries(PLURALS).flatMap(([group, kinds]) =>
    Object.entries(kinds).map(([kind, plural]) => resource(group, "", kind, plural)),
  );

/** Returns the path of a version of an API group. */
export const groupPath = (group: string, version: string): string =>
  group === "" ? `/api/${version}` : `/apis/${group}/${version}`;

/**
 * Returns the path of an object or of a collection.
 *
 * @param namespace namespace of the object or collection; undefined for cluster-scoped kinds, and for a collection in all namespaces
 * @param name name of the object; undefined for the collection
 * @throws TypeError if a namespace is missing or superfluous
 */
export function pathOf(kind: ObjectKind, namespace: string | undefined, name?: string): string {
  const { group, version, plural, isNamespaced } = resourceOf(kind);
  if (!isNamespaced && namespace !== undefined) throw new TypeError(`${kind.kind}: has no namespace, got ${namespace}`);
  if (isNamespaced && namespace === undefined && name !== undefined)
    throw new TypeError(`${kind.kind} ${name}: needs a namespace`);
  const scope = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${groupPath(group, version)}${scope}/${plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}
