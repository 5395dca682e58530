/** Registers clients with an OIDC issuer (RFC 7591) and removes them (RFC 7592). */

import * as oauth from "oauth4webapi";
import * as v from "valibot";
import { RetryableError } from "../provisioning/prerequisite.ts";
import {
  hasConnected,
  NotRegistered,
  REDIRECT_URIS,
  type RegisteredClient,
  readClient,
  readText,
  retryAfterOf,
} from "./registration-response.ts";

export { NotRegistered, type RegisteredClient } from "./registration-response.ts";

/** An OIDC issuer that registers clients. */
export interface IdentityProvider {
  /** What clients know it by. */
  readonly issuer: string;
  /** Registers a client. @throws NotRegistered; Error; both in words that may be shown */
  register(name: string, signal: AbortSignal): Promise<RegisteredClient>;
  /**
   * Removes a client.
   *
   * @param isNew whether the client was registered a moment ago. The answers 401 and 404 are errors then: they mean that the
   *   token or the address is wrong, not that the client is gone.
   * @returns whether it is gone; false where the issuer removes no clients
   * @throws Error in words that may be shown
   */
  remove(
    client: Required<Pick<RegisteredClient, "registrationUri" | "registrationAccessToken">>,
    signal: AbortSignal,
    isNew?: boolean,
  ): Promise<boolean>;
}

/** The most that is read of a discovery document, in bytes. Published ones have less than 16 KiB. */
const MAX_DISCOVERY_BYTES = 256 * 1_024;

/** The most that is read of an answer to a registration, in bytes. */
const MAX_REGISTRATION_BYTES = 64 * 1_024;

/** What oauth4webapi says of an issuer that has another name than the one it was looked for by. */
const IssuerMismatch = v.object({ attribute: v.literal("issuer"), body: v.object({ issuer: v.string() }) });

const issuerMismatch = (issuer: string) => `it calls itself ${issuer}, and has to be named so, to the letter`;

/**
 * Makes an identity provider of an issuer's URL. Nothing is sent until the first call. Each registration begins with discovery, so
 * an issuer that is out of service is noticed by a request that can be repeated.
 *
 * @param issuer its URL; what it sends where it is `http` is not encrypted
 * @param initialAccessToken what lets us register clients, where the issuer asks for it
 */
export function identityProvider(issuer: string, initialAccessToken?: string): IdentityProvider {
  const url = new URL(issuer);
  const insecure = { [oauth.allowInsecureRequests]: url.protocol === "http:" };

  async function discover(signal: AbortSignal): Promise<oauth.AuthorizationServer> {
    const response = await oauth.discoveryRequest(url, { ...insecure, signal });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new NotRegistered(statusReason(response), { retryAfterMs: retryAfterOf(response) });
    }
    const { headers } = response;
    const text = await readText(response, MAX_DISCOVERY_BYTES);
    const server = await oauth.processDiscoveryResponse(url, new Response(text, { headers: plainFetch(headers) }));
    // URLs that are the same are not: clients and API servers compare an issuer's name as text.
    if (server.issuer !== issuer) throw new Error(issuerMismatch(server.issuer));
    if (server.registration_endpoint === undefined) throw new Error("it registers no clients");
    if (!mayHaveToken(server.registration_endpoint)) {
      throw new Error("its registration_endpoint must be an https URL, or one of the issuer's own origin");
    }
    return server;
  }

  async function register(name: string, signal: AbortSignal): Promise<RegisteredClient> {
    const server = await discover(signal).catch((error: unknown) => {
      if (error instanceof NotRegistered) throw error;
      throw new NotRegistered(reasonOf(error), { cause: error });
    });
    if (signal.aborted) throw new NotRegistered("it took too long to say where it registers clients");
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
        throw hasConnected(error) ? error : new NotRegistered(reasonOf(error), { cause: error });
      });
    if (!response.ok) throw await refusalOf(response);
    const { client, management, problems } = readClient(await readText(response, MAX_REGISTRATION_BYTES));
    const managed = management !== undefined && mayHaveToken(management.registrationUri) ? management : undefined;
    if (client !== undefined && problems.length === 0) return { ...client, ...managed };
    const reason = `its answer cannot be used: ${problems.join("; ")}`;
    const isRemoved = managed !== undefined && (await remove(managed, signal, true).catch(() => false));
    throw isRemoved ? new NotRegistered(`${reason}; the client was removed again`) : new Error(reason);
  }

  /**
   * Whether a token can be sent there: it goes nowhere in the clear where the issuer itself does not, nor to an address that
   * carries credentials of its own, which fetch refuses.
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
    // RFC 7592, section 2.3: a client that does not exist any more is answered 401, by some issuers 404 or 410.
    if (response.ok || status === 410 || (!isNew && (status === 401 || status === 404))) return true;
    // By the same section: clients may not be removed (403), or the issuer does not implement it.
    if (status === 403 || status === 405 || status === 501) return false;
    throw new RetryableError(statusReason(response), { retryAfterMs: retryAfterOf(response) });
  };

  return {
    issuer,
    register: (name, signal) => withRetryHint(`registering a client with ${issuer}`, () => register(name, signal)),
    remove: (client, signal, isNew) =>
      withRetryHint(`removing a client from ${issuer}`, () => remove(client, signal, isNew)),
  };
}

/** Copies headers without those that describe how the body was transferred: it is decoded already. */
function plainFetch(headers: Headers): Headers {
  const copy = new Headers(headers);
  copy.delete("content-encoding");
  copy.delete("content-length");
  return copy;
}

/** Says which status was answered. */
function statusReason({ status }: Response): string {
  if (status >= 300 && status < 400) return `redirects are not followed, and it answered ${status}`;
  if (status === 401) return `it refused the access token, which may have expired: it answered ${status}`;
  return `it answered ${status}`;
}

/** Error codes of RFC 7591 and RFC 6750 look like this. Anything else may be a secret that is repeated. */
const ErrorBody = v.object({ error: v.pipe(v.string(), v.regex(/^[a-z_]{1,50}$/)) });

/** By these an issuer refuses a request for its access token, address, size, media type or number, before it acts on it. */
const REFUSALS: ReadonlySet<number> = new Set([401, 403, 404, 405, 413, 415, 429]);

/**
 * Makes an error of an answer that is no success. The issuer refused where it answered one of `REFUSALS`, or 400 with an error code
 * (RFC 7591, section 3.2.2). After any other answer the outcome is in doubt: 303 may follow a success, proxies answer 408, 499 and 5xx
 * for requests that they passed on, and no status tells that a POST was not acted on (RFC 9110, section 9.2.2).
 */
async function refusalOf(response: Response): Promise<Error> {
  const { status } = response;
  const text = await readText(response, MAX_REGISTRATION_BYTES).catch(() => "");
  const body = v.safeParse(v.pipe(v.string(), v.parseJson(), ErrorBody), text);
  const reason = `${statusReason(response)}${body.success ? ` ${body.output.error}` : ""}`;
  const isRefused = REFUSALS.has(status) || (status === 400 && body.success);
  return isRefused ? new NotRegistered(reason, { retryAfterMs: retryAfterOf(response) }) : new Error(reason);
}

/** Says what was under way. Bodies of answers are not repeated, but for the code of an error: there may be secrets in them. */
async function withRetryHint<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const message = `${doing}: ${reasonOf(error)}`;
    if (!(error instanceof RetryableError)) throw new Error(message, { cause: error });
    const { retryAfterMs } = error;
    const Kind = error instanceof NotRegistered ? NotRegistered : RetryableError;
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
