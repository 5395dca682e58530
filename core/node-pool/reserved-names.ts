/** Names of labels, annotations and taints that users cannot set on the machines of a node pool, and the reasons. Pure functions. */

import type { Problem } from "../shared/errors.ts";
import { type Draft, formatValue, memberPath } from "../shared/validation.ts";
import type { NodePool } from "./entity.ts";
import type { CreateNodePool } from "./schema.ts";

/** Prefix of every label, annotation and taint that this service sets on machines. */
export const PRODUCT_PREFIX = "ame-clusters/";

/** Label that states whether programs that reboot machines, such as kured, may reboot this one. */
export const REBOOTS_LABEL = `${PRODUCT_PREFIX}node-reboots`;

// https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/kubelet/pkg/apis/well_known_labels.go; keys in lower case.
const KUBERNETES = /^([^/]+\.)?(kubernetes|k8s)\.io\//;
const KUBELET_DOMAIN = /^([^/]+\.)?(kubelet|node)\.kubernetes\.io\//;
const MACHINE = /^(kubernetes\.io\/hostname|(beta\.)?kubernetes\.io\/(os|arch)|node\.kubernetes\.io\/windows-build)$/;
const CLOUD =
  /^((topology|failure-domain\.beta)\.kubernetes\.io\/(zone|region)|(beta|node)\.kubernetes\.io\/instance-type|topology\.k8s\.aws\/.*)$/;

/** Returns whether a kubelet may register its node with a label: not of Kubernetes' domains, or allowed by `IsKubeletLabel`. */
export const isKubeletLabel = (key: string): boolean =>
  !KUBERNETES.test(key) || KUBELET_DOMAIN.test(key) || MACHINE.test(key) || CLOUD.test(key);

const OWN_DOMAIN = "use your own prefix, such as example.com/";
const ALL = "labels annotations taints";

/**
 * Reserved names by kind, with the reason. Keys are compared in lower case. Sources:
 * https://kubernetes.io/docs/reference/labels-annotations-taints/ for the names that the kubelet, kubeadm and Kubernetes' controllers
 * set; pkg/volume/csi/nodeinfomanager for the topology of storage drivers; the documentation of Calico, Cilium and Flannel for the
 * names that they set on nodes; cluster-autoscaler/utils/taints for its taints.
 */
const RESERVED: readonly (readonly [kinds: string, pattern: RegExp, reason: string])[] = [
  [ALL, /^ame-clusters\/node-reboots$/, "this service sets it; set enableNodeReboots instead"],
  [ALL, /^ame-clusters\//, `this service sets the names with the prefix ${PRODUCT_PREFIX}; ${OWN_DOMAIN}`],
  [ALL, MACHINE, `the kubelet of each machine sets the machine's own value; ${OWN_DOMAIN}`],
  [
    ALL,
    /^node-role\.kubernetes\.io\/(control-plane|master)$/,
    "kubeadm sets it on nodes of the control plane; use another role, such as node-role.kubernetes.io/worker",
  ],
  [
    "labels",
    /^topology\.(([^/]+\.)?csi(\.[^/]+)?|gke\.io)\//,
    `the kubelet of each machine sets the values of its storage driver; ${OWN_DOMAIN}`,
  ],
  [
    "annotations",
    /^(volumes\.kubernetes\.io\/(controller-managed-attach-detach|keep-terminated-pod-volumes)|node\.alpha\.kubernetes\.io\/ttl|csi\.volume\.kubernetes\.io\/nodeid|alpha\.kubernetes\.io\/provided-node-ip|kubeadm(\.alpha)?\.kubernetes\.io\/.*|kubectl\.kubernetes\.io\/last-applied-configuration|container\.googleapis\.com\/instance_id)$/,
    `Kubernetes sets each node's own value; ${OWN_DOMAIN}`,
  ],
  [
    "annotations",
    /^(projectcalico\.org\/(ipv[46].*addr(ess)?|wireguardpublickey(v6)?)$|network\.cilium\.io\/|io\.cilium\.network\.|flannel\.alpha\.coreos\.com\/)/,
    `the cluster's network sets each node's own value; ${OWN_DOMAIN}`,
  ],
  [
    "taints",
    /^(node\.(alpha\.)?kubernetes\.io\/(not-?ready|unreachable|unschedulable|(memory|disk|pid)-pressure|network-unavailable|out-?of-?disk|out-of-service)|node\.cloudprovider\.kubernetes\.io\/.*|(tobedeletedby|deletioncandidateof)clusterautoscaler)$/,
    `Kubernetes sets and removes it according to the state of each node; ${OWN_DOMAIN}`,
  ],
];

// A kubelet may not set these either, but Cluster API and administrators do, so the user's value applies.
const SET_BY_ADMINISTRATORS = /^node-(role|restriction)\.kubernetes\.io\//;

/**
 * Returns the reason why a user cannot set a name.
 *
 * @param kind property that contains the name
 * @param name name as sent; compared in lower case, because Kubernetes converts prefixes of annotations to lower case
 * @param isCloud true for machines in a cloud, whose controller sets zone, region and type of each machine
 * @returns undefined if the user can set it
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
    return `the cloud's controller sets each machine's own value; set availabilityZone and nodeSize, or ${OWN_DOMAIN}`;
  }
  if (SET_BY_ADMINISTRATORS.test(key) || isKubeletLabel(name)) return undefined;
  return `a kubelet may not set labels of this domain and does not start with them; ${OWN_DOMAIN}`;
}

/**
 * Finds reserved names in the request for a pool. Values that the stored pool already has are never a problem.
 *
 * @param sent well-formed parts of the request
 * @param stored pool before the change; undefined for a new one
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
