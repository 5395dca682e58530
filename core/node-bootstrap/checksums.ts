/**
 * SHA-256 checksums of the downloads of nodes, in hexadecimal, as published. None was computed by this project.
 *
 * Sources:
 * - kubernetes-sigs/kubespray, roles/kubespray_defaults/vars/main/checksums.yml at 005bdce7f1867958838a2d0bb4f7e67893d98f64: all checksums
 * - kubernetes/kops, pkg/assets/assetdata, as a second source: k8s-1.33.yaml (395caf805e4ab9b8833203a795d828615097787f),
 *   k8s-1.34.yaml (36e59b1161536294696eee5ce6b1af68c9abcf64; 1.34.3, not 1.34.4), k8s-1.35.yaml
 *   (1ab42e11d7b1dcca90ac0f4f5d127ca20ec5b641), containerd-2.1.yaml (36e59b1161536294696eee5ce6b1af68c9abcf64), runc-1.3.yaml
 *   (1b32a73c2cb208635fdf2dbc174c9dfc93795e27), cni-1.8.yaml (c3038ce4889a6801bea18285b6d38fbb98018b6b)
 *
 * Checksums in both sources are equal. Those of kubeadm and kubelet 1.34.4 and of crictl 1.34.0 for arm64 are only in the first.
 */

/** Supported architectures, with the names of Kubernetes and Go. */
export const architectures = ["amd64", "arm64"] as const;
export type Architecture = (typeof architectures)[number];

/** Checksums by architecture. */
export type Checksums = Readonly<Record<Architecture, string>>;

/** Components that a node downloads. */
export const components = ["containerd", "runc", "cni-plugins", "crictl", "kubeadm", "kubelet"] as const;
export type Component = (typeof components)[number];

/** Checksums by component and version, without a leading `v`. */
export const checksums: Readonly<Record<Component, Readonly<Record<string, Checksums>>>> = {
  containerd: {
    "2.1.6": {
      amd64: "4793dc5c1f34ebf8402990d0050f3c294aa3c794cd5a4baa403c1cf10602326d",
      arm64: "88d6e32348c36628c8500a630c6dd4b3cb8c680b1d18dc8d1d19041f67757c6e",
    },
  },
  runc: {
    "1.3.3": {
      amd64: "8781ab9f71c12f314d21c8e85f13ca1a82d90cf475aa5131a7b543fcc5487543",
      arm64: "3c9a8e9e6dafd00db61f4611692447ebab4a56388bae4f82192aed67b66df712",
    },
  },
  "cni-plugins": {
    "1.8.0": {
      amd64: "ab3bda535f9d90766cccc90d3dddb5482003dd744d7f22bcf98186bf8eea8be6",
      arm64: "57ce466fc3b79db1f19b8f4c63e07a1112306efa53c94fe810a2150dd9e07ddb",
    },
  },
  crictl: {
    "1.33.0": {
      amd64: "8307399e714626e69d1213a4cd18c8dec3d0201ecdac009b1802115df8973f0f",
      arm64: "e1f34918d77d5b4be85d48f5d713ca617698a371b049ea1486000a5e86ab1ff3",
    },
    "1.34.0": {
      amd64: "a8ff2a3edb37a98daf3aba7c3b284fe0aa5bff24166d896ab9ef64c8913c9f51",
      arm64: "c31d252e203df5f4cf37f314bd3092eb79087e791631c1e607087c74b6d0423f",
    },
    "1.35.0": {
      amd64: "2e141e5b22cb189c40365a11807d69b76b9b3caced89fac2f4ec879408ce2177",
      arm64: "519071de89b64c43e2a1661bb5489c6c3fd5e9e5fcef75e50e542b0c891f1118",
    },
  },
  kubeadm: {
    "1.33.4": {
      amd64: "a109ebcb68e52d3dd605d92f92460c884dcc8b68aebe442404af19b6d9d778ec",
      arm64: "ef471b454d68ee211e279ddeaebde6ee7a8e14b66ae58e0d0184e967c3595892",
    },
    "1.33.8": {
      amd64: "8259af514dc3655e8abec1a69b637f31cce2ecb940a80ae4a268e5287890f009",
      arm64: "b5248b51e66e4716261f2c926fe2f08a293795e6863099e7792b4d57dbb9109e",
    },
    "1.34.3": {
      amd64: "f9ce265434d306e59d800b26f3049b8430ba71f815947f4bacdcdc33359417fb",
      arm64: "697cf3aa54f1a5740b883a3b18a5d051b4032fd68ba89af626781a43ec9bccc3",
    },
    "1.34.4": {
      amd64: "b967f1fa0e36621c402d38bb560eb4a943954d5cf5a00e5150842f6f5da73455",
      arm64: "d8028b7e8c8d6c9b3fc3da6bc88d4d0cfb33df1b4b026a7d6e8c35d1471c9f6e",
    },
    "1.35.0": {
      amd64: "729e7fb34e4f1bfcf2bdaf2a14891ed64bd18c47aaab42f8cc5030875276cfed",
      arm64: "1dac7dc2c6a56548bbc6bf8a7ecf4734f2e733fb336d7293d84541ebe52d0e50",
    },
    "1.35.1": {
      amd64: "8a7ff344eef1bfba88f9a74b3fdc9ea4448c94f1b3cefb8c0aeeaf1f96e05053",
      arm64: "80097a3c4ef824f4edfe131d2bd429772c4be3a460c42a44f2320164a917de32",
    },
  },
  kubelet: {
    "1.33.4": {
      amd64: "109bd2607b054a477ede31c55ae814eae8e75543126dc4cea40b04424d843489",
      arm64: "623329b1a5f4858e3a5406d3947807b75144f4e71dde11ef1a71362c3a8619cc",
    },
    "1.33.8": {
      amd64: "1caa69c5328cfa774218f75f0621a6f10a1b97e095af85015f468aeb8fdf956a",
      arm64: "e835f15be6d8b7b27b963a46c4a054f7663c26741f17e003bfcb8271350cf882",
    },
    "1.34.3": {
      amd64: "0e759f40bbc717c05227ae3994b77786f58f59ffa0137a34958c6b26fa5bcbbd",
      arm64: "765b740e3ad9c590852652a2623424ec60e2dddce2c6280d7f042f56c8c98619",
    },
    "1.34.4": {
      amd64: "03b8fea715a7ef82eeaf518dee34c72670c57cc7bc40dc1320c04fbf4f15172f",
      arm64: "c78845473c434ee85a2444eeab87f8b20f524e3ab6854a078f79468f44aad8f5",
    },
    "1.35.0": {
      amd64: "2f4ed7778681649b81244426c29c5d98df60ccabf83d561d69e61c1cbb943ddf",
      arm64: "aa658d077348b43d238f50966a583f4244b2a7d45590c77b3b165b7d44983ab8",
    },
    "1.35.1": {
      amd64: "e7343310e03ff0d424df4397bdfa4468947d6d1f0f93dac586c1e8d6e4086d5d",
      arm64: "73475c6db8fd8a9780b1b378fa2f917875e6146166c24603c1abc6eafd4493a8",
    },
  },
};
