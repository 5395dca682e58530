/** Runs a credential plugin of Kubernetes: a command that prints credentials (`client.authentication.k8s.io`). */

import * as v from "valibot";
import { KubernetesError } from "./errors.ts";
import type { CredentialCommand } from "./kubeconfig.ts";

/** Maximum size of a command's output, in bytes. */
const MAX_OUTPUT_BYTES = 1_048_576;

const ExecCredential = v.object({
  apiVersion: v.string(),
  kind: v.literal("ExecCredential"),
  status: v.object({
    token: v.optional(v.pipe(v.string(), v.minLength(1))),
    clientCertificateData: v.optional(v.pipe(v.string(), v.includes("BEGIN"))),
    clientKeyData: v.optional(v.pipe(v.string(), v.includes("BEGIN"))),
    expirationTimestamp: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  }),
});

/** Credentials that a command printed. Never log them. */
export interface CommandCredentials {
  token?: string;
  certificate?: string;
  key?: string;
  /** Undefined if they are valid until the server refuses them. */
  expiresAt?: Date;
}

/**
 * Runs a command and reads its credentials. The command has no terminal. It is killed with its process group at the time limit.
 *
 * @param options `environment` has the environment variables for the command; `commandTimeoutMs` is in milliseconds
 * @throws KubernetesError `unauthorized` if the command fails or prints no credentials. What it printed is never part of the message.
 */
export async function runCredentialCommand(
  exec: CredentialCommand,
  options: { environment: Readonly<Record<string, string | undefined>>; commandTimeoutMs: number },
): Promise<CommandCredentials> {
  const failed = (problem: string) =>
    new KubernetesError("unauthorized", `the credential command ${exec.command} ${problem}`);
  const output = await outputOf(exec, options, failed);
  const parsed = v.safeParse(ExecCredential, parseJson(output));
  if (!parsed.success) throw failed("did not print an ExecCredential with a valid status");
  const { apiVersion, status } = parsed.output;
  if (apiVersion !== exec.apiVersion) throw failed(`did not print the version ${exec.apiVersion}`);
  const { token, clientCertificateData: certificate, clientKeyData: key, expirationTimestamp } = status;
  if ((certificate === undefined) !== (key === undefined))
    throw failed("printed a certificate or a key without the other");
  if (token === undefined && certificate === undefined) throw failed("printed neither a token nor a certificate");
  return {
    ...(token === undefined ? {} : { token }),
    ...(certificate === undefined || key === undefined ? {} : { certificate, key }),
    ...(expirationTimestamp === undefined ? {} : { expiresAt: new Date(expirationTimestamp) }),
  };
}

function outputOf(
  { apiVersion, command, args, env, cluster }: CredentialCommand,
  {
    environment,
    commandTimeoutMs,
  }: { environment: Readonly<Record<string, string | undefined>>; commandTimeoutMs: number },
  failed: (problem: string) => KubernetesError,
): Promise<string> {
  const spec = { interactive: false, ...(cluster === undefined ? {} : { cluster }) };
  const info = JSON.stringify({ apiVersion, kind: "ExecCredential", spec });
  // Not imported, because a bundle would load the module at every start although few kubeconfigs have a command.
  const { spawn } = process.getBuiltinModule("node:child_process");
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(command, args, {
    env: { ...environment, ...env, KUBERNETES_EXEC_INFO: info },
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
  });
  const kill = () => {
    try {
      // The process group, because the command may have started other processes.
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
    child.stdout.destroy();
  };
  const timer = setTimeout(() => {
    kill();
    reject(failed(`did not end within ${commandTimeoutMs / 1_000} s`));
  }, commandTimeoutMs);
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_OUTPUT_BYTES) chunks.push(chunk);
    else kill();
  });
  child.on("error", (error) => reject(failed(`cannot run (${"code" in error ? String(error.code) : error.name})`)));
  child.on("close", (code, signal) => {
    if (code === 0 && size <= MAX_OUTPUT_BYTES) resolve(Buffer.concat(chunks).toString());
    else
      reject(failed(`ended with ${code === null ? signal : `exit code ${code}`}; run it by hand to see its messages`));
  });
  return promise.finally(() => clearTimeout(timer));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
