/** An OIDC issuer on a path of the local server, so that clusters have one where nobody set any. */

import { existsSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import Provider, { type Configuration, errors } from "oidc-provider";
import { verifyTokenText } from "#core/access/authorize.ts";
import { oidcClientEntity } from "#core/cluster-access/entity.ts";
import type { Services } from "#core/context.ts";
import { AppError } from "#core/shared/errors.ts";
import { errorFields, type Logger } from "../../runtime/log.ts";
import { loginPage } from "./page.ts";
import { type IssuerPlace, type IssuerStore, openIssuerStore } from "./store.ts";

/** Where it is on the server. */
export const ISSUER_PATH = "/oidc";

/** A login form holds one token. */
const MAX_FORM_BYTES = 4_096;

/** What a client may know of whoever logs in. */
const SCOPES = "openid offline_access";

/** The issuer as the server has it. */
export interface LocalIssuer {
  /** What clients know it by. */
  readonly issuer: string;
  readonly initialAccessToken: string;
  /** Answers a request on its path. @returns false where the request is somebody else's */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
}

/** What it is made with. */
export interface LocalIssuerOptions {
  /** Scheme, host and port of the server. */
  origin: string;
  /** Where it keeps its keys and clients; undefined keeps nothing. */
  place: IssuerPlace | undefined;
  services: Pick<Services, "table" | "clock">;
  log: Logger;
}

/**
 * Makes sure that a missing file is not one that was lost: clusters have no clients of this issuer. Reads the whole table.
 *
 * @throws AppError invalid where they do
 */
async function requireNoClients({ table }: Pick<Services, "table">, issuer: string, file: string): Promise<void> {
  for await (const item of table.scan()) {
    if (item.entity !== oidcClientEntity.name || oidcClientEntity.read(item).issuer !== issuer) continue;
    throw new AppError("invalid", "issuer.missing", [
      `${file}: is missing, with the keys of ${issuer} and the clients that clusters have of it. Bring the file back from a backup and ` +
        "start again. If it is lost for good, run `npm run admin -- secrets discard`: it lists these clients, and removes them with --yes.",
    ]);
  }
}

/** Starts the issuer. @throws AppError invalid where its file is lost; as `openIssuerStore` */
export async function startIssuer({ origin, place, services, log }: LocalIssuerOptions): Promise<LocalIssuer> {
  const issuer = `${origin}${ISSUER_PATH}`;
  if (place !== undefined && !existsSync(place.file)) await requireNoClients(services, issuer, place.file);
  const store = await openIssuerStore(place);
  const provider = new Provider(issuer, configuration(store));
  const { host } = new URL(origin);
  provider.on("grant.error", (_, error) => log.debug("the local OIDC issuer gave no token", errorFields(error)));
  provider.on("server_error", (_, error) => log.error("the local OIDC issuer failed", errorFields(error)));
  const answer = provider.callback();
  const login = (request: IncomingMessage, response: ServerResponse) =>
    interact(provider, services, request, response).catch((error: unknown) => {
      log.warn("a login failed", errorFields(error));
      const isOver = error instanceof errors.SessionNotFound;
      if (!response.headersSent) response.writeHead(isOver ? 400 : 500, { "content-type": "text/plain" });
      response.end(isOver ? "This login is over. Start again in your client.\n" : "The login failed. Try again.\n");
    });
  return {
    issuer,
    initialAccessToken: store.initialAccessToken,
    handle(request, response) {
      const path = request.url ?? "";
      if (!path.startsWith(`${ISSUER_PATH}/`)) return false;
      // It tells its endpoints by what it was called, and has one name alone.
      request.headers.host = host;
      if (path.startsWith(`${ISSUER_PATH}/login/`)) void login(request, response);
      else {
        // The issuer thinks it is at the root, and finds out where it is by what the request was before.
        Object.assign(request, { originalUrl: path, url: path.slice(ISSUER_PATH.length) });
        void answer(request, response);
      }
      return true;
    },
  };
}

const configuration = (store: IssuerStore): Configuration => ({
  adapter: store.adapter,
  jwks: { keys: store.keys },
  cookies: { keys: store.cookieKeys },
  // Everybody who may log in to a cluster has the same client's secret, so that alone proves nothing.
  pkce: { required: () => true },
  scopes: SCOPES.split(" "),
  claims: { openid: ["sub"] },
  findAccount: (_, accountId) => ({ accountId, claims: async () => ({ sub: accountId }) }),
  // Whoever logs in means to: there is nothing to agree to.
  async loadExistingGrant(ctx) {
    const { provider, client, session } = ctx.oidc;
    const grant = new provider.Grant({ clientId: client?.clientId, accountId: session?.accountId });
    grant.addOIDCScope(SCOPES);
    await grant.save();
    return grant;
  },
  renderError(ctx, { error, error_description: description }) {
    ctx.type = "text";
    ctx.body = `${error}: ${description ?? "the request cannot be answered"}\n`;
  },
  interactions: { url: (_, { uid }) => `${ISSUER_PATH}/login/${uid}` },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true, initialAccessToken: store.initialAccessToken },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: false },
  },
  ttl: { AccessToken: 3_600, IdToken: 3_600, Interaction: 3_600, Session: 86_400, Grant: 86_400, RefreshToken: 86_400 },
});

/** Shows the page, or takes the token that was put into it. */
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
    response.end(loginPage(client?.clientName ?? "a client", problem));
  };
  if (request.method !== "POST") return show(200);
  if (Number(request.headers["content-length"] ?? MAX_FORM_BYTES + 1) > MAX_FORM_BYTES)
    return show(413, "That is too much.");
  const token = new URLSearchParams(await text(request)).get("token") ?? "";
  try {
    const { user } = await verifyTokenText(services, token.trim(), request.socket.remoteAddress);
    // A native client's user has to agree in a browser, which is what the button was pressed for.
    await provider.interactionFinished(request, response, { login: { accountId: user }, consent: {} });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    // The API's own words say how to send a token there.
    if (error.kind === "unauthenticated") show(401, "This token does not work.");
    else show(error.kind === "forbidden" ? 403 : 503, error.message);
  }
}
