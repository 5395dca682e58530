/** Builds Hono apps from routes: the common code between the transport and an operation. */

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
import {
  type ApiResponse,
  type ErrorBody,
  errorResponse,
  internalErrorResponse,
  methodNotAllowed,
  unknownRoute,
} from "./errors.ts";
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
import { REQUEST_ID, type Respond, writeResponse } from "./response.ts";

/** Dependencies of an app. */
export interface AppDependencies {
  services: Services;
  log: Logger;
  config: Pick<Config, "TRUSTED_PROXIES" | "CORS_ORIGINS" | "PUBLIC_URL">;
  /** Returns the address of the peer of the connection; each transport has its own way. */
  peerAddress: (c: HonoContext) => string | undefined;
  /** Returns the URL before the API's paths, such as `https://host/stage`; if absent, scheme and host of the request. */
  baseUrl?: (c: HonoContext) => string;
  /** Makes responses; if absent, the platform's own. */
  respond?: Respond;
  /** Records a request after its response; if absent, as a line of the log. */
  record?: (facts: RequestFacts, c: HonoContext) => void;
}

/** Record of a request. It contains no token, secret or body. */
export interface RequestFacts extends LogFields {
  requestId: string;
  method: string;
  /** The route's path, with the names of its segments; undefined if no route matches. */
  route: string | undefined;
  tokenId: string | undefined;
  /** Slug of the organisation in the path. */
  organisation: string | undefined;
  /** Identity of the cluster of the path, or of the created cluster. */
  clusterIdentity: string | undefined;
  status: number;
  /** The code of an error. */
  reason: string | undefined;
  milliseconds: number;
  /** Maximum wait for a status, in seconds; 0 for no wait. */
  waitSeconds: number;
  /** Capacity units that its calls to the database consumed. */
  readUnits: number;
  writeUnits: number;
}

/** Request as a route's handler gets it. */
export interface ApiRequest {
  context: Context;
  /** Returns a segment of the path, decoded; empty if the route has none of that name. */
  segment(name: string): string;
  query: RawQuery;
  header(name: string): string | undefined;
  /** JSON body, for routes with one; not validated. */
  body: unknown;
  /** Scheme, host and path, without the query. */
  url: string;
  /** Aborted when the client disconnects; undefined if the transport does not report it. */
  readonly signal: AbortSignal | undefined;
}

/** Response of a handler; the default status is 200. */
export type HandlerResponse = Partial<ApiResponse>;

/** Route of one operation, with its handler. */
export interface Route {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path with its variables in braces, such as `/api/v1/orgs/{organisation}/clusters`. */
  path: string;
  /** True if it has a JSON body; an optional body is undefined if none was sent. */
  takesBody?: boolean | "optional";
  /** True if HEAD is refused, because the GET changes data. */
  refusesHead?: boolean | undefined;
  /** True if the response is never stored for a retry with the same idempotency key, because it contains secrets. */
  ignoresIdempotencyKey?: boolean | undefined;
  /** Changes the body of an error; absent for no change. */
  renderError?: ((body: ErrorBody) => ErrorBody) | undefined;
  /** True if the body contains secrets, so that its hash is only stored in a form that does not let them be guessed. */
  hasSecretBody?: boolean | undefined;
  handle(request: ApiRequest): Promise<HandlerResponse>;
}

/**
 * Makes an app of routes. An unknown path gets 404, and an unknown method of a known path 405. A defect is logged, and its
 * response is 500 with the request's id.
 */
export function createApp(dependencies: AppDependencies, routes: readonly Route[]): Hono {
  // About eighty routes need no index. Hono's own index looks methods up in plain objects, where it finds `__proto__`. HonoBase
  // contains no other router.
  const app: Hono = new HonoBase({ router: new LinearRouter() });
  app.onError((error, c) =>
    serve(c, dependencies, undefined, async () => {
      throw error;
    }),
  );
  allowOrigins(app, dependencies.config.CORS_ORIGINS, dependencies.services.ids.identity);
  for (const route of routes) {
    app.on(route.method, route.path.replaceAll(/\{(\w+)\}/g, ":$1"), (c, next) => {
      // This router also matches an empty segment and a slash at the end, which no path of this API has.
      if (!matchesPath(route.path, pathOf(c))) return next();
      if (c.req.method === "HEAD" && route.refusesHead === true) {
        return serve(c, dependencies, undefined, async () => notRouted(c, routes));
      }
      return serve(c, dependencies, route, (request) => handleRequest(c, dependencies, request, route));
    });
  }
  app.notFound((c) => serve(c, dependencies, undefined, async () => notRouted(c, routes)));
  return app;
}

/** Returns a request's path in canonical form. */
const pathOf = (c: HonoContext): string => canonicalPath(new URL(c.req.url).pathname);

async function handleRequest(
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
      ? idempotencyOf(c.req.raw, url, query, read.hash, route.hasSecretBody)
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
  const result = await handled.catch((error: unknown) => {
    throw repeatAsSent(error, read.text);
  });
  return { status: 200, headers: {}, ...result };
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

/** Runs one request from the transport to the written response, and records it. */
async function serve(
  c: HonoContext,
  { services, log, config, peerAddress, respond = platformResponse, record }: AppDependencies,
  route: Route | undefined,
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
  const asked = { requestId, method: c.req.method, route: route?.path, tokenId: context.credentials?.tokenId };
  const { result: handled, reason } = await runHandler(context, log, asked, () => handle(context));
  const renderError = reason === undefined ? undefined : route?.renderError;
  const result = renderError === undefined ? handled : { ...handled, body: renderError(handled.body as ErrorBody) };
  await context.responseMetadata.pending;
  const response = await writeResponse(result, context, c.req.header("accept-encoding"), respond);
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

/** Runs a handler, and builds the response if it throws. */
async function runHandler(
  context: Context,
  log: Logger,
  facts: Record<string, unknown>,
  handle: () => Promise<ApiResponse>,
): Promise<{ result: ApiResponse; reason: string | undefined }> {
  try {
    return { result: await handle(), reason: undefined };
  } catch (error) {
    if (error instanceof AppError) {
      if (error.kind === "unavailable") log.warn("unavailable", { ...facts, ...errorFields(error) });
      return { result: errorResponse(error), reason: error.code };
    }
    log.error("defect", { ...facts, ...errorFields(error) });
    return { result: internalErrorResponse(context.requestId), reason: "defect" };
  }
}
