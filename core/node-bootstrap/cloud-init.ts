/** Builds cloud-init user data: the machine installs its software and joins at its first boot. */

import { gzipSync } from "node:zlib";
import { toYaml } from "../shared/yaml.ts";

const INSTALL = "/usr/local/sbin/ame-clusters-install";
const JOIN = "/usr/local/sbin/ame-clusters-join";
const UNIT = "ame-clusters-join.service";

// A systemd unit instead of a cloud-init command: it continues after a reboot and retries while the API server is not reachable.
const JOIN_UNIT = `[Unit]
Description=Installs a Kubernetes node and joins its cluster
Wants=network-online.target
After=network-online.target
ConditionPathExists=!/etc/kubernetes/kubelet.conf
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=${INSTALL}
ExecStart=${JOIN}
ExecStartPost=/bin/rm -f ${JOIN}
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
`;

const joinScript = (joinCommand: string): string => `#!/usr/bin/env bash
set -euo pipefail
# kubeadm does not join over the files of an incomplete join.
if [[ -e /etc/kubernetes/pki/ca.crt ]]; then kubeadm reset --force; fi
exec ${joinCommand}
`;

// Some clouds limit user data to 16 KiB, so long files are compressed.
const compress = (content: string) => ({
  encoding: "gz+b64",
  content: gzipSync(content, { level: 9 }).toString("base64"),
});

/** Builds the user data, a `#cloud-config`. @param install the install script @param joinCommand one line of shell */
export function buildCloudInit(install: string, joinCommand: string): string {
  const owner = "root:root";
  const configuration = {
    write_files: [
      { path: INSTALL, owner, permissions: "0755", ...compress(install) },
      // It contains the token.
      { path: JOIN, owner, permissions: "0700", content: joinScript(joinCommand) },
      { path: `/etc/systemd/system/${UNIT}`, owner, permissions: "0644", content: JOIN_UNIT },
    ],
    runcmd: [
      ["systemctl", "daemon-reload"],
      ["systemctl", "enable", "--now", "--no-block", UNIT],
    ],
  };
  return `#cloud-config\n${toYaml(configuration)}`;
}
