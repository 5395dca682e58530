/** Builds the documents with which a machine becomes a node. Pure: all content comes from the input and the software catalogue. */

import { createHash, X509Certificate } from "node:crypto";
import { buildCloudInit } from "./cloud-init.ts";
import type { JoinInput } from "./input.ts";
import { buildInstallScript } from "./install-script.ts";
import { buildKubeletConfiguration } from "./kubelet.ts";
import { quote } from "./shell.ts";
import { findNodeSoftware } from "./software.ts";
import { buildUpgradeScript } from "./upgrade-script.ts";

const TOKEN = /^[a-z0-9]{6}\.[a-z0-9]{16}$/;
const ENDPOINT = /^https:\/\/([^\s/?#@]+?)(:\d+)?\/?$/;

/**
 * Returns the hash by which kubeadm recognises a certificate authority.
 *
 * @param certificate PEM
 * @returns `sha256:` and the SHA-256 of its public key (DER, SubjectPublicKeyInfo) in hexadecimal
 * @throws Error if it is not a certificate
 */
export function hashPublicKey(certificate: string): string {
  const spki = new X509Certificate(certificate).publicKey.export({ format: "der", type: "spki" });
  return `sha256:${createHash("sha256").update(spki).digest("hex")}`;
}

/** Builds the command with which a prepared machine joins, one line of shell. @throws Error for a malformed input */
function buildJoinCommand({ endpoint, certificate, token }: JoinInput): string {
  const [, host, port = ":443"] = ENDPOINT.exec(endpoint) ?? [];
  if (host === undefined) throw new Error(`Invalid API server endpoint ${endpoint}: must be https://host:port.`);
  // The token is a secret, so it is not repeated.
  if (!TOKEN.test(token))
    throw new Error("Invalid bootstrap token: must be 6 and 16 of a-z and 0-9, joined with a dot.");
  return [
    "kubeadm join",
    quote(`${host}${port}`),
    `--token ${token}`,
    `--discovery-token-ca-cert-hash ${hashPublicKey(certificate)}`,
  ].join(" ");
}

/** Documents with which a machine becomes a node. */
interface JoinDocuments {
  cloudInitUserDataBase64: string;
  installScriptBase64: string;
  /** One line of shell that contains the bootstrap token. */
  joinCommand: string;
  kubeletConfigBase64: string;
  upgradeScriptBase64: string;
  versions: { containerd: string; crictl: string; kubernetes: string };
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/**
 * Builds the documents for a machine that joins a cluster, or one of its node pools if the input names one.
 *
 * The install script prepares the machine, the join command joins it; cloud-init does both. The upgrade script upgrades a node to the
 * version of the input. Both scripts install the KubeletConfiguration. Versions are without a `v`. The join command and the user data
 * contain a secret, the token.
 *
 * @param software software of the nodes; default: that of the catalogue. Tests pass another one
 * @throws Error for invalid input: an unknown version, a malformed endpoint, token, certificate or subnet, or labels that Kubernetes
 *   does not accept. Stored clusters and pools have none of these.
 */
export function buildJoinDocuments(input: JoinInput, software = findNodeSoftware(input.version)): JoinDocuments {
  if (software === undefined) throw new Error(`The node software of version ${input.version} is unknown.`);
  const command = buildJoinCommand(input);
  const install = buildInstallScript(input, software);
  return {
    cloudInitUserDataBase64: base64(buildCloudInit(install, command)),
    installScriptBase64: base64(install),
    joinCommand: command,
    kubeletConfigBase64: base64(buildKubeletConfiguration(input)),
    upgradeScriptBase64: base64(buildUpgradeScript(input, software)),
    versions: {
      containerd: software.downloads.containerd.version,
      crictl: software.downloads.crictl.version,
      kubernetes: software.kubernetes,
    },
  };
}
