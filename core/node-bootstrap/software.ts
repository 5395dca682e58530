/** Software of the nodes of a cluster version, and its download sites. */

import {
  type Checksums,
  type Component,
  checksums,
  components,
  nodeSoftware,
  parseVersion,
} from "../catalogue/index.ts";

/** Component that a node downloads. */
export interface Download {
  readonly component: Component;
  /** Without a leading `v`. */
  readonly version: string;
  readonly checksums: Checksums;
}

/** Software of a node. */
export interface NodeSoftware {
  /** Version of Kubernetes, such as `1.33.4`. */
  readonly kubernetes: string;
  readonly downloads: Readonly<Record<Component, Download>>;
  /** Image whose container owns the namespaces of a pod; kubeadm of this version expects it. */
  readonly pauseImage: string;
}

/**
 * Finds the software of the nodes of a cluster version. It is the same for all builds of a Kubernetes patch.
 *
 * @param version such as `v1.33.4-u-ame.2`
 * @returns undefined for an invalid version, and for one whose software or checksums the catalogue lacks
 */
export function findNodeSoftware(version: string): NodeSoftware | undefined {
  const parsed = parseVersion(version);
  const ofMinor = parsed && nodeSoftware[`v1.${parsed.minor}`];
  if (parsed === undefined || ofMinor === undefined) return undefined;
  const kubernetes = `1.${parsed.minor}.${parsed.patch}`;
  const { pause, ...others } = ofMinor;
  const versions: Record<Component, string> = { ...others, kubeadm: kubernetes, kubelet: kubernetes };
  const downloads: Partial<Record<Component, Download>> = {};
  for (const component of components) {
    const known = checksums[component][versions[component]];
    if (known === undefined) return undefined;
    downloads[component] = { component, version: versions[component], checksums: known };
  }
  return {
    kubernetes,
    downloads: downloads as Record<Component, Download>,
    pauseImage: `registry.k8s.io/pause:${pause}`,
  };
}

/** Download site. */
interface Site {
  /** Environment variable that sets another site, such as a mirror. */
  readonly variable: string;
  readonly address: string;
}

/** Sites by component. kubeadm and kubelet have the same one. */
export const sites: Readonly<Record<Component, Site>> = {
  containerd: { variable: "CONTAINERD_URL", address: "https://github.com/containerd/containerd/releases/download" },
  runc: { variable: "RUNC_URL", address: "https://github.com/opencontainers/runc/releases/download" },
  "cni-plugins": {
    variable: "CNI_PLUGINS_URL",
    address: "https://github.com/containernetworking/plugins/releases/download",
  },
  crictl: { variable: "CRICTL_URL", address: "https://github.com/kubernetes-sigs/cri-tools/releases/download" },
  kubeadm: { variable: "KUBERNETES_URL", address: "https://dl.k8s.io/release" },
  kubelet: { variable: "KUBERNETES_URL", address: "https://dl.k8s.io/release" },
};

/**
 * Returns the path of a download on its site.
 *
 * @param architecture one of `architectures`, or a shell variable that contains one
 */
export function downloadPath({ component, version }: Download, architecture: string): string {
  const folder = `v${version}`;
  switch (component) {
    case "containerd":
      return `${folder}/containerd-${version}-linux-${architecture}.tar.gz`;
    case "runc":
      return `${folder}/runc.${architecture}`;
    case "cni-plugins":
      return `${folder}/cni-plugins-linux-${architecture}-v${version}.tgz`;
    case "crictl":
      return `${folder}/crictl-v${version}-linux-${architecture}.tar.gz`;
    case "kubeadm":
    case "kubelet":
      return `${folder}/bin/linux/${architecture}/${component}`;
  }
}
