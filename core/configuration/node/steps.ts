/** What is installed and configured in the same way on a new machine and on a node. */

import {
  CONTAINERD_UNIT,
  CRICTL_CONFIGURATION,
  containerdConfiguration,
  KUBEADM_DROP_IN,
  KUBELET_UNIT,
} from "./files.ts";
import type { JoinInput } from "./input.ts";
import { KUBELET_DROP_IN, kubeletConfiguration } from "./kubelet.ts";
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
