/** Builds the configuration of a node's kubelet. */

import { isKubeletLabel, REBOOTS_LABEL, reservedReason } from "../node-pool/reserved-names.ts";
import { Address, parseCidr } from "../shared/ip.ts";
import { compareNames } from "../shared/order.ts";
import { toYaml } from "../shared/yaml.ts";
import type { JoinedPool, JoinInput } from "./input.ts";

/** Socket of the container runtime. */
export const CONTAINER_RUNTIME_ENDPOINT = "unix:///run/containerd/containerd.sock";

/**
 * File of our kubelet configuration. kubeadm writes the cluster's configuration to another file at every join and upgrade; the values
 * of this file override it.
 */
export const KUBELET_DROP_IN = "/etc/kubernetes/kubelet.conf.d/50-ame-clusters.conf";

const DEFAULT_DOMAIN = "cluster.local";

/** Time for pods to end when the machine shuts down, in seconds. logind must allow the kubelet this delay. */
export const SHUTDOWN_GRACE_SECONDS = 60;

/** Returns the address of the cluster's DNS: the tenth of the service subnet, as in kubeadm. @throws Error for an invalid subnet */
export function clusterDnsAddress(serviceSubnet: string): string {
  const block = parseCidr(serviceSubnet);
  if (typeof block === "string") throw new Error(`Invalid service subnet ${serviceSubnet}: ${block}.`);
  return new Address(block.address.version, block.address.value + 10n).toString();
}

/**
 * Builds a node's KubeletConfiguration, kubelet.config.k8s.io/v1beta1, as YAML. A kubelet can start with this file only.
 *
 * @throws Error if the service subnet is invalid
 */
export function buildKubeletConfiguration({ serviceSubnet, clusterDomain, pool }: JoinInput): string {
  const taints = (pool?.taints ?? []).map(({ key, value, effect }) => ({
    key,
    ...(value === undefined ? {} : { value }),
    effect,
  }));
  const configuration = {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: "/etc/kubernetes/pki/ca.crt" },
    },
    authorization: { mode: "Webhook" },
    cgroupDriver: "systemd",
    clusterDNS: [clusterDnsAddress(serviceSubnet)],
    clusterDomain: clusterDomain ?? DEFAULT_DOMAIN,
    containerRuntimeEndpoint: CONTAINER_RUNTIME_ENDPOINT,
    ...(taints.length === 0 ? {} : { registerWithTaints: taints }),
    rotateCertificates: true,
    // Pods end in order when the machine shuts down.
    shutdownGracePeriod: `${SHUTDOWN_GRACE_SECONDS}s`,
    shutdownGracePeriodCriticalPods: "20s",
  };
  return toYaml(configuration);
}

// Characters that Kubernetes allows in a label, without those that have a meaning for a shell, for systemd or between labels.
const KEY = /^[A-Za-z0-9._/-]+$/;
const VALUE = /^[A-Za-z0-9._-]*$/;

/** Labels of a node, each `key=value`, ordered by key. */
interface NodeLabels {
  /** Labels with which the kubelet registers its node. */
  readonly registered: readonly string[];
  /** Labels that only a user with rights on nodes may set: a kubelet does not start with them. */
  readonly refused: readonly string[];
}

/**
 * Returns the labels of a pool's nodes, without stored labels that the machine or this service sets itself.
 *
 * @throws Error that lists the labels that Kubernetes does not accept
 */
export function splitNodeLabels({ labels, enableNodeReboots }: JoinedPool): NodeLabels {
  const reboots = { [REBOOTS_LABEL]: enableNodeReboots ? "enabled" : "disabled" };
  const free = Object.entries(labels).filter(
    ([key]) => !isKubeletLabel(key) || reservedReason("labels", key, false) === undefined,
  );
  const entries = [...free, ...Object.entries(reboots)].sort(compareNames);
  const invalid = entries.filter(([key, value]) => !KEY.test(key) || !VALUE.test(value));
  if (invalid.length > 0) throw new Error(`Invalid labels: ${invalid.map((each) => JSON.stringify(each)).join(", ")}.`);
  const written = (own: boolean) =>
    entries.filter(([key]) => isKubeletLabel(key) === own).map(([key, value]) => `${key}=${value}`);
  return { registered: written(true), refused: written(false) };
}
