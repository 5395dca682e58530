/** kube-vip on the machines of a control plane. It moves the address of the API server between them, in place of a load balancer. */

import type { BootstrapFile, KubeadmSettings } from "../provider.ts";

/** Settings of kube-vip. */
export interface KubeVip {
  /** Address of the API server. */
  address: string;
  port: number;
  image: string;
  /** Network interface of the machines, such as `eth0`. */
  networkInterface: string;
}

const MANIFEST = "/etc/kubernetes/manifests/kube-vip.yaml";
const HOSTS = "/etc/kube-vip.hosts";
const PREPARE = "/etc/kube-vip-prepare.sh";

const variables = ({ address, port, networkInterface }: KubeVip): readonly [name: string, value: string][] => [
  ["address", address],
  ["port", `${port}`],
  ["vip_interface", networkInterface],
  // Length of the prefix of the address; releases before 0.9 call it vip_cidr.
  ["vip_subnet", "32"],
  ["vip_cidr", "32"],
  ["vip_arp", "true"],
  ["cp_enable", "true"],
  ["cp_namespace", "kube-system"],
  ["vip_leaderelection", "true"],
  ["vip_leasename", "plndr-cp-lock"],
  ["vip_leaseduration", "15"],
  ["vip_renewdeadline", "10"],
  ["vip_retryperiod", "2"],
];

/** Returns the static pod, as YAML. */
function staticPod(settings: KubeVip): string {
  const environment = variables(settings).map(
    ([name, value]) => `        - name: ${name}\n          value: ${JSON.stringify(value)}`,
  );
  return `apiVersion: v1
kind: Pod
metadata:
  name: kube-vip
  namespace: kube-system
spec:
  hostNetwork: true
  containers:
    - name: kube-vip
      image: ${JSON.stringify(settings.image)}
      imagePullPolicy: IfNotPresent
      args: [manager]
      env:
${environment.join("\n")}
      securityContext:
        capabilities:
          add: [NET_ADMIN, NET_RAW]
      volumeMounts:
        - name: kubeconfig
          mountPath: /etc/kubernetes/admin.conf
        - name: hosts
          mountPath: /etc/hosts
  volumes:
    - name: kubeconfig
      hostPath:
        path: /etc/kubernetes/admin.conf
        type: File
    - name: hosts
      hostPath:
        path: ${HOSTS}
        type: File
`;
}

/**
 * Script that runs before kubeadm. From Kubernetes 1.29 on, admin.conf has no rights until kubeadm has initialised the cluster, which waits
 * for kube-vip (kube-vip/kube-vip#684). So kube-vip uses super-admin.conf, which kubeadm writes on the first machine only. On that one,
 * cloud-init has written the configuration for `kubeadm init`.
 */
const PREPARE_SCRIPT = `#!/bin/sh
set -eu
if [ -f /run/kubeadm/kubeadm.yaml ]; then
  sed -i 's#path: /etc/kubernetes/admin.conf#path: /etc/kubernetes/super-admin.conf#' ${MANIFEST}
fi
`;

const file = (path: string, permissions: string, content: string): BootstrapFile => ({
  path,
  owner: "root:root",
  permissions,
  content,
});

/** Returns the files and commands of kube-vip for kubeadm's configuration of the control plane. */
export const kubeVip = (settings: KubeVip): Required<Pick<KubeadmSettings, "files" | "preKubeadmCommands">> => ({
  files: [
    file(MANIFEST, "0644", staticPod(settings)),
    // kube-vip reaches the API server of its own machine by the name kubernetes (kube-vip/kube-vip#692).
    file(HOSTS, "0644", "127.0.0.1 localhost kubernetes\n"),
    file(PREPARE, "0700", PREPARE_SCRIPT),
  ],
  preKubeadmCommands: [PREPARE],
});
