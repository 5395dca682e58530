/** The script that makes a machine ready to join. */

import { KERNEL_MODULES, NO_UNATTENDED_REBOOT, SYSCTLS } from "./files.ts";
import type { JoinedPool, JoinInput } from "./input.ts";
import { nodeLabels } from "./kubelet.ts";
import { CHECK_SYSTEM, downloads, FUNCTIONS, head, installCommand, ofPool, writeCommand } from "./script.ts";
import { quote } from "./shell.ts";
import type { NodeSoftware } from "./software.ts";
import { CONTAINER_TOOLS, containerRuntime, kubelet } from "./steps.ts";

/** What kubeadm, kubelet and the script itself need of the system. */
const PACKAGES = ["ca-certificates", "conntrack", "curl", "ethtool", "iproute2", "iptables", "kmod", "procps", "socat"];

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
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
${packages.includes(UPDATER) ? KEEP_UPDATER_STILL : ""}  apt-get install --yes --no-install-recommends "\${missing[@]}"
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
  apt-get update
  unattended-upgrade
${updates === "INSTALL_AND_REBOOT" ? REBOOT.trim().replaceAll(/^/gm, "  ") : ""}
fi
`.replace("\n\nfi", "\nfi");

const PREPARE_KERNEL = `
${writeCommand("/etc/modules-load.d/ame-clusters.conf", "0644", KERNEL_MODULES.map((each) => `${each}\n`).join(""))}
${KERNEL_MODULES.map((each) => `modprobe ${each}`).join("\n")}
${writeCommand("/etc/sysctl.d/90-ame-clusters.conf", "0644", SYSCTLS)}
sysctl --quiet --load /etc/sysctl.d/90-ame-clusters.conf

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
    downloads(software),
    refuseOtherVersion(software),
    installPackages(packages),
    writeCommand("/etc/apt/apt.conf.d/90ame-clusters", "0644", NO_UNATTENDED_REBOOT),
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
