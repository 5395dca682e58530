/** Registers clients with an OIDC issuer (RFC 7591) and removes them (RFC 7592). */

import * as oauth from "oauth4webapi";
import * as v from "valibot";
import { RetryableError } from "../provisioning/prerequisite.ts";
import {
  mayHaveReachedServer,
  NotRegisteredError,
  REDIRECT_URIS,
  type RegisteredClient,
  readClient,
  readText,
  retryAfterOf,
} from "./registration-response.ts";

export { NotRegisteredError, type RegisteredClient } from "./registration-response.ts";

/** OIDC issuer that registers clients. */
export interface IdentityProvider {
  /** URL that identifies the issuer to clients. */
  readonly issuer: string;
  /** Registers a client. @throws NotRegisteredError; Error; the messages contain no secrets */
  register(name: string, signal: AbortSignal): Promise<RegisteredClient>;
  /**
   * Removes a client.
   *
   * @param isNew true if the client was just registered. Then responses 401 and 404 are errors: they mean that the token or the
   *   address is wrong, not that the client does not exist.
   * @returns true if the client does not exist any more; false if the issuer does not support removal
   * @throws Error with a message that contains no secrets
   */
  remove(
    client: Required<Pick<RegisteredClient, "registrationUri" | "registrationAccessToken">>,
    signal: AbortSignal,
    isNew?: boolean,
  ): Promise<boolean>;
  /**
   * Removes all clients with a name except some. Absent if the issuer cannot find clients by name, which RFC 7591 does not define. Then
   * only an operator can find out the result of a registration without a response.
   *
   * @param kept ids of the clients that stay
   * @throws Error with a message that contains no secrets
   */
  removeOthers?: ((name: string, kept: readonly string[], signal: AbortSignal) => Promise<void>) | undefined;
}

/** Maximum size of a discovery document, in bytes. Published ones have less than 16 KiB. */
const MAX_DISCOVERY_BYTES = 256 * 1_024;

/** Maximum size of a registration response, in bytes. */
const MAX_REGISTRATION_BYTES = 64 * 1_024;

/** Cause of the error of oauth4webapi for an issuer whose document names another issuer. */
const IssuerMismatch = v.object({ attribute: v.literal("issuer"), body: v.object({ issuer: v.string() }) });

const issuerMismatch = (issuer: string) => `it identifies itself as ${issuer}; configure exactly this URL`;

/**
 * Creates an identity provider for an issuer's URL. Sends nothing until the first call. Each registration starts with discovery, so
 * that an issuer that is down is detected by a request that can be repeated.
 *
 * @param issuer URL of the issuer; with `http`, traffic is not encrypted
 * @param initialAccessToken token for registrations, if the issuer requires one
 */
