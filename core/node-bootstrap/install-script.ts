/** The script that makes a machine ready to join. */

import { KERNEL_MODULES } from "./files.ts";
import type { JoinedPool, JoinInput } from "./input.ts";
import { nodeLabels } from "./kubelet.ts";
import {
  CHECK_FUNCTIONS,
  CHECK_SYSTEM,
  downloads,
  FUNCTIONS,
  head,
  installCommand,
  ofPool,
  PACKAGE_FUNCTIONS,
  writeCommand,
} from "./script.ts";
import { quote } from "./shell.ts";
import type { NodeSoftware } from "./software.ts";
import { CONTAINER_TOOLS, containerRuntime, HOST_SETTINGS, kubelet, UPDATE_SETTINGS } from "./steps.ts";

/**
 * The packages that kubeadm, kubelet, containerd and the script itself need and that minimal images lack. apparmor: the kernels of
 * Debian and Ubuntu enable AppArmor, and containerd needs `apparmor_parser` to load the profile of containers. dbus: through it the
 * kubelet delays a shutdown. mount: kubeadm, kubelet and swapoff.
 */
const PACKAGES = [
  "apparmor",
  "ca-certificates",
  "conntrack",
  "curl",
  "dbus",
  "ethtool",
  "iproute2",
  "iptables",
  "kmod",
  "mount",
  "procps",
  "socat",
];

const UPDATER = "unattended-upgrades";

// Whether a node is updated later is not for the join to decide, and installing the package would turn it on.
const KEEP_UPDATER_STILL = `  debconf-set-selections <<<'${UPDATER} ${UPDATER}/enable_auto_updates boolean false'
`;

const installPackages = (packages: readonly string[]): string => `
packages=(${packages.join(" ")})
missing=()
for package in "\${packages[@]}"; do
  if [[ $(dpkg-query --show --showformat '\${db:Status-Status}' "$package" 2>/dev/null || true) != installed ]]; then
    missing+=("$package")
  fi
done
if ((\${#missing[@]} > 0)); then
  apt_get update
${packages.includes(UPDATER) ? KEEP_UPDATER_STILL : ""}  apt_get install --yes --no-install-recommends "\${missing[@]}"
fi
`;

const REBOOT = `
if [[ -e /run/reboot-required ]]; then
  say 'the updates ask for a reboot: rebooting; run this script again afterwards, and then join'
  systemctl reboot
  # Not ready yet: whoever runs this and then the join command must not go on.
  exit 75
fi
`;

/** Only before the first join: what is a node already is updated by other means. */
const updateFirst = (updates: JoinedPool["securityUpdatesOnJoin"]): string =>
  updates === "OFF"
    ? ""
    : `
if [[ ! -e /etc/kubernetes/kubelet.conf ]]; then
  say 'installing security updates'
  apt_get update
  wait_for_lock unattended-upgrade --verbose
${updates === "INSTALL_AND_REBOOT" ? REBOOT.trim().replaceAll(/^/gm, "  ") : ""}
fi
`.replace("\n\nfi", "\nfi");

const PREPARE_KERNEL = `
${writeCommand("/etc/modules-load.d/ame-clusters.conf", "0644", KERNEL_MODULES.map((each) => `${each}\n`).join(""))}

# Some of Ubuntu's kernels, such as those of Raspberry Pis, have these modules in a package of their own.
load_module() {
  if modprobe "$1"; then return; fi
  local package
  package=linux-modules-extra-$(uname -r)
  if [[ $system == ubuntu* ]]; then
    say "the kernel module $1 is missing: installing $package"
    apt_get update
    apt_get install --yes --no-install-recommends "$package" || true
    if modprobe "$1"; then return; fi
  fi
  fail "the kernel module $1 cannot be loaded: install a kernel that has it, or reboot where the running kernel was replaced"
}
${KERNEL_MODULES.map((each) => `load_module ${each}`).join("\n")}

${HOST_SETTINGS}

# A kubelet does not start on a machine that swaps.
swapoff --all
if [[ -f /etc/fstab ]]; then
  sed --in-place --regexp-extended 's/^([^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]])/# \\1/' /etc/fstab
fi
systemctl mask swap.target
`;

const startContainerRuntime = (software: NodeSoftware): string => `
changed=no
${containerRuntime(software)}
systemctl daemon-reload
systemctl enable containerd.service
if [[ $changed == yes ]]; then systemctl restart containerd.service; else systemctl start containerd.service; fi

${CONTAINER_TOOLS}
`;

function startKubelet(input: JoinInput, labels: readonly string[]): string {
  const extra = labels.length === 0 ? "" : `--node-labels=${labels.join(",")}`;
  return `
changed=no
${installCommand("kubeadm")}
${kubelet(input)}
${writeCommand("/etc/default/kubelet", "0644", `KUBELET_EXTRA_ARGS=${extra}\n`)}
install -d -m 0755 /etc/kubernetes/manifests
systemctl daemon-reload
systemctl enable kubelet.service
# Until the machine has joined, the kubelet has nothing to run with; kubeadm starts it.
if [[ $changed == yes && -e /etc/kubernetes/kubelet.conf ]]; then systemctl restart kubelet.service; fi
`;
}

/** A joined node is upgraded in another order, after its control plane. */
const refuseOtherVersion = ({ kubernetes }: NodeSoftware): string => `
if [[ -e /etc/kubernetes/kubelet.conf && -x /usr/local/bin/kubelet ]]; then
  present=$(/usr/local/bin/kubelet --version)
  [[ $present == ${quote(`Kubernetes v${kubernetes}`)} ]] ||
    fail "this node has joined and runs $present: run the upgrade script to bring it to v${kubernetes}"
fi
`;

const farewell = (refused: readonly string[]): string =>
  refused.length === 0
    ? ""
    : `say ${quote(`A kubelet may not give itself these labels; set them with kubectl label node: ${refused.join(" ")}`)}\n`;

/**
 * Makes the script that installs everything a node runs and configures it, up to the join itself. It can be run again.
 *
 * @throws Error as `nodeLabels` and `kubeletConfiguration`
 */
export function installScript(input: JoinInput, software: NodeSoftware): string {
  const { pool, version } = input;
  const updates = pool?.securityUpdatesOnJoin ?? "OFF";
  const labels = pool === undefined ? { registered: [], refused: [] } : nodeLabels(pool);
  const packages = updates === "OFF" ? PACKAGES : [...PACKAGES, UPDATER];
  return [
    head([
      `Makes a machine ready to become a node of a cluster of version ${version}${ofPool(pool)}.`,
      "Run it as root, then the join command. It can be run again; it changes only what is not so already.",
    ]),
    CHECK_SYSTEM,
    FUNCTIONS,
    PACKAGE_FUNCTIONS,
    CHECK_FUNCTIONS,
    downloads(software),
    refuseOtherVersion(software),
    UPDATE_SETTINGS,
    installPackages(packages),
    updateFirst(updates),
    PREPARE_KERNEL,
    startContainerRuntime(software),
    startKubelet(input, labels.registered),
    farewell(labels.refused),
    `say ${quote(`this machine is ready to join: Kubernetes v${software.kubernetes}`)}\n`,
  ]
    .map((part) => `${part.trim()}\n`)
    .filter((part) => part !== "\n")
    .join("\n");
}
