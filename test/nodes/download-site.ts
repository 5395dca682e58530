/** File server that replaces the sites that nodes download from, with small test programs. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Architecture, architectures, type Component, components } from "#core/catalogue/index.ts";
import {
  type Download,
  downloadPath,
  findNodeSoftware,
  type NodeSoftware,
  sites,
} from "#core/node-bootstrap/software.ts";

/** File in which the programs record their calls. */
export const CALLS = "/var/log/calls";

const noting = `printf '%s\\n' "$(basename "$0") $*" >>${CALLS}`;

const KUBEADM = `#!/bin/bash
set -eu
${noting}
case $1 in
  join)
    mkdir -p /etc/kubernetes/pki
    if [[ -e /etc/kubernetes/pki/ca.crt ]]; then echo 'ca.crt already exists' >&2; exit 1; fi
    touch /etc/kubernetes/pki/ca.crt
    if [[ -e /fail-once ]]; then rm /fail-once; exit 1; fi
    touch /etc/kubernetes/kubelet.conf
    ;;
  reset) rm -rf /etc/kubernetes/pki ;;
esac
`;

const program = (name: string) => `#!/bin/bash\n# ${name}\n${noting}\n`;

/** Returns the content of a download: text for a single program, files by path for an archive. */
function contentOf({ component, version }: Download, architecture: Architecture): string | Record<string, string> {
  const mark = `${component} ${version} ${architecture}`;
  switch (component) {
    case "kubeadm":
      return `${KUBEADM}# ${mark}\n`;
    case "kubelet":
      return `#!/bin/bash\n# ${mark}\nif [[ $1 == --version ]]; then echo 'Kubernetes v${version}'; fi\n`;
    case "runc":
      return program(mark);
    case "containerd":
      return {
        "bin/containerd": program(mark),
        "bin/containerd-shim-runc-v2": program(mark),
        "bin/ctr": program(mark),
      };
    case "cni-plugins":
      return { "./bridge": program(mark), "./loopback": program(mark), "./LICENSE": "a licence\n" };
    case "crictl":
      return { crictl: program(mark) };
  }
}

function packed(content: string | Record<string, string>): Buffer {
  if (typeof content === "string") return Buffer.from(content);
  const folder = mkdtempSync(join(tmpdir(), "download-"));
  for (const [name, text] of Object.entries(content)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    chmodSync(path, name.endsWith("LICENSE") ? 0o644 : 0o755);
  }
  const archive = join(folder, "archive.tgz");
  execFileSync("tar", ["-czf", archive, "-C", folder, ...Object.keys(content)]);
  const bytes = readFileSync(archive);
  rmSync(folder, { recursive: true });
  return bytes;
}

/** Running file server. */
export interface DownloadSite {
  /** Downloads of a version, with the checksums of the files here. */
  software(version: string): NodeSoftware;
  /** Environment in which a script downloads from here. */
  readonly environment: Readonly<Record<string, string>>;
  /** Returns the requests since the last reset, in order. */
  readonly requests: string[];
  /** Corrupts responses of paths that contain a text, until called without one. */
  spoil(part?: string, how?: "changed" | "cut"): void;
  close(): Promise<void>;
}

/** Starts a file server on a free loopback port. */
export async function startDownloadSite(): Promise<DownloadSite> {
  const files = new Map<string, Buffer>();
  const requests: string[] = [];
  let spoiled: { part: string; how: "changed" | "cut" } | undefined;
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    requests.push(path);
    const bytes = files.get(path);
    if (bytes === undefined) {
      response.writeHead(404).end();
    } else if (spoiled !== undefined && path.includes(spoiled.part)) {
      response.writeHead(200, { "content-length": bytes.length });
      if (spoiled.how === "changed") response.end(Buffer.concat([bytes.subarray(1), Buffer.from("x")]));
      else response.write(bytes.subarray(0, 10), () => response.destroy());
    } else {
      response.writeHead(200, { "content-length": bytes.length }).end(bytes);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const folderOf = (component: Component) => `/${sites[component].variable.toLowerCase()}`;

  return {
    software(version) {
      const real = findNodeSoftware(version);
      if (real === undefined) throw new Error(`${version} is not known`);
      const put = (download: Download): Download => {
        const sums = architectures.map((architecture) => {
          const path = `${folderOf(download.component)}/${downloadPath(download, architecture)}`;
          const bytes = files.get(path) ?? packed(contentOf(download, architecture));
          files.set(path, bytes);
          return [architecture, createHash("sha256").update(bytes).digest("hex")];
        });
        return { ...download, checksums: Object.fromEntries(sums) };
      };
      const downloads = Object.fromEntries(components.map((component) => [component, put(real.downloads[component])]));
      return { ...real, downloads: downloads as NodeSoftware["downloads"] };
    },
    environment: Object.fromEntries(
      components.map((component) => [sites[component].variable, `http://127.0.0.1:${port}${folderOf(component)}`]),
    ),
    requests,
    spoil: (part, how = "changed") => {
      spoiled = part === undefined ? undefined : { part, how };
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
