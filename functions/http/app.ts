/** Hono apps from routes: everything between the transport and an operation, once for all of them. */

import type { Hono, Context as HonoContext } from "hono";
import { HonoBase } from "hono/hono-base";
import { LinearRouter } from "hono/router/linear-router";
import type { Context, Services } from "#core/context.ts";
import { AppError } from "#core/shared/errors.ts";
import { repeatAsSent } from "#core/shared/literals.ts";
import { isOrganisationSlug } from "#core/shared/slug.ts";
import { Meter } from "#core/table/capacity-meter.ts";
import type { Config } from "#functions/runtime/config.ts";
import { errorFields, type LogFields, type Logger } from "../runtime/log.ts";
import { allowOrigins } from "./cors.ts";
import { type ApiResponse, errorResponse, internalErrorResponse, methodNotAllowed, unknownRoute } from "./errors.ts";
import type { RawQuery } from "./query.ts";
import {
  canonicalPath,
  credentialsOf,
  idempotencyOf,
  matchesPath,
  NO_BODY,
  preferencesOf,
  queryOf,
  readBody,
  requestIdOf,
  sourceAddressOf,
} from "./request.ts";
import { REQUEST_ID, type Respond, write } from "./response.ts";

/** What apps are made with. */
export interface AppDependencies {
  services: Services;
  log: Logger;
  config: Pick<Config, "TRUSTED_PROXIES" | "CORS_ORIGINS" | "PUBLIC_URL">;
  /** The address of whoever holds the connection, which every transport knows in its own way. */
  peerAddress: (c: HonoContext) => string | undefined;
  /** What precedes the API's paths where callers are, such as `https://host/stage`; absent, scheme and host of the request. */
  baseUrl?: (c: HonoContext) => string;
  /** Makes responses; absent, the platform's own. */
  respond?: Respond;
  /** Writes down a request that was answered; absent, as a line of the log. */
  record?: (facts: RequestFacts, c: HonoContext) => void;
}

/** What is written down of a request. Never a token, a secret or a body. */
export interface RequestFacts extends LogFields {
  requestId: string;
  method: string;
  /** The route's path, with the names of its segments; undefined where there is none. */
  route: string | undefined;
  tokenId: string | undefined;
  /** As the path names it. */
  organisation: string | undefined;
  /** The cluster the path leads to, or that was made. */
  clusterIdentity: string | undefined;
  status: number;
  /** The code of an error. */
  reason: string | undefined;
  milliseconds: number;
  /** How long it was asked to wait for a status, at most. */
  waitSeconds: number;
  /** What its calls to the database consumed, in capacity units. */
  readUnits: number;
  writeUnits: number;
}

/** A request as a route's handler gets it. */
export interface ApiRequest {
  context: Context;
  /** A segment of the path, decoded; empty where the route has none of that name. */
  segment(name: string): string;
  query: RawQuery;
  header(name: string): string | undefined;
  /** The JSON body of routes that take one. */
  body: unknown;
  /** Scheme, host and path, without the query. */
  url: string;
  /** Aborted when the client disconnects; undefined where the transport does not tell. */
  readonly signal: AbortSignal | undefined;
}

/** What a handler answers: 200 with a body unless it says otherwise. */
export type HandlerResponse = Partial<ApiResponse>;

/** One operation: how it is reached, and what it does. */
export interface Route {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With its variables in braces, such as `/api/v1/orgs/{organisation}/clusters`. */
  path: string;
  /** Whether it reads a JSON body; an optional one is undefined where there is none. */
  takesBody?: boolean | "optional";
  /** Whether HEAD is refused, because the GET leaves something behind. */
  refusesHead?: boolean | undefined;
  /** Whether the response is never stored for a retry with the same idempotency key: it holds secrets. */
  ignoresIdempotencyKey?: boolean | undefined;
  handle(request: ApiRequest): Promise<HandlerResponse>;
}

/**
 * Makes an app of routes. A request for anything else is answered 404, or 405 where only its method is wrong; a defect is
 * logged and answered 500 with nothing but the request's id.
 */
export function createApp(dependencies: AppDependencies, routes: readonly Route[]): Hono {
  // Some thirty routes need no index, and Hono's own looks methods up in plain objects, where `__proto__` is found. Its base
  // carries no other router.
  const app: Hono = new HonoBase({ router: new LinearRouter() });
  app.onError((error, c) =>
    serve(c, dependencies, undefined, async () => {
      throw error;
    }),
  );
  allowOrigins(app, dependencies.config.CORS_ORIGINS, dependencies.services.ids.identity);
  for (const route of routes) {
    app.on(route.method, route.path.replaceAll(/\{(\w+)\}/g, ":$1"), (c, next) => {
      // This router also takes an empty segment and a slash at the end, which lead nowhere here.
      if (!matchesPath(route.path, pathOf(c))) return next();
      if (c.req.method === "HEAD" && route.refusesHead === true) {
        return serve(c, dependencies, undefined, async () => notRouted(c, routes));
      }
      return serve(c, dependencies, route.path, (request) => answer(c, dependencies, request, route));
    });
  }
  app.notFound((c) => serve(c, dependencies, undefined, async () => notRouted(c, routes)));
  return app;
}

