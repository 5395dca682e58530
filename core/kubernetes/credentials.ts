/** Provides the credentials of a kubeconfig, and renews those that expire. */

import { readFileSync } from "node:fs";
import { KubernetesError } from "./errors.ts";
import { runCredentialCommand } from "./exec-credential.ts";
import type { KubeconfigCredential } from "./kubeconfig.ts";

/** Credentials for one request. Never log them. */
export interface RequestCredentials {
  token?: string;
  /** PEM, with `key`. */
  certificate?: string;
  key?: string;
}

/** Source of credentials. */
export interface Credentials {
  /**
   * Returns the credentials for a request.
   *
   * @throws KubernetesError `unauthorized` if the file or the command has none
   */
  get(): Promise<RequestCredentials>;
  /** Discards credentials that the server did not accept; the next request reads them again. */
  forget(): void;
}

/** Time after which a token file is read again, in milliseconds, as in Kubernetes' own clients. */
const TOKEN_FILE_TTL_MS = 60_000;

/** Time before their expiry at which credentials are renewed, in milliseconds. */
const RENEWAL_MARGIN_MS = 30_000;

/** Time for which a failure is cached, in milliseconds. */
const FAILURE_TTL_MS = 5_000;

/** Settings of `createCredentials`. */
export interface CredentialOptions {
  clock: () => Date;
  /** Variables for a command of the kubeconfig. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Time limit of a command, in milliseconds. */
  commandTimeoutMs: number;
}

/** Creates the source of a kubeconfig's credentials. */
export function createCredentials(credential: KubeconfigCredential, options: CredentialOptions): Credentials {
  switch (credential.type) {
    case "token":
      return constant({ token: credential.token });
    case "certificate":
      return constant({ certificate: credential.certificate, key: credential.key });
    case "tokenFile": {
      const { path } = credential;
      return renewed(options.clock, async () => ({
        credentials: { token: readToken(path) },
        validMs: TOKEN_FILE_TTL_MS,
      }));
    }
    case "exec": {
      const { exec } = credential;
      return renewed(options.clock, async () => {
        const { expiresAt, ...credentials } = await runCredentialCommand(exec, options);
        if (expiresAt === undefined) return { credentials, validMs: Number.POSITIVE_INFINITY };
        return { credentials, validMs: expiresAt.getTime() - options.clock().getTime() - RENEWAL_MARGIN_MS };
      });
    }
  }
}

const constant = (credentials: RequestCredentials): Credentials => ({ get: async () => credentials, forget() {} });

/** Caches credentials of limited validity. Concurrent requests share one renewal, and a failure is cached for a few seconds. */
function renewed(
  clock: () => Date,
  renew: () => Promise<{ credentials: RequestCredentials; validMs: number }>,
): Credentials {
  // `until` is undefined during a renewal.
  let current: { result: Promise<RequestCredentials>; until: number | undefined } | undefined;
  return {
    get() {
      if (current !== undefined && (current.until === undefined || clock().getTime() < current.until))
        return current.result;
      const entry: NonNullable<typeof current> = { result: Promise.resolve({}), until: undefined };
      entry.result = renew().then(
        ({ credentials, validMs }) => {
          entry.until = clock().getTime() + validMs;
          return credentials;
        },
        (error: unknown) => {
          entry.until = clock().getTime() + FAILURE_TTL_MS;
          throw error;
        },
      );
      current = entry;
      return entry.result;
    },
    forget() {
      // A renewal in progress is newer than the refused credentials.
      if (current?.until !== undefined) current = undefined;
    },
  };
}

function readToken(path: string): string {
  try {
    const token = readFileSync(path, "utf8").trim();
    if (token !== "") return token;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    throw new KubernetesError("unauthorized", `cannot read the token file ${path} (${code})`);
  }
  throw new KubernetesError("unauthorized", `the token file ${path} is empty`);
}
