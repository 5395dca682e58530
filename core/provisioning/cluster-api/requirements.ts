/** Requirements of the provisioner on a management cluster: versions of kinds, and permissions. */

import type { Verb } from "../../kubernetes/access-review.ts";
import type { ObjectKind } from "../../kubernetes/objects.ts";
import type { TranslatedType } from "./input.ts";
import {
  accountIdentityKind,
  CLUSTER,
  CLUSTER_RESOURCE_SET,
  CONFIG_MAP,
  contentNamedKinds,
  controlPlaneKind,
  KUBEADM_CONFIG_TEMPLATE,
  KUBEADM_CONTROL_PLANE,
  leftoverKinds,
  MACHINE_DEPLOYMENT,
  MACHINE_HEALTH_CHECK,
  MACHINE_SET,
  NAMESPACE,
  providerKinds,
  SECRET,
} from "./kinds.ts";

/** Part of Cluster API that can be installed separately. */
export interface Component {
  /** Type of a provider; `core` or `kubeadm` for parts that several providers need. */
  name: TranslatedType | "core" | "kubeadm";
  kinds: readonly ObjectKind[];
  /** Kinds that Cluster API finds by a label of their CustomResourceDefinition, because references to them have no version. */
  referenced: readonly ObjectKind[];
  /** Command that installs it, with a release that serves the versions. */
  install: string;
}

const clusterctl = (options: string, release: string): string =>
  `clusterctl init${options} (release ${release} has them)`;

const INSTALL: Readonly<Record<TranslatedType, string>> = {
  none: clusterctl(" --infrastructure docker", "1.14.0"),
  aws: clusterctl(" --infrastructure aws", "2.11.1"),
  azure: clusterctl(" --infrastructure azure", "1.26.0"),
  openstack: clusterctl(" --infrastructure openstack", "0.14.7"),
  digitalocean: clusterctl(" --infrastructure digitalocean", "1.6.0"),
  hetzner: clusterctl(" --infrastructure hetzner", "1.1.8"),
  vsphere: clusterctl(" --infrastructure vsphere", "1.16.1"),
  byon: clusterctl(" --control-plane kamaji", "0.20.0"),
};

const CORE: Component = {
  name: "core",
  kinds: [CLUSTER, MACHINE_DEPLOYMENT, MACHINE_SET, MACHINE_HEALTH_CHECK, CLUSTER_RESOURCE_SET],
  referenced: [],
  install: clusterctl("", "1.14.0"),
};

const KUBEADM: Component = {
  name: "kubeadm",
  kinds: [KUBEADM_CONTROL_PLANE, KUBEADM_CONFIG_TEMPLATE],
  referenced: [KUBEADM_CONTROL_PLANE, KUBEADM_CONFIG_TEMPLATE],
  install: clusterctl(" --bootstrap kubeadm --control-plane kubeadm", "1.14.0"),
};

function providerComponent(type: TranslatedType): Component {
  const own = type === "byon" ? [controlPlaneKind(type)] : providerKinds(type);
  const identity = accountIdentityKind(type);
  return {
    name: type,
    kinds: [...own, ...(identity === undefined ? [] : [{ apiVersion: identity.apiVersion, kind: identity.kind }])],
    // Not the remediation template: a health check names the version of its template.
    referenced: own.filter(({ kind }) => !kind.endsWith("RemediationTemplate")),
    install: INSTALL[type],
  };
}

/** All components, in the order of reports. */
export const components: readonly Component[] = [
  CORE,
  KUBEADM,
  ...(Object.keys(INSTALL) as TranslatedType[]).map(providerComponent),
];

/** Returns whether clusters of a type need a component. */
export const needsComponent = (type: TranslatedType, { name }: Component): boolean =>
  name === "core" || name === type || (name === "kubeadm" && type !== "byon");

const APPLY: readonly Verb[] = ["create", "patch"];

/** Adds verbs to those of a kind. */
function add(required: Map<string, { kind: ObjectKind; verbs: Set<Verb> }>, kind: ObjectKind, verbs: readonly Verb[]) {
  const key = `${kind.apiVersion} ${kind.kind}`;
  const known = required.get(key) ?? { kind, verbs: new Set() };
  for (const verb of verbs) known.verbs.add(verb);
  required.set(key, known);
}

/**
 * Lists the permissions that the provisioner needs for clusters of the given types. They are needed in all namespaces, because the
 * provisioner creates a namespace for each organisation.
 */
export function requiredAccess(types: Iterable<TranslatedType>): { kind: ObjectKind; verbs: Verb[] }[] {
  const required: Parameters<typeof add>[0] = new Map();
  for (const type of types) {
    // Reads the uid of kube-system, by which it recognizes the management cluster.
    add(required, NAMESPACE, ["get", ...APPLY]);
    // Reads kubeconfigs and certificates that Cluster API stores, and applies credentials.
    add(required, SECRET, ["get", "list", ...APPLY, "delete"]);
    // Lists the clusters of an account before its identity is deleted, and all clusters in `provisioner check`.
    add(required, CLUSTER, ["get", "list", ...APPLY, "delete"]);
    add(required, MACHINE_SET, ["list"]);
    add(required, controlPlaneKind(type), ["get", ...APPLY]);
    for (const kind of [MACHINE_DEPLOYMENT, MACHINE_HEALTH_CHECK, CLUSTER_RESOURCE_SET]) {
      add(required, kind, ["list", ...(type === "byon" && kind !== CLUSTER_RESOURCE_SET ? [] : APPLY), "delete"]);
    }
    for (const kind of providerKinds(type)) add(required, kind, APPLY);
    for (const kind of contentNamedKinds(type)) add(required, kind, ["list", ...APPLY, "delete"]);
    for (const kind of leftoverKinds(type)) add(required, kind, ["deletecollection"]);
    // Allocations of API server addresses.
    if (type === "vsphere") add(required, CONFIG_MAP, ["list", "create"]);
    const identity = accountIdentityKind(type);
    if (identity !== undefined)
      add(required, { apiVersion: identity.apiVersion, kind: identity.kind }, ["get", ...APPLY, "delete"]);
  }
  return [...required.values()].map(({ kind, verbs }) => ({ kind, verbs: [...verbs] }));
}