/** A request's path as everything here sees it. */
const pathOf = (c: HonoContext): string => canonicalPath(new URL(c.req.url).pathname);

async function answer(
  c: HonoContext,
  { config, baseUrl }: AppDependencies,
  context: Context,
  route: Route,
): Promise<ApiResponse> {
  const url = new URL(c.req.url);
  url.pathname = canonicalPath(url.pathname);
  const read =
    (route.takesBody ?? false) === false ? NO_BODY : await readBody(c.req.raw, route.takesBody === "optional");
  const query = queryOf(c.req.url);
  const repeat =
    route.method !== "GET" && route.ignoresIdempotencyKey !== true
      ? idempotencyOf(c.req.raw, url, query, read.hash)
      : undefined;
  const handled = route.handle({
    context: {
      ...context,
      requestError: read.refusal ?? (repeat instanceof AppError ? repeat : undefined),
      idempotency: repeat instanceof AppError ? undefined : repeat,
    },
    segment: (name) => c.req.param(name) ?? "",
    query,
    header: (name) => c.req.header(name),
    body: read.body,
    url: `${config.PUBLIC_URL ?? baseUrl?.(c) ?? url.origin}${url.pathname}`,
    // A getter, because Node's server makes a signal only for a request that asks for one.
    get signal() {
      return (c.req.raw as Partial<Request>).signal;
    },
  });
  const answered = await handled.catch((error: unknown) => {
    throw repeatAsSent(error, read.text);
  });
  return { status: 200, headers: {}, ...answered };
}

async function notRouted(c: HonoContext, routes: readonly Route[]): Promise<ApiResponse> {
  const pathname = pathOf(c);
  const methods = new Set<string>();
  for (const { method, refusesHead } of routes.filter((route) => matchesPath(route.path, pathname))) {
    methods.add(method);
    if (method === "GET" && refusesHead !== true) methods.add("HEAD");
  }
  if (methods.size === 0) throw unknownRoute(pathname);
  const allowed = [...methods].sort();
  const refused = errorResponse(methodNotAllowed(c.req.method, allowed));
  return { ...refused, headers: { ...refused.headers, allow: allowed.join(", ") } };
}

const requestIdFor = (c: HonoContext, { ids }: Services): string =>
  requestIdOf(c.req.header(REQUEST_ID)) ?? ids.identity();

/** Runs one request from the transport to the written answer, and writes it down. */
async function serve(
  c: HonoContext,
  { services, log, config, peerAddress, respond = platformResponse, record }: AppDependencies,
  route: string | undefined,
  handle: (context: Context) => Promise<ApiResponse>,
): Promise<Response> {
  const started = performance.now();
  const meter = new Meter();
  const context: Context = {
    ...services,
    table: services.table.metered(meter),
    requestId: requestIdFor(c, services),
    sourceAddress: sourceAddressOf(peerAddress(c), c.req.header("x-forwarded-for"), config.TRUSTED_PROXIES),
    credentials: credentialsOf(c.req.header("authorization")),
    requestError: undefined,
    ...preferencesOf(c.req.header("prefer")),
    idempotency: undefined,
    responseMetadata: { ignored: new Set(), replayed: false, waitedSeconds: 0 },
  };
  const { requestId } = context;
  const asked = { requestId, method: c.req.method, route, tokenId: context.credentials?.tokenId };
  const { answered, reason } = await runHandler(context, log, asked, () => handle(context));
  const response = await write(answered, context, c.req.header("accept-encoding"), respond);
  const organisation = c.req.param("organisation");
  const facts: RequestFacts = {
    ...asked,
    organisation: organisation !== undefined && isOrganisationSlug(organisation) ? organisation : undefined,
    clusterIdentity: context.responseMetadata.cluster,
    status: response.status,
    reason,
    milliseconds: Math.round(performance.now() - started),
    waitSeconds: context.responseMetadata.waitedSeconds,
    readUnits: meter.readUnits,
    writeUnits: meter.writeUnits,
  };
  if (record === undefined) log.info("request", facts);
  else record(facts, c);
  return response;
}

const platformResponse: Respond = (body, init) => new Response(body, init);

/** Lets a handler answer, and answers for it where it throws. */
async function runHandler(
  context: Context,
  log: Logger,
  facts: Record<string, unknown>,
  handle: () => Promise<ApiResponse>,
): Promise<{ answered: ApiResponse; reason: string | undefined }> {
  try {
    return { answered: await handle(), reason: undefined };
  } catch (error) {
    if (error instanceof AppError) {
      if (error.kind === "unavailable") log.warn("unavailable", { ...facts, ...errorFields(error) });
      return { answered: errorResponse(error), reason: error.code };
    }
    log.error("defect", { ...facts, ...errorFields(error) });
    return { answered: internalErrorResponse(context.requestId), reason: "defect" };
  }
}
