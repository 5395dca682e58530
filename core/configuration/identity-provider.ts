/** Registering clients with an OIDC issuer: RFC 7591, and taking them away again: RFC 7592. */

import * as oauth from "oauth4webapi";
import * as v from "valibot";

/** A client as the issuer made it. */
export interface RegisteredClient {
  clientId: string;
  clientSecret: string;
  /** Where it is managed and with what; absent where the issuer does not let it be. */
  registrationUri?: string;
  registrationAccessToken?: string;
}

/** It is certain that no client was made: the issuer was not asked, or refused. After any other error nobody knows. */
export class NotRegistered extends Error {}

/** An OIDC issuer that registers clients. */
export interface IdentityProvider {
  /** What clients know it by. */
  readonly issuer: string;
  /** Registers a client. @throws NotRegistered; Error; both in words that may be shown */
  register(name: string, signal: AbortSignal): Promise<RegisteredClient>;
  /**
   * Removes a client.
   *
   * @returns whether it is gone; false where the issuer removes no clients
   * @throws Error in words that may be shown
   */
  remove(
    client: Required<Pick<RegisteredClient, "registrationUri" | "registrationAccessToken">>,
    signal: AbortSignal,
  ): Promise<boolean>;
}

/**
 * Where a person's browser comes back to: the ports on which the login plugin of kubectl listens
 * (https://github.com/int128/kubelogin, --listen-address), with and without the slash that some libraries add.
 */
const REDIRECT_URIS = ["http://localhost:8000", "http://localhost:18000"].flatMap((uri) => [uri, `${uri}/`]);

const limited = (most: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(most));

const Registered = v.object({
  client_id: limited(1_024),
  client_secret: limited(4_096),
  registration_client_uri: v.optional(limited(2_048)),
  registration_access_token: v.optional(limited(8_192)),
});

/** What oauth4webapi says of an issuer that has another name than the one it was looked for by. */
const Misnamed = v.object({ attribute: v.literal("issuer"), body: v.object({ issuer: v.string() }) });

const misnamed = (issuer: string) => `it calls itself ${issuer}, and has to be named so, to the letter`;

/**
 * Makes an identity provider of an issuer's URL. Nothing is sent until the first call; the issuer is asked where it registers
 * clients, and asked again once that fails.
 *
 * @param issuer its URL; what it sends where it is `http` is not encrypted
 * @param initialAccessToken what lets us register clients, where the issuer asks for it
 */
export function identityProvider(issuer: string, initialAccessToken?: string): IdentityProvider {
  const url = new URL(issuer);
  const insecure = { [oauth.allowInsecureRequests]: url.protocol === "http:" };
  let discovered: oauth.AuthorizationServer | undefined;

  async function discover(signal: AbortSignal): Promise<oauth.AuthorizationServer> {
    if (discovered !== undefined) return discovered;
    const response = await oauth.discoveryRequest(url, { ...insecure, signal });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`it answered ${response.status}`);
    }
    const server = await oauth.processDiscoveryResponse(url, response);
    // URLs that are the same are not: clients and API servers compare an issuer's name as text.
    if (server.issuer !== issuer) throw new Error(misnamed(server.issuer));
    if (server.registration_endpoint === undefined) throw new Error("it registers no clients");
    discovered = server;
    return server;
  }

  async function register(name: string, signal: AbortSignal): Promise<RegisteredClient> {
    const server = await discover(signal).catch((error: unknown) => {
      throw new NotRegistered(reasonOf(error), { cause: error });
    });
    const metadata = {
      client_name: name,
      application_type: "native",
      redirect_uris: REDIRECT_URIS,
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_basic",
    };
    const response = await oauth.dynamicClientRegistrationRequest(server, metadata, {
      ...insecure,
      signal,
      ...(initialAccessToken === undefined ? {} : { initialAccessToken }),
    });
    if (response.status !== 201) throw await refusalOf(response);
    const made = v.parse(Registered, await oauth.processDynamicClientRegistrationResponse(response));
    const { registration_client_uri: uri, registration_access_token: token } = made;
    const isManaged = uri !== undefined && token !== undefined && mayHaveToken(uri);
    return {
      clientId: made.client_id,
      clientSecret: made.client_secret,
      ...(isManaged ? { registrationUri: uri, registrationAccessToken: token } : {}),
    };
  }

  /** Whether a token can be sent there: it goes nowhere in the clear where the issuer itself does not. */
  const mayHaveToken = (uri: string): boolean => {
    const { protocol, origin } = URL.parse(uri) ?? {};
    return protocol === "https:" || origin === url.origin;
  };

  return {
    issuer,
    register: (name, signal) =>
      told(`registering a client with ${issuer}`, async () => {
        try {
          return await register(name, signal);
        } catch (error) {
          // It may have moved.
          discovered = undefined;
          throw error;
        }
      }),
    remove: ({ registrationUri, registrationAccessToken }, signal) =>
      told(`removing a client from ${issuer}`, async () => {
        const response = await fetch(registrationUri, {
          method: "DELETE",
          headers: { authorization: `Bearer ${registrationAccessToken}` },
          redirect: "error",
          signal,
        });
        await response.body?.cancel();
        // RFC 7592, section 2.3: a client that is not there any more is answered 401, by some 404.
        if (response.ok || response.status === 401 || response.status === 404) return true;
        // By the same section: the issuer does not do this.
        if (response.status === 405) return false;
        throw new Error(`it answered ${response.status}`);
      }),
  };
}

/** What an answer that is no client amounts to. */
async function refusalOf(response: Response): Promise<Error> {
  const code = await oauth.processDynamicClientRegistrationResponse(response).then(
    () => "",
    (error: unknown) => (error instanceof oauth.ResponseBodyError ? ` ${error.error}` : ""),
  );
  if (!response.bodyUsed) await response.body?.cancel();
  const Kind = response.status >= 400 && response.status < 500 ? NotRegistered : Error;
  return new Kind(`it answered ${response.status}${code}`);
}

/** Says what was under way. Bodies of answers are not repeated, but for the code of an error: there may be secrets in them. */
async function told<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const Kind = error instanceof NotRegistered ? NotRegistered : Error;
    // What does not fit a schema says so with the value.
    const cause = error instanceof v.ValiError ? undefined : error;
    throw new Kind(`${doing}: ${reasonOf(error)}`, { cause });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof v.ValiError) return "its answer is not what RFC 7591 says";
  if (!(error instanceof Error)) return String(error);
  const { success, output } = v.safeParse(Misnamed, error.cause);
  if (success) return misnamed(output.body.issuer);
  const code = error.cause instanceof Error && "code" in error.cause ? ` (${String(error.cause.code)})` : "";
  return `${error.message}${code}`;
}
