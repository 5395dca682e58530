/** How a node's kubelet is configured. */

import { isKubeletLabel, REBOOTS_LABEL, reservedReason } from "../node-pool/reserved-names.ts";
import { Address, parseCidr } from "../shared/ip.ts";
import { toYaml } from "../shared/yaml.ts";
import type { JoinedPool, JoinInput } from "./input.ts";

/** Where the container runtime listens. */
export const CONTAINER_RUNTIME_ENDPOINT = "unix:///run/containerd/containerd.sock";

/**
 * Where the kubelet reads our configuration. kubeadm writes the cluster's to a file of its own at every join and upgrade; what is
 * here is laid over it.
 */
export const KUBELET_DROP_IN = "/etc/kubernetes/kubelet.conf.d/50-ame-clusters.conf";

const DEFAULT_DOMAIN = "cluster.local";

/** The time in seconds that pods have to end while the machine shuts down. logind has to allow the kubelet that delay. */
export const SHUTDOWN_GRACE_SECONDS = 60;

/** Tells the address of the cluster's DNS, by kubeadm's rule the tenth of the services. @throws Error for what is no block */
export function clusterDns(serviceSubnet: string): string {
  const block = parseCidr(serviceSubnet);
  if (typeof block === "string") throw new Error(`The service subnet ${serviceSubnet} ${block}.`);
  return new Address(block.address.version, block.address.value + 10n).toString();
}

/**
 * Makes a node's KubeletConfiguration, kubelet.config.k8s.io/v1beta1, as YAML. It is whole enough to start a kubelet with it alone.
 *
 * @throws Error where the service subnet is no block
 */
export function kubeletConfiguration({ serviceSubnet, clusterDomain, pool }: JoinInput): string {
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
    clusterDNS: [clusterDns(serviceSubnet)],
    clusterDomain: clusterDomain ?? DEFAULT_DOMAIN,
    containerRuntimeEndpoint: CONTAINER_RUNTIME_ENDPOINT,
    ...(taints.length === 0 ? {} : { registerWithTaints: taints }),
    rotateCertificates: true,
    // So that pods end in order where the machine shuts down.
    shutdownGracePeriod: `${SHUTDOWN_GRACE_SECONDS}s`,
    shutdownGracePeriodCriticalPods: "20s",
  };
  return toYaml(configuration);
}

// What Kubernetes allows in a label, and nothing that means anything to a shell, to systemd or between labels.
const KEY = /^[A-Za-z0-9._/-]+$/;
const VALUE = /^[A-Za-z0-9._-]*$/;

/** The labels of a node, each `key=value`, in order of their keys. */
export interface NodeLabels {
  /** With which the kubelet registers its node. */
  readonly registered: readonly string[];
  /** Which only somebody with rights on nodes may set: a kubelet that asks for them does not start. */
  readonly refused: readonly string[];
}

/**
 * Returns the labels of a pool's nodes. A stored label that the machine or this service writes itself is left out.
 *
 * @throws Error for labels that Kubernetes does not know as such, naming each
 */
export function nodeLabels({ labels, enableNodeReboots }: JoinedPool): NodeLabels {
  const reboots = { [REBOOTS_LABEL]: enableNodeReboots ? "enabled" : "disabled" };
  const free = Object.entries(labels).filter(
    ([key]) => !isKubeletLabel(key) || reservedReason("labels", key, false) === undefined,
  );
  const entries = [...free, ...Object.entries(reboots)].sort(([a], [b]) => (a < b ? -1 : 1));
  const wrong = entries.filter(([key, value]) => !KEY.test(key) || !VALUE.test(value));
  if (wrong.length > 0) throw new Error(`Not labels: ${wrong.map((each) => JSON.stringify(each)).join(", ")}.`);
  const written = (own: boolean) =>
    entries.filter(([key]) => isKubeletLabel(key) === own).map(([key, value]) => `${key}=${value}`);
  return { registered: written(true), refused: written(false) };
}
