/** Parses the response of an OIDC issuer to a registration (RFC 7591, section 3.2.1). */

import * as v from "valibot";
import { RetryableError } from "../provisioning/prerequisite.ts";

/** Client as registered by the issuer. */
export interface RegisteredClient {
  clientId: string;
  clientSecret: string;
  /** Expiry of the secret, RFC 3339; absent if it does not expire. */
  expiresAt?: string;
  /** Management URL and its token; absent if the issuer does not support management. */
  registrationUri?: string;
  registrationAccessToken?: string;
}

/** Registration error after which the issuer certainly has no new client. After any other error, the outcome is unknown. */
export class NotRegisteredError extends RetryableError {}

/**
 * Redirect URIs of the login plugin of kubectl, which listens on these ports (https://github.com/int128/kubelogin,
 * --listen-address), with and without the slash that some libraries add.
 */
export const REDIRECT_URIS = ["http://localhost:8000", "http://localhost:18000"].flatMap((uri) => [uri, `${uri}/`]);

/** Methods by which the login plugin sends the client's secret (golang.org/x/oauth2 tries both). */
const SECRET_METHODS: readonly string[] = ["client_secret_basic", "client_secret_post"];

/** Last time that RFC 3339 can express, in seconds since the epoch. A later value is most likely in milliseconds. */
const LAST_SECOND = Date.UTC(9999, 11, 31, 23, 59, 59) / 1_000;

const limitedString = (maxLength: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(maxLength));
const ignoreInvalid = <Schema extends v.GenericSchema>(schema: Schema) => v.fallback(v.nullish(schema), undefined);
const list = v.nullish(v.array(v.string()));

const Management = v.object({
  registration_client_uri: ignoreInvalid(limitedString(2_048)),
  registration_access_token: ignoreInvalid(limitedString(8_192)),
});

const ClientInformation = v.object({
  client_id: limitedString(1_024),
  client_secret: limitedString(4_096),
  /** Seconds since the epoch, 0 for never. Issuers that omit it do not expire secrets. */
  client_secret_expires_at: v.nullish(
    v.pipe(v.union([v.number(), v.pipe(v.string(), v.digits(), v.toNumber())]), v.minValue(0), v.maxValue(LAST_SECOND)),
    0,
  ),
  redirect_uris: v.nullish(
    v.pipe(
      v.array(v.string()),
      // The port that the plugin tries first.
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

/** Requirements by property. Values are not repeated, because they may be secrets. */
const REQUIRED: Readonly<Record<string, string>> = {
  client_id: "client_id must be a string of 1 to 1,024 characters",
  client_secret: "client_secret must be a string of 1 to 4,096 characters",
  client_secret_expires_at: "client_secret_expires_at must be a time in seconds, or 0 for never",
  redirect_uris: `redirect_uris must include ${REDIRECT_URIS[0]}`,
  grant_types: "grant_types must include authorization_code",
  response_types: "response_types must include code",
  token_endpoint_auth_method: `token_endpoint_auth_method must be ${SECRET_METHODS.join(" or ")}`,
};

/** Parsed response. */
interface ParsedRegistration {
  client?: RegisteredClient;
  /** Data to remove the client, also a client that cannot be used. */
  management?: Required<Pick<RegisteredClient, "registrationUri" | "registrationAccessToken">>;
  /** Reasons why the client cannot be used. */
  problems: readonly string[];
}

/**
 * Parses the body of a successful response. Its status among the 2xx and its content type are ignored.
 *
 * @param text the body
 */
export function readClient(text: string): ParsedRegistration {
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
 * Reads a response body up to a maximum size.
 *
 * @throws Error if it is longer; as `fetch` if it is incomplete
 */
export async function readText({ body }: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels the body.
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new Error(`its response is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Maximum delay of an issuer's Retry-After that is respected, in milliseconds. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;

/** Reads Retry-After (RFC 9110, section 10.2.3). @returns milliseconds, at most an hour; undefined if absent or malformed */
export function retryAfterOf({ headers }: Response): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms));
}

const NetworkError = v.object({ code: v.optional(v.string()), syscall: v.optional(v.string()) });

/** Codes of certificate errors, which occur before a request is sent. */
const CERTIFICATE_CODES = /^(CERT_|ERR_TLS_CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/**
 * Returns whether a failed request may have reached its server: true unless there was no connection.
 *
 * @param error error of `fetch`
 */
export function mayHaveReachedServer(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const causes: unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  return !causes.every((each) => {
    if (!v.is(NetworkError, each)) return false;
    const { code = "", syscall = "" } = each;
    const isConnecting = syscall === "connect" || syscall === "getaddrinfo" || code === "UND_ERR_CONNECT_TIMEOUT";
    return isConnecting || CERTIFICATE_CODES.test(code);
  });
}
