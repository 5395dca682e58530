/** Script steps that a new machine and an upgraded node share. */

import {
  buildContainerdConfiguration,
  CONTAINERD_UNIT,
  CRICTL_CONFIGURATION,
  KUBEADM_DROP_IN,
  KUBELET_UNIT,
  LOGIND_CONFIGURATION,
  NEEDRESTART_CONFIGURATION,
  NETWORKD_CONFIGURATION,
  NO_UNATTENDED_REBOOT,
  SYSCTLS,
} from "./files.ts";
import type { JoinInput } from "./input.ts";
import { buildKubeletConfiguration, KUBELET_DROP_IN, SHUTDOWN_GRACE_SECONDS } from "./kubelet.ts";
import { buildInstallCommand, buildWriteCommand } from "./script.ts";
import type { NodeSoftware } from "./software.ts";

/** Builds the commands that install the container runtime. It needs a restart if `changed` is yes afterwards. */
export const installContainerRuntime = ({ pauseImage }: NodeSoftware): string =>
  [
    buildInstallCommand("runc"),
    buildInstallCommand("containerd"),
    buildWriteCommand("/etc/containerd/config.toml", "0644", buildContainerdConfiguration(pauseImage)),
    buildWriteCommand("/etc/systemd/system/containerd.service", "0644", CONTAINERD_UNIT),
  ].join("\n");

/** Commands that install the tools of the container runtime, which are not services. */
export const CONTAINER_TOOLS = [
  buildInstallCommand("cni-plugins"),
  buildInstallCommand("crictl"),
  buildWriteCommand("/etc/crictl.yaml", "0644", CRICTL_CONFIGURATION),
].join("\n");

/** Builds the commands that install the kubelet. It needs a restart afterwards. @throws Error as `buildKubeletConfiguration` */
export const installKubelet = (input: JoinInput): string =>
  [
    buildInstallCommand("kubelet"),
    buildWriteCommand("/etc/systemd/system/kubelet.service", "0644", KUBELET_UNIT),
    buildWriteCommand("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf", "0644", KUBEADM_DROP_IN),
    buildWriteCommand(KUBELET_DROP_IN, "0644", buildKubeletConfiguration(input)),
  ].join("\n");

const SYSCTL_FILE = "/etc/sysctl.d/zz-ame-clusters.conf";
const sysctls = SYSCTLS.trim()
  .split("\n")
  .map((line) => line.split(" = "));

/**
 * Configures the kernel and logind for a kubelet, and checks the effective values. The file names start with `zz`, because files of
 * each kind are read in the order of names and the last value wins. sysctl.d has `99-sysctl.conf`, a link to /etc/sysctl.conf, and
 * files of the clouds.
 */
export const HOST_SETTINGS = `
${buildWriteCommand(SYSCTL_FILE, "0644", SYSCTLS)}
sysctl --quiet --load ${SYSCTL_FILE}
${sysctls.map(([name, value]) => `check_value 'the sysctl ${name}' ${value} "$(sysctl -n ${name})"`).join("\n")}

${buildWriteCommand("/etc/systemd/logind.conf.d/zz-ame-clusters.conf", "0644", LOGIND_CONFIGURATION)}
check_seconds "logind's InhibitDelayMaxSec" ${SHUTDOWN_GRACE_SECONDS} "$(last_value systemd/logind.conf InhibitDelayMaxSec)"
# logind reads its configuration again on this signal.
if systemctl is-active --quiet systemd-logind.service; then systemctl kill --signal=SIGHUP systemd-logind.service; fi

changed=no
${buildWriteCommand("/etc/systemd/networkd.conf.d/zz-ame-clusters.conf", "0644", NETWORKD_CONFIGURATION)}
check_value "systemd-networkd's ManageForeignRoutes" no "$(last_value systemd/networkd.conf ManageForeignRoutes)"
check_value "systemd-networkd's ManageForeignRoutingPolicyRules" no \\
  "$(last_value systemd/networkd.conf ManageForeignRoutingPolicyRules)"
# systemd-networkd reads its configuration only when it starts. A node that has joined keeps its routes until then.
if [[ $changed == yes && ! -e /etc/kubernetes/kubelet.conf ]]; then systemctl try-restart systemd-networkd.service; fi
`.trim();

/** Configures later package updates: no reboot, and no restart of the services of a node. */
export const UPDATE_SETTINGS = `
${buildWriteCommand("/etc/needrestart/conf.d/zz-ame-clusters.conf", "0644", NEEDRESTART_CONFIGURATION)}
${buildWriteCommand("/etc/apt/apt.conf.d/zz-ame-clusters", "0644", NO_UNATTENDED_REBOOT)}
eval "$(apt-config shell automatic_reboot Unattended-Upgrade::Automatic-Reboot/b)"
check_value "apt's Unattended-Upgrade::Automatic-Reboot" false "\${automatic_reboot-}"
`.trim();
