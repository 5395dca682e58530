/** OIDC issuer on a path of the local server, the default issuer of clusters. */

import { createHash, timingSafeEqual } from "node:crypto";
import { existsSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import Provider, { type Configuration, errors } from "oidc-provider";
import { verifyTokenText } from "#core/access/authorize.ts";
import { oidcClientEntity } from "#core/cluster-access/entity.ts";
import type { Services } from "#core/context.ts";
import { AppError } from "#core/shared/errors.ts";
import { errorFields, type Logger } from "../../runtime/log.ts";
import { renderLoginPage } from "./page.ts";
import { CLIENTS_PATH, ISSUER_PATH } from "./paths.ts";
import { type IssuerLocation, type IssuerStore, openIssuerStore } from "./store.ts";

/** Maximum size of a login form, which contains one token, in bytes. */
const MAX_FORM_BYTES = 4_096;

/** Scopes that clients can request. */
const SCOPES = "openid offline_access";

/** Issuer of the local server. */
export interface LocalIssuer {
  /** URL that identifies the issuer to clients. */
  readonly issuer: string;
  readonly initialAccessToken: string;
  /** Handles a request on its path. @returns false if the path is not the issuer's */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
}

/** Options of the issuer. */
interface LocalIssuerOptions {
  /** Scheme, host and port of the server. */
  origin: string;
  /** Storage of its keys and clients; undefined stores nothing. */
  location: IssuerLocation | undefined;
  services: Pick<Services, "table" | "clock">;
  log: Logger;
}

/**
 * Checks that a missing file was not lost: no cluster may have a client of this issuer. Reads the whole table.
 *
 * @throws AppError invalid if a cluster has one
 */
async function requireNoClients({ table }: Pick<Services, "table">, issuer: string, file: string): Promise<void> {
  for await (const item of table.scan()) {
    if (item.entity !== oidcClientEntity.name || oidcClientEntity.read(item).issuer !== issuer) continue;
    throw new AppError("invalid", "issuer.missing", [
      `${file}: is missing, with the keys of ${issuer} and its clients for clusters. Restore the file from a backup and ` +
        "start again. If it is lost, run `npm run admin -- secrets discard`: it lists these clients, and removes them with --yes.",
    ]);
  }
}

/** Starts the issuer. @throws AppError invalid if its file is lost; as `openIssuerStore` */
export async function startIssuer({ origin, location, services, log }: LocalIssuerOptions): Promise<LocalIssuer> {
  const issuer = `${origin}${ISSUER_PATH}`;
  if (location !== undefined && !existsSync(location.file)) await requireNoClients(services, issuer, location.file);
  const store = await openIssuerStore(location);
  const provider = new Provider(issuer, configuration(store));
  const { host } = new URL(origin);
  provider.on("grant.error", (_, error) => log.debug("local OIDC issuer refused a token", errorFields(error)));
  provider.on("server_error", (_, error) => log.error("local OIDC issuer failed", errorFields(error)));
  const handle = provider.callback();
  const login = (request: IncomingMessage, response: ServerResponse) =>
    interact(provider, services, request, response).catch((error: unknown) => {
      log.warn("login failed", errorFields(error));
      const isExpired = error instanceof errors.SessionNotFound;
      if (!response.headersSent) response.writeHead(isExpired ? 400 : 500, { "content-type": "text/plain" });
      response.end(
        isExpired ? "This login has expired. Start again in your client.\n" : "The login failed. Try again.\n",
      );
    });
  return {
    issuer,
    initialAccessToken: store.initialAccessToken,
    handle(request, response) {
      const path = request.url ?? "";
      if (!path.startsWith(`${ISSUER_PATH}/`)) return false;
      // The library builds its URLs from the host of the request, and the issuer has only one URL.
      request.headers.host = host;
      if (path.startsWith(`${ISSUER_PATH}/login/`)) void login(request, response);
      else if (path.startsWith(`${CLIENTS_PATH}?`)) void removeClients(store, log, request, response);
      else {
        // The library expects to be at the root, and derives its path from the original URL.
        Object.assign(request, { originalUrl: path, url: path.slice(ISSUER_PATH.length) });
        void handle(request, response);
      }
      return true;
    },
  };
}

const configuration = (store: IssuerStore): Configuration => ({
  adapter: store.adapter,
  jwks: { keys: store.keys },
  cookies: { keys: store.cookieKeys },
  // All users of a cluster share the client's secret, so it does not authenticate a user.
  pkce: { required: () => true },
  scopes: SCOPES.split(" "),
  claims: { openid: ["sub"] },
  findAccount: (_, accountId) => ({ accountId, claims: async () => ({ sub: accountId }) }),
  // The login itself is the consent.
  async loadExistingGrant(ctx) {
    const { provider, client, session } = ctx.oidc;
    const grant = new provider.Grant({ clientId: client?.clientId, accountId: session?.accountId });
    grant.addOIDCScope(SCOPES);
    await grant.save();
    return grant;
  },
  renderError(ctx, { error, error_description: description }) {
    ctx.type = "text";
    ctx.body = `${error}: ${description ?? "invalid request"}\n`;
  },
  interactions: { url: (_, { uid }) => `${ISSUER_PATH}/login/${uid}` },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true, initialAccessToken: store.initialAccessToken },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: false },
  },
  ttl: { AccessToken: 3_600, IdToken: 3_600, Interaction: 3_600, Session: 86_400, Grant: 86_400, RefreshToken: 86_400 },
});

