/** The documents with which a machine becomes a node. Pure: everything they say is in the input and in the catalogue of software. */

import { createHash, X509Certificate } from "node:crypto";
import { cloudInit } from "./cloud-init.ts";
import type { JoinInput } from "./input.ts";
import { installScript } from "./install-script.ts";
import { kubeletConfiguration } from "./kubelet.ts";
import { quote } from "./shell.ts";
import { nodeSoftware } from "./software.ts";
import { upgradeScript } from "./upgrade-script.ts";

const TOKEN = /^[a-z0-9]{6}\.[a-z0-9]{16}$/;
const ENDPOINT = /^https:\/\/([^\s/?#@]+?)(:\d+)?\/?$/;

/**
 * Tells the hash by which kubeadm recognises an authority.
 *
 * @param certificate PEM
 * @returns `sha256:` and the SHA-256 of its public key (DER, SubjectPublicKeyInfo) in hexadecimal
 * @throws Error for what is no certificate
 */
export function publicKeyHash(certificate: string): string {
  const spki = new X509Certificate(certificate).publicKey.export({ format: "der", type: "spki" });
  return `sha256:${createHash("sha256").update(spki).digest("hex")}`;
}

/** Makes the command with which a prepared machine joins, one line of shell. @throws Error for a malformed input */
export function joinCommand({ endpoint, certificate, token }: JoinInput): string {
  const [, host, port = ":443"] = ENDPOINT.exec(endpoint) ?? [];
  if (host === undefined) throw new Error(`The API server's endpoint is not https://host:port: ${endpoint}`);
  // The token is a secret, so it is not repeated.
  if (!TOKEN.test(token)) throw new Error("The bootstrap token has not the format of one.");
  return [
    "kubeadm join",
    quote(`${host}${port}`),
    `--token ${token}`,
    `--discovery-token-ca-cert-hash ${publicKeyHash(certificate)}`,
  ].join(" ");
}

/** Documents with which a machine becomes a node. */
export interface JoinDocuments {
  cloudInitUserDataBase64: string;
  installScriptBase64: string;
  /** One line of shell that holds the bootstrap token. */
  joinCommand: string;
  kubeletConfigBase64: string;
  upgradeScriptBase64: string;
  versions: { containerd: string; crictl: string; kubernetes: string };
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/**
 * Makes everything a machine needs to become a node of a cluster, of one of its pools where the input names one.
 *
 * The install script makes the machine ready, the join command joins it; cloud-init does both. The upgrade script brings a node to
 * the version of the input. The KubeletConfiguration is what both scripts put on the node. Kubernetes' version and the others come
 * without a `v`. There is a secret in it, the token: in the join command and in the user data.
 *
 * @param software what nodes of the version run; the catalogue's, unless a test says otherwise
 * @throws Error for an input that cannot be one: an unknown version, a malformed endpoint, token, certificate or subnet, labels that
 *   Kubernetes does not know as such. Stored clusters and pools have none of these.
 */
export function joinDocuments(input: JoinInput, software = nodeSoftware(input.version)): JoinDocuments {
  if (software === undefined) throw new Error(`The software of nodes of version ${input.version} is not known.`);
  const command = joinCommand(input);
  const install = installScript(input, software);
  return {
    cloudInitUserDataBase64: base64(cloudInit(install, command)),
    installScriptBase64: base64(install),
    joinCommand: command,
    kubeletConfigBase64: base64(kubeletConfiguration(input)),
    upgradeScriptBase64: base64(upgradeScript(input, software)),
    versions: {
      containerd: software.downloads.containerd.version,
      crictl: software.downloads.crictl.version,
      kubernetes: software.kubernetes,
    },
  };
}
