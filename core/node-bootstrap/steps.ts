/** What is installed and configured in the same way on a new machine and on a node. */

import {
  CONTAINERD_UNIT,
  CRICTL_CONFIGURATION,
  containerdConfiguration,
  KUBEADM_DROP_IN,
  KUBELET_UNIT,
  LOGIND_CONFIGURATION,
  NEEDRESTART_CONFIGURATION,
  NETWORKD_CONFIGURATION,
  NO_UNATTENDED_REBOOT,
  SYSCTLS,
} from "./files.ts";
import type { JoinInput } from "./input.ts";
import { KUBELET_DROP_IN, kubeletConfiguration, SHUTDOWN_GRACE_SECONDS } from "./kubelet.ts";
import { installCommand, writeCommand } from "./script.ts";
import type { NodeSoftware } from "./software.ts";

/** Installs the container runtime, which is to be restarted where `changed` is yes afterwards. */
export const containerRuntime = ({ pauseImage }: NodeSoftware): string =>
  [
    installCommand("runc"),
    installCommand("containerd"),
    writeCommand("/etc/containerd/config.toml", "0644", containerdConfiguration(pauseImage)),
    writeCommand("/etc/systemd/system/containerd.service", "0644", CONTAINERD_UNIT),
  ].join("\n");

/** Installs what works with the container runtime and is not running itself. */
export const CONTAINER_TOOLS = [
  installCommand("cni-plugins"),
  installCommand("crictl"),
  writeCommand("/etc/crictl.yaml", "0644", CRICTL_CONFIGURATION),
].join("\n");

/** Installs the kubelet, which is to be restarted afterwards. @throws Error as `kubeletConfiguration` */
export const kubelet = (input: JoinInput): string =>
  [
    installCommand("kubelet"),
    writeCommand("/etc/systemd/system/kubelet.service", "0644", KUBELET_UNIT),
    writeCommand("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf", "0644", KUBEADM_DROP_IN),
    writeCommand(KUBELET_DROP_IN, "0644", kubeletConfiguration(input)),
  ].join("\n");

const SYSCTL_FILE = "/etc/sysctl.d/zz-ame-clusters.conf";
const sysctls = SYSCTLS.trim()
  .split("\n")
  .map((line) => line.split(" = "));

/**
 * Sets what the kernel and logind have to allow a kubelet, and checks it. The names of the files begin with `zz`, because each kind is
 * read in the order of names and the last value counts. sysctl.d has `99-sysctl.conf`, a link to /etc/sysctl.conf, and clouds' own.
 */
export const HOST_SETTINGS = `
${writeCommand(SYSCTL_FILE, "0644", SYSCTLS)}
sysctl --quiet --load ${SYSCTL_FILE}
${sysctls.map(([name, value]) => `check_value 'the sysctl ${name}' ${value} "$(sysctl -n ${name})"`).join("\n")}

${writeCommand("/etc/systemd/logind.conf.d/zz-ame-clusters.conf", "0644", LOGIND_CONFIGURATION)}
check_seconds "logind's InhibitDelayMaxSec" ${SHUTDOWN_GRACE_SECONDS} "$(last_value systemd/logind.conf InhibitDelayMaxSec)"
# On this signal logind reads its configuration again.
if systemctl is-active --quiet systemd-logind.service; then systemctl kill --signal=SIGHUP systemd-logind.service; fi

changed=no
${writeCommand("/etc/systemd/networkd.conf.d/zz-ame-clusters.conf", "0644", NETWORKD_CONFIGURATION)}
check_value "systemd-networkd's ManageForeignRoutes" no "$(last_value systemd/networkd.conf ManageForeignRoutes)"
check_value "systemd-networkd's ManageForeignRoutingPolicyRules" no \\
  "$(last_value systemd/networkd.conf ManageForeignRoutingPolicyRules)"
# systemd-networkd reads its configuration only when it starts. A node that has joined keeps its routes until then.
if [[ $changed == yes && ! -e /etc/kubernetes/kubelet.conf ]]; then systemctl try-restart systemd-networkd.service; fi
`.trim();

/** Settles how packages are updated from now on: without a reboot, and without a restart of the services of a node. */
export const UPDATE_SETTINGS = `
${writeCommand("/etc/needrestart/conf.d/zz-ame-clusters.conf", "0644", NEEDRESTART_CONFIGURATION)}
${writeCommand("/etc/apt/apt.conf.d/zz-ame-clusters", "0644", NO_UNATTENDED_REBOOT)}
eval "$(apt-config shell automatic_reboot Unattended-Upgrade::Automatic-Reboot/b)"
check_value "apt's Unattended-Upgrade::Automatic-Reboot" false "\${automatic_reboot-}"
`.trim();
