#!/usr/bin/env bash
# Upgrades a node to the cluster's version v1.33.4-u-ame.2.
# Run it as root after the control plane was upgraded to that version. It can be run again.
#
# One node after the other:
# 1. kubectl drain <node> --ignore-daemonsets --delete-emptydir-data
# 2. run this script on the node
# 3. kubectl uncordon <node>
set -euo pipefail
umask 022
# Debian's su keeps the user's PATH, which lacks sbin.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Messages of programs are compared below.
export LC_ALL=C.UTF-8

say() { printf '%s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

[[ $(id -u) == 0 ]] || fail 'this script must run as root: start it with sudo'

system=unknown
if [[ -r /etc/os-release ]]; then
  # shellcheck source=/dev/null
  system=$(. /etc/os-release && printf '%s %s' "${ID:-unknown}" "${VERSION_ID:-}")
fi
case $system in
  'ubuntu 22.04' | 'ubuntu 24.04' | 'debian 12') ;;
  *) fail "this system is '$system'; supported are Ubuntu 22.04, Ubuntu 24.04 and Debian 12" ;;
esac

case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *) fail "this machine is $(uname -m); supported are amd64 (x86_64) and arm64 (aarch64)" ;;
esac

command -v systemctl >/dev/null || fail 'systemctl is missing; nodes require systemd'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
changed=no

# put FROM TO MODE: replaces the file in one step, because other programs may read it or run it.
put() {
  install -d -m 0755 "$(dirname "$2")"
  install -m "$3" "$1" "$2.new"
  mv -f "$2.new" "$2"
  changed=yes
}

# write PATH MODE CONTENT
write() {
  printf '%s' "$3" >"$work/content"
  if [[ -f $1 && $(stat -c %a "$1") == "${2#0}" ]] && cmp -s "$work/content" "$1"; then return; fi
  put "$work/content" "$1" "$2"
}

# download URL SHA256 FILE
download() {
  say "downloading $1"
  curl --fail --silent --show-error --location --retry 5 --retry-connrefused --connect-timeout 20 \
    --output "$3" "$1" || fail "$1 cannot be downloaded"
  printf '%s  %s\n' "$2" "$3" | sha256sum --check --status ||
    fail "$1 is not the published file: its SHA-256 is $(sha256sum "$3" | cut -d ' ' -f 1), not $2; nothing of it is installed"
}

# is_installed NAME SHA256 FILE
is_installed() { [[ -e $3 && -f /var/lib/ame-clusters/$1 && $(<"/var/lib/ame-clusters/$1") == "$2" ]]; }

# install_program NAME URL SHA256
install_program() {
  if is_installed "$1" "$3" "/usr/local/bin/$1"; then return; fi
  download "$2" "$3" "$work/$1"
  put "$work/$1" "/usr/local/bin/$1" 0755
  write "/var/lib/ame-clusters/$1" 0644 "$3"
}

