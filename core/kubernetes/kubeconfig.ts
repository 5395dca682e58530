/** Parses a kubeconfig. Properties that need a terminal or weaken TLS are refused by name, and so are unknown ones. */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { AppError } from "../shared/errors.ts";
import { Cluster, type Exec, File, NOT_EMBEDDED, User, validate, validateProperties } from "./kubeconfig-schema.ts";

/** Command that prints credentials (`exec` of a kubeconfig). */
export interface CredentialCommand {
  apiVersion: string;
  command: string;
  args: readonly string[];
  /** Environment variables in addition to those of this process. */
  env: Readonly<Record<string, string>>;
  /** Description of the cluster for the command; undefined unless `provideClusterInfo` is true. */
  cluster: object | undefined;
}

/** Credentials of a kubeconfig. */
export type KubeconfigCredential =
  | { type: "token"; token: string }
  | { type: "tokenFile"; path: string }
  | { type: "certificate"; certificate: string; key: string }
  | { type: "exec"; exec: CredentialCommand };

/** Access to an API server. Contains secrets: never log it. */
export interface Kubeconfig {
  /** URL without a trailing slash; it may have a path. */
  server: string;
  /** PEM certificates of the authorities that may sign the server's certificate. */
  authority: string;
  /** Name in the server's certificate, if it is not the host of the URL. */
  serverName: string | undefined;
  credential: KubeconfigCredential;
}

/** Options of `parseKubeconfig`. */
export interface KubeconfigOptions {
  /** Base of relative paths; undefined if the kubeconfig is not a file, and then relative paths are refused. */
  directory?: string;
  /**
   * True to refuse everything that runs a command or reads a file: only `token` and the properties that end with `-data` are accepted.
   * Necessary for every kubeconfig that others than the operator of this process can write, such as that of a workload cluster.
   */
  isEmbedded?: boolean;
}

/**
 * Parses the current context of a kubeconfig, and reads the certificate files that it refers to.
 *
 * @param content YAML or JSON
 * @throws AppError invalid with every problem; no message contains a value of the user's section
 */
export function parseKubeconfig(content: string, options: KubeconfigOptions = {}): Kubeconfig {
  const problems: string[] = [];
  const parsed = readKubeconfig(content, options, problems);
  const [first, ...rest] = problems;
  if (first !== undefined) throw new AppError("invalid", "kubeconfig.invalid", [first, ...rest]);
  if (parsed === undefined) throw new Error("a kubeconfig without problems is incomplete");
  return parsed;
}

function readKubeconfig(content: string, options: KubeconfigOptions, problems: string[]): Kubeconfig | undefined {
  const value = readYaml(content, problems);
  const file = problems.length > 0 ? undefined : validate(File, value, "kubeconfig", problems);
  if (file === undefined) return undefined;
  const contextName = file["current-context"];
  if (contextName === "") problems.push("current-context: is not set; set it to the name of one of the contexts");
  const context = file.contexts?.find(({ name }) => name === contextName)?.context;
  if (contextName !== "" && context === undefined)
    problems.push(`current-context: there is no context ${contextName}; set it to the name of one of the contexts`);
  if (context === undefined) return undefined;

  const place = `contexts[${contextName}]`;
  const cluster = file.clusters?.find(({ name }) => name === context.cluster);
  if (cluster === undefined) problems.push(`${place}.cluster: there is no cluster ${JSON.stringify(context.cluster)}`);
  const user = file.users?.find(({ name }) => name === context.user);
  if (user === undefined) problems.push(`${place}.user: there is no user ${JSON.stringify(context.user)}`);
  const read = {
    directory: options.directory,
    problems,
    refused: options.isEmbedded === true ? NOT_EMBEDDED : {},
  };
  const server = cluster && readCluster(cluster.cluster, `clusters[${cluster.name}]`, read);
  const credential = user && readUser(user.user ?? {}, `users[${user.name}]`, read, server);
  return server && credential && { ...server, credential };
}

interface ReadContext {
  directory: string | undefined;
  problems: string[];
  /** Properties that this kubeconfig must not have, with the reason. */
  refused: Readonly<Record<string, string>>;
}

function readCluster(
  value: Record<string, unknown>,
  place: string,
  read: ReadContext,
): Omit<Kubeconfig, "credential"> | undefined {
  const cluster = validateProperties(Cluster, value, place, read.problems, read.refused);
  if (cluster === undefined) return undefined;
  const url = URL.parse(cluster.server);
  if (url === null || url.protocol !== "https:" || url.username !== "" || url.search !== "" || url.hash !== "") {
    read.problems.push(`${place}.server: must be an https URL with only a host and a path`);
  }
  const authority = readPem(cluster, "certificate-authority", place, read);
  if (authority === undefined) return undefined;
  if (authority === "") {
    read.problems.push(
      `${place}: certificate-authority-data or certificate-authority must be set; the system's authorities are not used`,
    );
  } else if (!isCertificate(authority)) {
    read.problems.push(`${place}.certificate-authority: is not a PEM certificate`);
  }
  return { server: cluster.server.replace(/\/+$/, ""), authority, serverName: cluster["tls-server-name"] };
}

