/** Files of a node that do not depend on its cluster or pool. */

import { toYaml } from "../shared/yaml.ts";
import { CONTAINER_RUNTIME_ENDPOINT, SHUTDOWN_GRACE_SECONDS } from "./kubelet.ts";

/** Kernel modules that containers and their network need. */
export const KERNEL_MODULES = ["overlay", "br_netfilter"] as const;

/** Kernel settings: traffic between pods passes the host's firewall rules, and the host forwards it. */
export const SYSCTLS = `net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
net.ipv4.ip_forward = 1
`;

/** Builds containerd's configuration. @param pauseImage image whose container owns the namespaces of a pod */
export const buildContainerdConfiguration = (pauseImage: string): string => `version = 3

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '${pauseImage}'

[plugins.'io.containerd.cri.v1.images'.registry]
config_path = '/etc/containerd/certs.d'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = true
`;

/** systemd unit of containerd. */
export const CONTAINERD_UNIT = `[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target

[Service]
Type=notify
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/containerd
Restart=always
RestartSec=5
Delegate=yes
KillMode=process
OOMScoreAdjust=-999
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`;

/** Configuration of crictl: the socket of containerd. */
export const CRICTL_CONFIGURATION = toYaml({
  "runtime-endpoint": CONTAINER_RUNTIME_ENDPOINT,
  "image-endpoint": CONTAINER_RUNTIME_ENDPOINT,
});

/** systemd unit of the kubelet. */
export const KUBELET_UNIT = `[Unit]
Description=kubelet: the Kubernetes node agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target containerd.service
After=network-online.target containerd.service
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/local/bin/kubelet
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
`;

/** systemd drop-in of kubeadm: https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/kubelet-integration */
export const KUBEADM_DROP_IN = `[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml --config-dir=/etc/kubernetes/kubelet.conf.d"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`;

/**
 * Allows the kubelet to delay a shutdown. logind reads the files of /etc, /run and /usr/lib together, ordered by name, and the last
 * value wins: `unattended-upgrades-logind-maxdelay.conf` of Debian and Ubuntu allows 30 seconds and is read after the kubelet's own
 * `99-kubelet.conf`.
 */
export const LOGIND_CONFIGURATION = `[Login]
InhibitDelayMaxSec=${SHUTDOWN_GRACE_SECONDS}
`;

/** Prevents systemd-networkd from removing routes and rules of the cluster's network when it restarts. */
export const NETWORKD_CONFIGURATION = `[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
`;

/** Prevents needrestart from restarting these services, above all the one that runs the install script. */
export const NEEDRESTART_CONFIGURATION = `$nrconf{override_rc}{qr(^(ame-clusters-join|containerd|kubelet)\\.service$)} = 0;
1;
`;

/** Disables automatic reboots: a reboot must drain the node first, one node at a time. */
export const NO_UNATTENDED_REBOOT = `Unattended-Upgrade::Automatic-Reboot "false";
`;
