/** Registering clients with an OIDC issuer: RFC 7591, and taking them away again: RFC 7592. */

import * as oauth from "oauth4webapi";
import * as v from "valibot";
import { isIssuer } from "../config.ts";

/** A client as the issuer made it. */
export interface RegisteredClient {
  clientId: string;
  clientSecret: string;
  /** Where it is managed and with what; absent where the issuer does not let it be. */
  registrationUri?: string;
  registrationAccessToken?: string;
}

/** An OIDC issuer that registers clients. */
export interface IdentityProvider {
  /** What clients know it by. */
  readonly issuer: string;
  /** Registers a client. @throws Error in words that may be shown */
  register(name: string, signal: AbortSignal): Promise<RegisteredClient>;
  /** Removes a client; also where it is gone already. @throws Error in words that may be shown */
  remove(
    client: Required<Pick<RegisteredClient, "registrationUri" | "registrationAccessToken">>,
    signal: AbortSignal,
  ): Promise<void>;
}

/**
 * Where a person's browser comes back to: the ports on which the login plugin of kubectl listens
 * (https://github.com/int128/kubelogin, --listen-address), with and without the slash that some libraries add.
 */
const REDIRECT_URIS = ["http://localhost:8000", "http://localhost:18000"].flatMap((uri) => [uri, `${uri}/`]);

const Registered = v.object({
  client_id: v.string(),
  client_secret: v.string(),
  registration_client_uri: v.optional(v.string()),
  registration_access_token: v.optional(v.string()),
});

/**
 * Makes an identity provider of an issuer's URL. Nothing is sent until the first call; the issuer is asked once where it
 * registers clients.
 *
 * @param issuer `https`, or `http` on this machine
 * @param initialAccessToken what lets us register clients, where the issuer asks for it
 * @throws Error where the URL is neither
 */
export function identityProvider(issuer: string, initialAccessToken?: string): IdentityProvider {
  const url = new URL(issuer);
  if (!isIssuer(issuer)) throw new Error(`the OIDC issuer ${issuer} must be https, or http on this machine`);
  const insecure = { [oauth.allowInsecureRequests]: url.protocol === "http:" };
  let discovered: oauth.AuthorizationServer | undefined;

  async function discover(signal: AbortSignal): Promise<oauth.AuthorizationServer> {
    if (discovered === undefined) {
      const response = await oauth.discoveryRequest(url, { ...insecure, signal });
      discovered = await oauth.processDiscoveryResponse(url, response);
    }
    return discovered;
  }

  return {
    issuer,
    register: (name, signal) =>
      told(`registering a client with ${issuer}`, async () => {
        const server = await discover(signal);
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
        const made = v.parse(Registered, await oauth.processDynamicClientRegistrationResponse(response));
        return {
          clientId: made.client_id,
          clientSecret: made.client_secret,
          ...(made.registration_client_uri === undefined || made.registration_access_token === undefined
            ? {}
            : {
                registrationUri: made.registration_client_uri,
                registrationAccessToken: made.registration_access_token,
              }),
        };
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
        if (response.ok || response.status === 401 || response.status === 404) return;
        throw new Error(`it answered ${response.status}`);
      }),
  };
}

/** Says what was under way. Bodies of answers are not repeated, but for the code of an error: there may be secrets in them. */
async function told<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${doing}: ${reasonOf(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof v.ValiError) return "its answer is not what RFC 7591 says";
  if (error instanceof oauth.ResponseBodyError) return `it answered ${error.status} ${error.error}`;
  if (!(error instanceof Error)) return String(error);
  const code = error.cause instanceof Error && "code" in error.cause ? ` (${String(error.cause.code)})` : "";
  return `${error.message}${code}`;
}
