/** Reads what an OIDC issuer answers to a registration (RFC 7591, section 3.2.1). */

import * as v from "valibot";
import { RetryableError } from "../provisioning/prerequisite.ts";

/** A client as the issuer made it. */
export interface RegisteredClient {
  clientId: string;
  clientSecret: string;
  /** When the secret expires, RFC 3339; absent where it does not. */
  expiresAt?: string;
  /** Where it is managed and with what; absent where the issuer does not let it be. */
  registrationUri?: string;
  registrationAccessToken?: string;
}

/** It is certain that no client was left with the issuer. After any other error of a registration its outcome is in doubt. */
export class NotRegistered extends RetryableError {}

/**
 * Where a person's browser comes back to: the ports on which the login plugin of kubectl listens
 * (https://github.com/int128/kubelogin, --listen-address), with and without the slash that some libraries add.
 */
export const REDIRECT_URIS = ["http://localhost:8000", "http://localhost:18000"].flatMap((uri) => [uri, `${uri}/`]);

/** How the login plugin sends the client's secret (golang.org/x/oauth2 tries both). */
const SECRET_METHODS: readonly string[] = ["client_secret_basic", "client_secret_post"];

/** The last moment that RFC 3339 can write, in seconds since the epoch. A later one is most likely in milliseconds. */
const LAST_SECOND = Date.UTC(9999, 11, 31, 23, 59, 59) / 1_000;

const limited = (most: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(most));
const absent = <Schema extends v.GenericSchema>(schema: Schema) => v.fallback(v.nullish(schema), undefined);
const list = v.nullish(v.array(v.string()));

const Management = v.object({
  registration_client_uri: absent(limited(2_048)),
  registration_access_token: absent(limited(8_192)),
});

const ClientInformation = v.object({
  client_id: limited(1_024),
  client_secret: limited(4_096),
  /** Seconds since the epoch, 0 for never. Issuers that leave it out let secrets live for ever. */
  client_secret_expires_at: v.nullish(
    v.pipe(v.union([v.number(), v.pipe(v.string(), v.digits(), v.toNumber())]), v.minValue(0), v.maxValue(LAST_SECOND)),
    0,
  ),
  redirect_uris: v.nullish(
    v.pipe(
      v.array(v.string()),
      // The plugin listens on this port first.
      v.check((uris) => uris.some((uri) => uri.replace(/\/$/, "") === REDIRECT_URIS[0])),
    ),
  ),
  grant_types: v.pipe(
    list,
    v.check((types) => types?.includes("authorization_code") ?? true),
  ),
  response_types: v.pipe(
    list,
    v.check((types) => types?.includes("code") ?? true),
  ),
  token_endpoint_auth_method: v.nullish(
    v.pipe(
      v.string(),
      v.check((method) => SECRET_METHODS.includes(method)),
    ),
  ),
});

/** Says what each member has to be. Values are not repeated: they may be secrets. */
const REQUIRED: Readonly<Record<string, string>> = {
  client_id: "client_id must be a text of 1 to 1,024 characters",
  client_secret: "client_secret must be a text of 1 to 4,096 characters",
  client_secret_expires_at: "client_secret_expires_at must be a time in seconds, or 0 for never",
  redirect_uris: `redirect_uris must keep ${REDIRECT_URIS[0]}`,
  grant_types: "grant_types must keep authorization_code",
  response_types: "response_types must keep code",
  token_endpoint_auth_method: `token_endpoint_auth_method must be ${SECRET_METHODS.join(" or ")}`,
};

/** An answer, as far as it can be used. */
interface Answer {
  client?: RegisteredClient;
  /** How the client can be removed, also one that cannot be used. */
  management?: Required<Pick<RegisteredClient, "registrationUri" | "registrationAccessToken">>;
  /** Everything for which the client cannot be used. */
  problems: readonly string[];
}

/**
 * Reads the body of a successful answer. Its status among the 2xx and its content type do not matter: it is a client, or it is not.
 *
 * @param text of the body
 */
export function readClient(text: string): Answer {
  const json = v.safeParse(v.pipe(v.string(), v.parseJson(), v.looseObject({})), text);
  if (!json.success) return { problems: ["it is not a JSON object"] };
  const { registration_client_uri: registrationUri, registration_access_token: registrationAccessToken } = v.parse(
    Management,
    json.output,
  );
  const isManaged = typeof registrationUri === "string" && typeof registrationAccessToken === "string";
  const management = isManaged ? { management: { registrationUri, registrationAccessToken } } : {};
  const { success, output, issues } = v.safeParse(ClientInformation, json.output);
  if (!success) {
    const names = new Set(issues.map(({ path }) => String(path?.[0]?.key)));
    return { ...management, problems: [...names].map((name) => REQUIRED[name] ?? `${name} is not allowed`) };
  }
  const seconds = output.client_secret_expires_at;
  const expiry = seconds === 0 ? {} : { expiresAt: new Date(seconds * 1_000).toISOString() };
  return {
    ...management,
    client: { clientId: output.client_id, clientSecret: output.client_secret, ...expiry },
    problems: [],
  };
}

/**
 * Reads a body, but not more than so many bytes of it.
 *
 * @throws Error where it is longer; as `fetch` where it does not come to its end
 */
export async function readText({ body }: Response, mostBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels the rest.
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > mostBytes) throw new Error(`its answer is longer than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The longest that an issuer's Retry-After is followed, in milliseconds. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;

/** Reads Retry-After (RFC 9110, section 10.2.3). @returns milliseconds, an hour at most; undefined where it is not there or wrong */
export function retryAfterOf({ headers }: Response): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms));
}

const NetworkError = v.object({ code: v.optional(v.string()), syscall: v.optional(v.string()) });

/** Certificates are checked before a request is sent. */
const CERTIFICATE_CODES = /^(CERT_|ERR_TLS_CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/**
 * Tells whether a request that failed may have reached its server: everything may have, but where there was no connection.
 *
 * @param error of `fetch`
 */
export function hasConnected(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const causes: unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  return !causes.every((each) => {
    if (!v.is(NetworkError, each)) return false;
    const { code = "", syscall = "" } = each;
    const isConnecting = syscall === "connect" || syscall === "getaddrinfo" || code === "UND_ERR_CONNECT_TIMEOUT";
    return isConnecting || CERTIFICATE_CODES.test(code);
  });
}