function readUser(
  value: Record<string, unknown>,
  place: string,
  read: ReadContext,
  cluster: Omit<Kubeconfig, "credential"> | undefined,
): KubeconfigCredential | undefined {
  const user = validateProperties(User, value, place, read.problems, read.refused);
  if (user === undefined) return undefined;
  const hasCertificate = Object.keys(user).some((key) => key.startsWith("client-"));
  const given = [
    ...(user.token === undefined ? [] : ["token"]),
    ...(user.tokenFile === undefined ? [] : ["tokenFile"]),
    ...(hasCertificate ? ["a client certificate"] : []),
    ...(user.exec === undefined ? [] : ["exec"]),
  ];
  if (given.length !== 1) {
    const found = given.length === 0 ? "none is set" : `${given.join(" and ")} are set`;
    read.problems.push(`${place}: must have one of token, tokenFile, a client certificate and exec; ${found}`);
    return undefined;
  }
  if (user.token !== undefined) return { type: "token", token: user.token.trim() };
  if (user.tokenFile !== undefined) {
    const path = resolvePath(user.tokenFile, `${place}.tokenFile`, read);
    return path === undefined ? undefined : { type: "tokenFile", path };
  }
  if (user.exec !== undefined) return { type: "exec", exec: commandOf(user.exec, cluster) };
  return readCertificate(user, place, read);
}

function commandOf(exec: Exec, cluster: Omit<Kubeconfig, "credential"> | undefined): CredentialCommand {
  const info = cluster && {
    server: cluster.server,
    "certificate-authority-data": Buffer.from(cluster.authority).toString("base64"),
    ...(cluster.serverName === undefined ? {} : { "tls-server-name": cluster.serverName }),
  };
  return {
    apiVersion: exec.apiVersion,
    command: exec.command,
    args: exec.args ?? [],
    env: Object.fromEntries((exec.env ?? []).map(({ name, value }) => [name, value])),
    cluster: exec.provideClusterInfo ? info : undefined,
  };
}

function readCertificate(user: User, place: string, read: ReadContext): KubeconfigCredential | undefined {
  const certificate = readPem(user, "client-certificate", place, read);
  const key = readPem(user, "client-key", place, read);
  if (certificate === undefined || key === undefined) return undefined;
  if (certificate === "" || key === "") {
    const missing = certificate === "" ? "client-certificate" : "client-key";
    read.problems.push(`${place}: ${missing}-data or ${missing} must be set beside the other part of the pair`);
    return undefined;
  }
  if (!isCertificate(certificate)) read.problems.push(`${place}.client-certificate: is not a PEM certificate`);
  else if (!belongsTo(key, certificate)) {
    read.problems.push(`${place}.client-key: is not a PEM key without passphrase that belongs to the certificate`);
  }
  return { type: "certificate", certificate, key };
}

/** Reads PEM from base64 (`<name>-data`, which has precedence) or from a file. @returns "" if neither is set, undefined after a problem */
function readPem(values: Record<string, unknown>, name: string, place: string, read: ReadContext): string | undefined {
  const { [`${name}-data`]: data, [name]: file } = values;
  if (typeof data === "string") {
    if (/^[A-Za-z0-9+/=\s]+$/.test(data)) return Buffer.from(data, "base64").toString();
    read.problems.push(`${place}.${name}-data: is not base64`);
    return undefined;
  }
  if (typeof file !== "string") return "";
  const path = resolvePath(file, `${place}.${name}`, read);
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    read.problems.push(`${place}.${name}: cannot read ${path} (${codeOf(error)})`);
    return undefined;
  }
}

function resolvePath(path: string, place: string, { directory, problems }: ReadContext): string | undefined {
  if (isAbsolute(path)) return path;
  if (directory !== undefined) return join(directory, path);
  problems.push(
    `${place}: ${path} is a relative path, but the kubeconfig is not a file; use an absolute path or the content (-data)`,
  );
  return undefined;
}

/** Returns the code of a system error, such as ENOENT. */
const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown error";

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== "";
  } catch {
    return false;
  }
}

function belongsTo(key: string, certificate: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function readYaml(content: string, problems: string[]): unknown {
  const lines = new LineCounter();
  // Pretty errors would quote the text around them, which can be a secret.
  const document = parseDocument(content, { prettyErrors: false, lineCounter: lines, logLevel: "silent" });
  // One mistake makes many errors.
  const [first] = document.errors;
  if (first !== undefined)
    problems.push(`kubeconfig: line ${lines.linePos(first.pos[0]).line}: invalid YAML (${first.code})`);
  try {
    const value: unknown = problems.length === 0 ? document.toJS() : undefined;
    return Array.isArray(value) ? undefined : value;
  } catch {
    problems.push("kubeconfig: has too many aliases");
    return undefined;
  }
}
