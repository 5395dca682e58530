/** Which software a node of a cluster version runs, and where it is downloaded from. */

import { parseVersion } from "../catalogue/versions.ts";
import { type Checksums, type Component, checksums, components } from "./checksums.ts";

/** One thing that a node downloads. */
export interface Download {
  readonly component: Component;
  /** Without a leading `v`. */
  readonly version: string;
  readonly checksums: Checksums;
}

/** All that a node runs. */
export interface NodeSoftware {
  /** Kubernetes' own version, such as `1.33.4`. */
  readonly kubernetes: string;
  readonly downloads: Readonly<Record<Component, Download>>;
  /** The image that holds a pod's namespaces open; the one kubeadm of this version expects. */
  readonly pauseImage: string;
}

type OfMinor = Readonly<Record<Exclude<Component, "kubeadm" | "kubelet">, string> & { pause: string }>;

// containerd by https://containerd.io/releases/#kubernetes-support, crictl by the same minor, pause by kubeadm's constants.
const byMinor: Readonly<Record<number, OfMinor>> = {
  33: { containerd: "2.1.6", runc: "1.3.3", "cni-plugins": "1.8.0", crictl: "1.33.0", pause: "3.10" },
  34: { containerd: "2.1.6", runc: "1.3.3", "cni-plugins": "1.8.0", crictl: "1.34.0", pause: "3.10.1" },
  35: { containerd: "2.1.6", runc: "1.3.3", "cni-plugins": "1.8.0", crictl: "1.35.0", pause: "3.10.1" },
};

/**
 * Tells what a node of a cluster version runs. All builds of a Kubernetes patch run the same.
 *
 * @param version such as `v1.33.4-u-ame.2`
 * @returns undefined where the version is none, or a checksum of it is not known
 */
export function nodeSoftware(version: string): NodeSoftware | undefined {
  const parsed = parseVersion(version);
  const ofMinor = parsed && byMinor[parsed.minor];
  if (parsed === undefined || ofMinor === undefined) return undefined;
  const kubernetes = `1.${parsed.minor}.${parsed.patch}`;
  const versions: Record<Component, string> = { ...ofMinor, kubeadm: kubernetes, kubelet: kubernetes };
  const downloads: Partial<Record<Component, Download>> = {};
  for (const component of components) {
    const known = checksums[component][versions[component]];
    if (known === undefined) return undefined;
    downloads[component] = { component, version: versions[component], checksums: known };
  }
  return {
    kubernetes,
    downloads: downloads as Record<Component, Download>,
    pauseImage: `registry.k8s.io/pause:${ofMinor.pause}`,
  };
}

/** A site that nodes download from. */
export interface Site {
  /** The environment variable that names another one, such as a mirror. */
  readonly variable: string;
  readonly address: string;
}

/** Every site, by the component it has. Kubernetes' two come from the same. */
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
 * Tells where below its site a download is.
 *
 * @param architecture one of `architectures`, or a shell's variable that holds one
 */
export function pathOf({ component, version }: Download, architecture: string): string {
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
