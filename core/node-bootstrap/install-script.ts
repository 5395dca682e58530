/** Builds the script that prepares a machine to join. */

import { KERNEL_MODULES } from "./files.ts";
import type { JoinedPool, JoinInput } from "./input.ts";
import { splitNodeLabels } from "./kubelet.ts";
import {
  buildDownloadVariables,
  buildHeader,
  buildInstallCommand,
  buildWriteCommand,
  CHECK_FUNCTIONS,
  CHECK_SYSTEM,
  FUNCTIONS,
  PACKAGE_FUNCTIONS,
  poolSuffix,
} from "./script.ts";
import { quote } from "./shell.ts";
import type { NodeSoftware } from "./software.ts";
import { CONTAINER_TOOLS, HOST_SETTINGS, installContainerRuntime, installKubelet, UPDATE_SETTINGS } from "./steps.ts";

/**
 * Packages that kubeadm, kubelet, containerd and the script need and that minimal images lack. apparmor: the kernels of Debian and
 * Ubuntu enable AppArmor, and containerd needs `apparmor_parser` to load the profile of containers. dbus: the kubelet delays a
 * shutdown through it. mount: for kubeadm, kubelet and swapoff.
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

// Installing the package would enable automatic updates, which are not the join's decision.
const DISABLE_UPDATER = `  debconf-set-selections <<<'${UPDATER} ${UPDATER}/enable_auto_updates boolean false'
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
${packages.includes(UPDATER) ? DISABLE_UPDATER : ""}  apt_get install --yes --no-install-recommends "\${missing[@]}"
fi
`;

const REBOOT = `
if [[ -e /run/reboot-required ]]; then
  say 'the updates require a reboot: rebooting now; afterwards run this script again, and then the join command'
  systemctl reboot
  # Not ready yet: a caller must not continue with the join command.
  exit 75
fi
`;

/** Builds the step that installs security updates before the first join. Nodes that have joined are updated by other means. */
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
${buildWriteCommand("/etc/modules-load.d/ame-clusters.conf", "0644", KERNEL_MODULES.map((each) => `${each}\n`).join(""))}

# Some kernels of Ubuntu, such as those for Raspberry Pi, have these modules in a separate package.
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
  fail "the kernel module $1 cannot be loaded: install a kernel that has it, or reboot if the running kernel was replaced"
}
${KERNEL_MODULES.map((each) => `load_module ${each}`).join("\n")}

${HOST_SETTINGS}

# A kubelet does not start on a machine with swap.
swapoff --all
if [[ -f /etc/fstab ]]; then
  sed --in-place --regexp-extended 's/^([^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]])/# \\1/' /etc/fstab
fi
systemctl mask swap.target
`;

const startContainerRuntime = (software: NodeSoftware): string => `
changed=no
${installContainerRuntime(software)}
systemctl daemon-reload
systemctl enable containerd.service
if [[ $changed == yes ]]; then systemctl restart containerd.service; else systemctl start containerd.service; fi

${CONTAINER_TOOLS}
`;

function startKubelet(input: JoinInput, labels: readonly string[]): string {
  const extra = labels.length === 0 ? "" : `--node-labels=${labels.join(",")}`;
  return `
changed=no
${buildInstallCommand("kubeadm")}
${installKubelet(input)}
${buildWriteCommand("/etc/default/kubelet", "0644", `KUBELET_EXTRA_ARGS=${extra}\n`)}
install -d -m 0755 /etc/kubernetes/manifests
systemctl daemon-reload
systemctl enable kubelet.service
# Before the join, the kubelet has no configuration to run with; kubeadm starts it.
if [[ $changed == yes && -e /etc/kubernetes/kubelet.conf ]]; then systemctl restart kubelet.service; fi
`;
}

/** Builds the check that a joined node has the right version. Its upgrade has another order, after the control plane. */
const checkVersion = ({ kubernetes }: NodeSoftware): string => `
if [[ -e /etc/kubernetes/kubelet.conf && -x /usr/local/bin/kubelet ]]; then
  present=$(/usr/local/bin/kubelet --version)
  [[ $present == ${quote(`Kubernetes v${kubernetes}`)} ]] ||
    fail "this node has joined and runs $present: run the upgrade script to upgrade it to v${kubernetes}"
fi
`;

const refusedLabelsNote = (refused: readonly string[]): string =>
  refused.length === 0
    ? ""
    : `say ${quote(`a kubelet cannot set these labels itself; set them with kubectl label node: ${refused.join(" ")}`)}\n`;

/**
 * Builds the script that installs and configures the software of a node. It does not join. It can be run again.
 *
 * @throws Error as `splitNodeLabels` and `buildKubeletConfiguration`
 */
export function buildInstallScript(input: JoinInput, software: NodeSoftware): string {
  const { pool, version } = input;
  const updates = pool?.securityUpdatesOnJoin ?? "OFF";
  const labels = pool === undefined ? { registered: [], refused: [] } : splitNodeLabels(pool);
  const packages = updates === "OFF" ? PACKAGES : [...PACKAGES, UPDATER];
  return [
    buildHeader([
      `Prepares a machine to join a cluster of version ${version}${poolSuffix(pool)} as a node.`,
      "Run it as root, then run the join command. It can be run again: then it changes only what differs.",
    ]),
    CHECK_SYSTEM,
    FUNCTIONS,
    PACKAGE_FUNCTIONS,
    CHECK_FUNCTIONS,
    buildDownloadVariables(software),
    checkVersion(software),
    UPDATE_SETTINGS,
    installPackages(packages),
    updateFirst(updates),
    PREPARE_KERNEL,
    startContainerRuntime(software),
    startKubelet(input, labels.registered),
    refusedLabelsNote(labels.refused),
    `say ${quote(`this machine is ready to join: Kubernetes v${software.kubernetes}`)}\n`,
  ]
    .map((part) => `${part.trim()}\n`)
    .filter((part) => part !== "\n")
    .join("\n");
}
