/** Names of labels, annotations and taints that users cannot give to the machines of a node pool, and the reasons. Pure rules. */

import type { Problem } from "../shared/errors.ts";
import { type Draft, formatValue, memberPath } from "../shared/validation.ts";
import type { NodePool } from "./entity.ts";
import type { CreateNodePool } from "./schema.ts";

/** The prefix of every label, annotation and taint that this service writes on machines. */
export const PRODUCT_PREFIX = "ame-clusters/";

/** The label that says whether programs that reboot machines, such as kured, may reboot this one. */
export const REBOOTS_LABEL = `${PRODUCT_PREFIX}node-reboots`;

// https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/kubelet/pkg/apis/well_known_labels.go; keys in lower case.
const KUBERNETES = /^([^/]+\.)?(kubernetes|k8s)\.io\//;
const KUBELET_DOMAIN = /^([^/]+\.)?(kubelet|node)\.kubernetes\.io\//;
const MACHINE = /^(kubernetes\.io\/hostname|(beta\.)?kubernetes\.io\/(os|arch)|node\.kubernetes\.io\/windows-build)$/;
const CLOUD =
  /^((topology|failure-domain\.beta)\.kubernetes\.io\/(zone|region)|(beta|node)\.kubernetes\.io\/instance-type|topology\.k8s\.aws\/.*)$/;

/** Returns whether a kubelet may register its node with a label: outside of Kubernetes' domains, or as `IsKubeletLabel` allows. */
export const isKubeletLabel = (key: string): boolean =>
  !KUBERNETES.test(key) || KUBELET_DOMAIN.test(key) || MACHINE.test(key) || CLOUD.test(key);

const OWN_DOMAIN = "use a prefix of your own, such as example.com/";
const ALL = "labels annotations taints";

/**
 * Which kinds of names are reserved, and why. Keys are compared in lower case. Sources:
 * https://kubernetes.io/docs/reference/labels-annotations-taints/ for what the kubelet, kubeadm and Kubernetes' controllers write;
 * pkg/volume/csi/nodeinfomanager for the topology of storage drivers; the documentation of Calico, Cilium and Flannel for what they
 * write on nodes; cluster-autoscaler/utils/taints for its taints.
 */
const RESERVED: readonly (readonly [kinds: string, pattern: RegExp, reason: string])[] = [
  [ALL, /^ame-clusters\/node-reboots$/, "this service writes it; set enableNodeReboots instead"],
  [ALL, /^ame-clusters\//, `this service writes the names under ${PRODUCT_PREFIX}; ${OWN_DOMAIN}`],
  [ALL, MACHINE, `the kubelet of each machine writes the machine's own value; ${OWN_DOMAIN}`],
  [
    ALL,
    /^node-role\.kubernetes\.io\/(control-plane|master)$/,
    "kubeadm marks nodes of the control plane with it; use another role, such as node-role.kubernetes.io/worker",
  ],
  [
    "labels",
    /^topology\.(([^/]+\.)?csi(\.[^/]+)?|gke\.io)\//,
    `the kubelet of each machine writes what its storage driver reports; ${OWN_DOMAIN}`,
  ],
  [
    "annotations",
    /^(volumes\.kubernetes\.io\/(controller-managed-attach-detach|keep-terminated-pod-volumes)|node\.alpha\.kubernetes\.io\/ttl|csi\.volume\.kubernetes\.io\/nodeid|alpha\.kubernetes\.io\/provided-node-ip|kubeadm(\.alpha)?\.kubernetes\.io\/.*|kubectl\.kubernetes\.io\/last-applied-configuration|container\.googleapis\.com\/instance_id)$/,
    `Kubernetes writes each node's own value; ${OWN_DOMAIN}`,
  ],
  [
    "annotations",
    /^(projectcalico\.org\/(ipv[46].*addr(ess)?|wireguardpublickey(v6)?)$|network\.cilium\.io\/|io\.cilium\.network\.|flannel\.alpha\.coreos\.com\/)/,
    `the cluster's network writes each node's own value; ${OWN_DOMAIN}`,
  ],
  [
    "taints",
    /^(node\.(alpha\.)?kubernetes\.io\/(not-?ready|unreachable|unschedulable|(memory|disk|pid)-pressure|network-unavailable|out-?of-?disk|out-of-service)|node\.cloudprovider\.kubernetes\.io\/.*|(tobedeletedby|deletioncandidateof)clusterautoscaler)$/,
    `Kubernetes sets and removes it by the state of each node; ${OWN_DOMAIN}`,
  ],
];

// A kubelet may not set these either. Cluster API and administrators do, so the user's value counts.
const SET_BY_ADMINISTRATORS = /^node-(role|restriction)\.kubernetes\.io\//;

/**
 * Returns why a name cannot be chosen by a user.
 *
 * @param kind of property that the name is in
 * @param name as it was sent; compared in lower case, because Kubernetes folds prefixes of annotations
 * @param isCloud whether the machines are made in a cloud, whose controller writes zone, region and type of each machine
 * @returns undefined for a name that is free
 */
export function reservedReason(
  kind: "labels" | "annotations" | "taints",
  name: string,
  isCloud: boolean,
): string | undefined {
  const key = name.toLowerCase();
  const [, , reason] = RESERVED.find(([kinds, pattern]) => kinds.includes(kind) && pattern.test(key)) ?? [];
  if (reason !== undefined || kind !== "labels") return reason;
  if (isCloud && CLOUD.test(key)) {
    return `the cloud's controller writes each machine's own value; set availabilityZone and nodeSize, or ${OWN_DOMAIN}`;
  }
  if (SET_BY_ADMINISTRATORS.test(key) || isKubeletLabel(name)) return undefined;
  return `a kubelet may not set labels of this domain and does not start with them; ${OWN_DOMAIN}`;
}

/**
 * Finds reserved names in what was sent for a pool. What the stored pool has too is no change and never a problem.
 *
 * @param sent the well-formed parts of what was sent
 * @param stored the pool before the change; undefined for a new one
 * @param isCloud as for `reservedReason`
 */
export function reservedNameProblems(
  sent: Draft<CreateNodePool>,
  stored: Pick<NodePool, "labels" | "annotations" | "taints"> | undefined,
  isCloud: boolean,
): Problem[] {
  const problems: Problem[] = [];
  for (const kind of ["labels", "annotations"] as const) {
    for (const [name, value] of Object.entries(sent[kind] ?? {})) {
      const reason = stored?.[kind][name] === value ? undefined : reservedReason(kind, name, isCloud);
      if (reason !== undefined) {
        problems.push({ path: memberPath(kind, name), message: `${formatValue(value)} is not allowed: ${reason}` });
      }
    }
  }
  sent.taints?.forEach((taint, index) => {
    if (taint?.key === undefined) return;
    const { key, value, effect } = taint;
    const isStored = stored?.taints.some((each) => each.key === key && each.value === value && each.effect === effect);
    const reason = isStored === true ? undefined : reservedReason("taints", key, isCloud);
    if (reason !== undefined) {
      problems.push({ path: `taints[${index}].key`, message: `${formatValue(key)} is not allowed: ${reason}` });
    }
  });
  return problems;
}