# install_archive NAME URL SHA256 DIRECTORY FOLDER FIRST: installs the programs of the archive's folder; FIRST is one of them.
install_archive() {
  if is_installed "$1" "$3" "$4/$6"; then return; fi
  download "$2" "$3" "$work/$1"
  mkdir "$work/$1.content"
  tar --extract --file "$work/$1" --directory "$work/$1.content" --no-same-owner
  [[ -f $work/$1.content/$5/$6 ]] || fail "$2 does not contain $6"
  local file
  for file in "$work/$1.content/$5"/*; do
    if [[ -f $file && -x $file ]]; then put "$file" "$4/$(basename "$file")" 0755; fi
  done
  write "/var/lib/ame-clusters/$1" 0644 "$3"
}

# check_value NAME EXPECTED VALUE: fails if another file sets another value.
check_value() {
  [[ $3 == "$2" ]] || fail "$1 is '$3', but must be '$2': another file of this system sets it; remove that setting and run this script again"
}

# check_seconds NAME MINIMUM VALUE: checks a time span in systemd's format, such as 90 or 2min, which may be longer.
check_seconds() {
  local microseconds
  microseconds=$(systemd-analyze timespan "$3" 2>/dev/null | sed -n 's/^ *[^ :]*s: //p' | head -n 1)
  [[ $3 == infinity ]] || ((${microseconds:-0} >= $2 * 1000000)) || check_value "$1" "$2 or longer" "$3"
}

# last_value CONFIGURATION KEY: the effective value of a setting that systemd reads from several files.
last_value() { systemd-analyze cat-config "$1" | sed -n "s/^[[:space:]]*$2[[:space:]]*=[[:space:]]*//p" | tail -n 1; }

# Download sites; the environment can set a mirror for each.
: "${CONTAINERD_URL:=https://github.com/containerd/containerd/releases/download}"
: "${RUNC_URL:=https://github.com/opencontainers/runc/releases/download}"
: "${CNI_PLUGINS_URL:=https://github.com/containernetworking/plugins/releases/download}"
: "${CRICTL_URL:=https://github.com/kubernetes-sigs/cri-tools/releases/download}"
: "${KUBERNETES_URL:=https://dl.k8s.io/release}"
containerd_url="$CONTAINERD_URL/v2.1.6/containerd-2.1.6-linux-$architecture.tar.gz"
runc_url="$RUNC_URL/v1.3.3/runc.$architecture"
cni_plugins_url="$CNI_PLUGINS_URL/v1.8.0/cni-plugins-linux-$architecture-v1.8.0.tgz"
crictl_url="$CRICTL_URL/v1.33.0/crictl-v1.33.0-linux-$architecture.tar.gz"
kubeadm_url="$KUBERNETES_URL/v1.33.4/bin/linux/$architecture/kubeadm"
kubelet_url="$KUBERNETES_URL/v1.33.4/bin/linux/$architecture/kubelet"
case $architecture in
  amd64)
    containerd_sha256=4793dc5c1f34ebf8402990d0050f3c294aa3c794cd5a4baa403c1cf10602326d
    runc_sha256=8781ab9f71c12f314d21c8e85f13ca1a82d90cf475aa5131a7b543fcc5487543
    cni_plugins_sha256=ab3bda535f9d90766cccc90d3dddb5482003dd744d7f22bcf98186bf8eea8be6
    crictl_sha256=8307399e714626e69d1213a4cd18c8dec3d0201ecdac009b1802115df8973f0f
    kubeadm_sha256=a109ebcb68e52d3dd605d92f92460c884dcc8b68aebe442404af19b6d9d778ec
    kubelet_sha256=109bd2607b054a477ede31c55ae814eae8e75543126dc4cea40b04424d843489
    ;;
  arm64)
    containerd_sha256=88d6e32348c36628c8500a630c6dd4b3cb8c680b1d18dc8d1d19041f67757c6e
    runc_sha256=3c9a8e9e6dafd00db61f4611692447ebab4a56388bae4f82192aed67b66df712
    cni_plugins_sha256=57ce466fc3b79db1f19b8f4c63e07a1112306efa53c94fe810a2150dd9e07ddb
    crictl_sha256=e1f34918d77d5b4be85d48f5d713ca617698a371b049ea1486000a5e86ab1ff3
    kubeadm_sha256=ef471b454d68ee211e279ddeaebde6ee7a8e14b66ae58e0d0184e967c3595892
    kubelet_sha256=623329b1a5f4858e3a5406d3947807b75144f4e71dde11ef1a71362c3a8619cc
    ;;
esac

[[ -e /etc/kubernetes/kubelet.conf && -x /usr/local/bin/kubelet ]] ||
  fail 'this machine has not joined a cluster: run the install script and the join command'
present=$(/usr/local/bin/kubelet --version)
[[ $present =~ ^Kubernetes\ v1\.([0-9]+)\.[0-9]+ ]] || fail "this node runs '$present', an unknown version"
minor=${BASH_REMATCH[1]}
((minor <= 33)) || fail "this node runs $present: a downgrade to an older minor version is not supported"
((minor >= 32)) || fail "this node runs $present: upgrade it one minor version at a time"
say "upgrading from $present to Kubernetes v1.33.4"

# First kubeadm and the node's configuration from the control plane, which already has the new version.
install_program kubeadm "$kubeadm_url" "$kubeadm_sha256"
/usr/local/bin/kubeadm upgrade node

# The container runtime; pods keep running while it restarts.
changed=no
install_program runc "$runc_url" "$runc_sha256"
install_archive containerd "$containerd_url" "$containerd_sha256" /usr/local/bin bin containerd
write /etc/containerd/config.toml 0644 'version = 3

[plugins.'\''io.containerd.cri.v1.images'\''.pinned_images]
sandbox = '\''registry.k8s.io/pause:3.10'\''

[plugins.'\''io.containerd.cri.v1.images'\''.registry]
config_path = '\''/etc/containerd/certs.d'\''

