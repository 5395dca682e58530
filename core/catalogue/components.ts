/** Components that a node downloads. */

/** Supported architectures, with the names of Kubernetes and Go. */
export const architectures = ["amd64", "arm64"] as const;
export type Architecture = (typeof architectures)[number];

/** SHA-256 checksums by architecture, in hexadecimal. */
export type Checksums = Readonly<Record<Architecture, string>>;

/** Components that a node downloads. */
export const components = ["containerd", "runc", "cni-plugins", "crictl", "kubeadm", "kubelet"] as const;
export type Component = (typeof components)[number];

/** Components whose version follows from the minor version of Kubernetes; kubeadm and kubelet have the version of Kubernetes. */
export const minorComponents = ["containerd", "runc", "cni-plugins", "crictl"] as const satisfies readonly Component[];

/** Versions of the node software of a minor version of Kubernetes, without a leading `v`. */
export type MinorSoftware = Readonly<
  Record<(typeof minorComponents)[number], string> & {
    /** Tag of the image whose container owns the namespaces of a pod; kubeadm of this version expects it. */
    pause: string;
  }
>;