export function createIdentityProvider(issuer: string, initialAccessToken?: string): IdentityProvider {
  const url = new URL(issuer);
  const insecure = { [oauth.allowInsecureRequests]: url.protocol === "http:" };

  async function discover(signal: AbortSignal): Promise<oauth.AuthorizationServer> {
    const response = await oauth.discoveryRequest(url, { ...insecure, signal });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new NotRegisteredError(statusReason(response), { retryAfterMs: retryAfterOf(response) });
    }
    const { headers } = response;
    const text = await readText(response, MAX_DISCOVERY_BYTES);
    const server = await oauth.processDiscoveryResponse(url, new Response(text, { headers: plainFetch(headers) }));
    // Compare as text, not as URLs: clients and API servers compare the issuer as text.
    if (server.issuer !== issuer) throw new Error(issuerMismatch(server.issuer));
    if (server.registration_endpoint === undefined) throw new Error("it does not support client registration");
    if (!mayHaveToken(server.registration_endpoint)) {
      throw new Error("its registration_endpoint must be an https URL or have the issuer's own origin");
    }
    return server;
  }

  async function register(name: string, signal: AbortSignal): Promise<RegisteredClient> {
    const server = await discover(signal).catch((error: unknown) => {
      if (error instanceof NotRegisteredError) throw error;
      throw new NotRegisteredError(reasonOf(error), { cause: error });
    });
    if (signal.aborted) throw new NotRegisteredError("timeout while reading its discovery document");
    const metadata = {
      client_name: name,
      application_type: "native",
      redirect_uris: REDIRECT_URIS,
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_basic",
    };
    const options = { ...insecure, signal, ...(initialAccessToken === undefined ? {} : { initialAccessToken }) };
    const response = await oauth
      .dynamicClientRegistrationRequest(server, metadata, options)
      .catch((error: unknown): never => {
        throw mayHaveReachedServer(error) ? error : new NotRegisteredError(reasonOf(error), { cause: error });
      });
    if (!response.ok) throw await refusalOf(response);
    const { client, management, problems } = readClient(await readText(response, MAX_REGISTRATION_BYTES));
    const managed = management !== undefined && mayHaveToken(management.registrationUri) ? management : undefined;
    if (client !== undefined && problems.length === 0) return { ...client, ...managed };
    const reason = `its response cannot be used: ${problems.join("; ")}`;
    const isRemoved = managed !== undefined && (await remove(managed, signal, true).catch(() => false));
    throw isRemoved ? new NotRegisteredError(`${reason}; the new client was removed`) : new Error(reason);
  }

  /**
   * Returns whether a token may be sent to a URL: over https, or to the issuer's own origin. A URL with credentials is not allowed,
   * because fetch rejects it.
   */
  function mayHaveToken(uri: string): boolean {
    const parsed = URL.parse(uri);
    if (parsed === null || parsed.username !== "" || parsed.password !== "") return false;
    return parsed.protocol === "https:" || parsed.origin === url.origin;
  }

  const remove: IdentityProvider["remove"] = async ({ registrationUri, registrationAccessToken }, signal, isNew) => {
    const response = await fetch(registrationUri, {
      method: "DELETE",
      headers: { authorization: `Bearer ${registrationAccessToken}` },
      redirect: "manual",
      signal,
    });
    await response.body?.cancel();
    const { status } = response;
    // RFC 7592, section 2.3: for a client that does not exist, the response is 401; some issuers send 404 or 410.
    if (response.ok || status === 410 || (!isNew && (status === 401 || status === 404))) return true;
    // Same section: the client may not be removed (403), or the issuer does not implement removal.
    if (status === 403 || status === 405 || status === 501) return false;
    throw new RetryableError(statusReason(response), { retryAfterMs: retryAfterOf(response) });
  };

  return {
    issuer,
    register: (name, signal) => withOperation(`registering a client with ${issuer}`, () => register(name, signal)),
    remove: (client, signal, isNew) =>
      withOperation(`removing a client from ${issuer}`, () => remove(client, signal, isNew)),
  };
}

/** Copies headers without those that describe the transfer encoding, because the body is already decoded. */
function plainFetch(headers: Headers): Headers {
  const copy = new Headers(headers);
  copy.delete("content-encoding");
  copy.delete("content-length");
  return copy;
}

/** Describes the status of a response. */
function statusReason({ status }: Response): string {
  if (status >= 300 && status < 400) return `redirects are not followed, and it responded with ${status}`;
  if (status === 401) return `it rejected the access token, which may have expired: it responded with ${status}`;
  return `it responded with ${status}`;
}

/** Error codes of RFC 7591 and RFC 6750. Other texts may repeat a secret and are not shown. */
const ErrorBody = v.object({ error: v.pipe(v.string(), v.regex(/^[a-z_]{1,50}$/)) });

/** Statuses of a request that the issuer rejected before acting on it: for its access token, address, size, media type or rate. */
const REFUSALS: ReadonlySet<number> = new Set([401, 403, 404, 405, 413, 415, 429]);

/**
 * Builds the error for an unsuccessful response. The issuer rejected the request if the status is one of `REFUSALS`, or 400 with an
 * error code (RFC 7591, section 3.2.2). After any other response the outcome is unknown: 303 may follow a success, proxies send 408,
 * 499 and 5xx for requests that they forwarded, and no status means that a POST was not processed (RFC 9110, section 9.2.2).
 */
async function refusalOf(response: Response): Promise<Error> {
  const { status } = response;
  const text = await readText(response, MAX_REGISTRATION_BYTES).catch(() => "");
  const body = v.safeParse(v.pipe(v.string(), v.parseJson(), ErrorBody), text);
  const reason = `${statusReason(response)}${body.success ? ` ${body.output.error}` : ""}`;
  const isRefused = REFUSALS.has(status) || (status === 400 && body.success);
  return isRefused ? new NotRegisteredError(reason, { retryAfterMs: retryAfterOf(response) }) : new Error(reason);
}

/** Adds the operation to the message of an error. Response bodies may contain secrets, so only error codes are repeated. */
async function withOperation<T>(operation: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const message = `${operation}: ${reasonOf(error)}`;
    if (!(error instanceof RetryableError)) throw new Error(message, { cause: error });
    const { retryAfterMs } = error;
    const Kind = error instanceof NotRegisteredError ? NotRegisteredError : RetryableError;
    throw new Kind(message, { cause: error, retryAfterMs });
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { success, output } = v.safeParse(IssuerMismatch, error.cause);
  if (success) return issuerMismatch(output.body.issuer);
  const code = error.cause instanceof Error && "code" in error.cause ? ` (${String(error.cause.code)})` : "";
  return `${error.message}${code}`;
}