[plugins.'\''io.containerd.cri.v1.runtime'\''.containerd.runtimes.runc]
runtime_type = '\''io.containerd.runc.v2'\''

[plugins.'\''io.containerd.cri.v1.runtime'\''.containerd.runtimes.runc.options]
SystemdCgroup = true
'
write /etc/systemd/system/containerd.service 0644 '[Unit]
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
'
if [[ $changed == yes ]]; then
  systemctl daemon-reload
  systemctl restart containerd.service
fi

install_archive cni-plugins "$cni_plugins_url" "$cni_plugins_sha256" /opt/cni/bin . bridge
install_archive crictl "$crictl_url" "$crictl_sha256" /usr/local/bin . crictl
write /etc/crictl.yaml 0644 'runtime-endpoint: "unix:///run/containerd/containerd.sock"
image-endpoint: "unix:///run/containerd/containerd.sock"
'

write /etc/sysctl.d/zz-ame-clusters.conf 0644 'net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
net.ipv4.ip_forward = 1
'
sysctl --quiet --load /etc/sysctl.d/zz-ame-clusters.conf
check_value 'the sysctl net.bridge.bridge-nf-call-iptables' 1 "$(sysctl -n net.bridge.bridge-nf-call-iptables)"
check_value 'the sysctl net.bridge.bridge-nf-call-ip6tables' 1 "$(sysctl -n net.bridge.bridge-nf-call-ip6tables)"
check_value 'the sysctl net.ipv4.ip_forward' 1 "$(sysctl -n net.ipv4.ip_forward)"

write /etc/systemd/logind.conf.d/zz-ame-clusters.conf 0644 '[Login]
InhibitDelayMaxSec=60
'
check_seconds "logind's InhibitDelayMaxSec" 60 "$(last_value systemd/logind.conf InhibitDelayMaxSec)"
# logind reads its configuration again on this signal.
if systemctl is-active --quiet systemd-logind.service; then systemctl kill --signal=SIGHUP systemd-logind.service; fi

changed=no
write /etc/systemd/networkd.conf.d/zz-ame-clusters.conf 0644 '[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
'
check_value "systemd-networkd's ManageForeignRoutes" no "$(last_value systemd/networkd.conf ManageForeignRoutes)"
check_value "systemd-networkd's ManageForeignRoutingPolicyRules" no \
  "$(last_value systemd/networkd.conf ManageForeignRoutingPolicyRules)"
# systemd-networkd reads its configuration only when it starts. A node that has joined keeps its routes until then.
if [[ $changed == yes && ! -e /etc/kubernetes/kubelet.conf ]]; then systemctl try-restart systemd-networkd.service; fi

# shellcheck disable=SC2016
write /etc/needrestart/conf.d/zz-ame-clusters.conf 0644 '$nrconf{override_rc}{qr(^(ame-clusters-join|containerd|kubelet)\.service$)} = 0;
1;
'
write /etc/apt/apt.conf.d/zz-ame-clusters 0644 'Unattended-Upgrade::Automatic-Reboot "false";
'
eval "$(apt-config shell automatic_reboot Unattended-Upgrade::Automatic-Reboot/b)"
check_value "apt's Unattended-Upgrade::Automatic-Reboot" false "${automatic_reboot-}"

# The kubelet last.
install_program kubelet "$kubelet_url" "$kubelet_sha256"
write /etc/systemd/system/kubelet.service 0644 '[Unit]
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
'
# shellcheck disable=SC2016
write /etc/systemd/system/kubelet.service.d/10-kubeadm.conf 0644 '[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml --config-dir=/etc/kubernetes/kubelet.conf.d"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
'
write /etc/kubernetes/kubelet.conf.d/50-ame-clusters.conf 0644 'apiVersion: "kubelet.config.k8s.io/v1beta1"
kind: "KubeletConfiguration"
authentication:
  anonymous:
    enabled: false
  webhook:
    enabled: true
  "x509":
    clientCAFile: "/etc/kubernetes/pki/ca.crt"
authorization:
  mode: "Webhook"
cgroupDriver: "systemd"
clusterDNS:
  - "10.96.0.10"
clusterDomain: "cluster.local"
containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock"
rotateCertificates: true
shutdownGracePeriod: "60s"
shutdownGracePeriodCriticalPods: "20s"
'
systemctl daemon-reload
systemctl restart kubelet.service

say 'this node runs Kubernetes v1.33.4'