/** Returns whether a request has the initial access token, which the reconciler has for registrations. */
function isReconciler({ headers }: IncomingMessage, { initialAccessToken }: IssuerStore): boolean {
  const [given, expected] = [headers.authorization ?? "", `Bearer ${initialAccessToken}`].map((text) =>
    createHash("sha256").update(text).digest(),
  );
  return given !== undefined && expected !== undefined && timingSafeEqual(given, expected);
}

/** Removes the clients that the query names: 204, or 401 without the initial access token. */
async function removeClients(
  store: IssuerStore,
  log: Logger,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { searchParams } = new URL(request.url ?? "", "http://localhost");
  const name = searchParams.get("name");
  if (!isReconciler(request, store)) return void response.writeHead(401, { "www-authenticate": "Bearer" }).end();
  if (request.method !== "DELETE") return void response.writeHead(405, { allow: "DELETE" }).end();
  if (name === null) return void response.writeHead(400).end("The parameter name is missing.\n");
  try {
    await store.removeClients(name, searchParams.getAll("kept"));
    response.writeHead(204).end();
  } catch (error) {
    log.error("failed to remove OIDC clients", errorFields(error));
    response.writeHead(500).end();
  }
}

/** Shows the login page, or verifies the token that was sent with it. */
async function interact(
  provider: Provider,
  services: LocalIssuerOptions["services"],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { params } = await provider.interactionDetails(request, response);
  const client = await provider.Client.find(String(params.client_id));
  const show = (status: number, problem?: string) => {
    response.writeHead(status, {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy":
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
      "referrer-policy": "no-referrer",
    });
    response.end(renderLoginPage(client?.clientName ?? "a client", problem));
  };
  if (request.method !== "POST") return show(200);
  if (Number(request.headers["content-length"] ?? MAX_FORM_BYTES + 1) > MAX_FORM_BYTES)
    return show(413, `The form is too long: at most ${MAX_FORM_BYTES} bytes are allowed.`);
  const token = new URLSearchParams(await text(request)).get("token") ?? "";
  try {
    const { user } = await verifyTokenText(services, token.trim(), request.socket.remoteAddress);
    // A native client requires consent in a browser, which the button of the page gives.
    await provider.interactionFinished(request, response, { login: { accountId: user }, consent: {} });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    // The API's message explains how to send a token to the API.
    if (error.kind === "unauthenticated") show(401, "This token is not valid.");
    else show(error.kind === "forbidden" ? 403 : 503, error.message);
  }
}
