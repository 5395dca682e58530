/** Hono apps from routes: everything between the transport and an operation, once for all of them. */

import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Hono, type Context as HonoContext } from "hono";
import { cors } from "hono/cors";
import { LinearRouter } from "hono/router/linear-router";
import type { Config } from "#core/config.ts";
import type { Context, Services } from "#core/context.ts";
import { AppError } from "#core/errors.ts";
import type { RawQuery } from "#core/query.ts";
import { errorFields, type Logger } from "../log.ts";
import { type Answer, defectAnswer, errorAnswer, methodNotAllowed, unknownRoute } from "./errors.ts";
import {
  credentialsOf,
  idempotencyOf,
  NO_BODY,
  preferencesApplied,
  preferencesOf,
  queryOf,
  readBody,
  requestIdOf,
  sourceAddressOf,
} from "./request.ts";

/** What apps are made with. */
export interface AppDependencies {
  services: Services;
  log: Logger;
  config: Pick<Config, "TRUSTED_PROXIES" | "CORS_ORIGINS">;
  /** The address of whoever holds the connection, which every transport knows in its own way. */
  peerAddress: (c: HonoContext) => string | undefined;
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
}

/** What a handler answers: 200 with a body unless it says otherwise. */
export type HandlerAnswer = Partial<Answer>;

/** One operation: how it is reached, and what it does. */
export interface Route {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** In Hono's notation, such as `/api/v1/orgs/:organisation/clusters`. */
  path: string;
  /** Whether it reads a JSON body; an optional one is undefined where there is none. */
  takesBody?: boolean | "optional";
  /** A GET that HEAD does not stand for, because it leaves something behind. */
  refusesHead?: boolean;
  /** A POST whose answer is never kept for a repeat: there are secrets in it. */
  ignoresIdempotencyKey?: boolean;
  handle(request: ApiRequest): Promise<HandlerAnswer>;
}

/** How much of an ignored name a warning repeats, and how many of them, by the contract. */
const WARNED_BYTES = 64;
const WARNED_NAMES = 10;

/** What a browser's page may send and see, where its origin is allowed. */
const CORS = {
  allowMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
  allowHeaders: [
    "Authorization",
    "Content-Type",
    "If-Match",
    "If-None-Match",
    "Idempotency-Key",
    "Prefer",
    "X-Request-Id",
  ],
  exposeHeaders: ["ETag", "Link", "Location", "Warning", "X-Request-Id"],
  maxAge: 600,
};

const REQUEST_ID = "x-request-id";

/** Answers beyond this are compressed for whoever takes that, in bytes. */
const COMPRESSED_BYTES = 1024 * 1024;

/** The largest answer, in bytes: what API Gateway lets a Lambda answer, with room for its envelope. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/**
 * Makes an app of routes. A request for anything else is answered 404, or 405 where only its method is wrong; a defect is
 * logged and answered 500 with nothing but the request's id.
 */
export function createApp(dependencies: AppDependencies, routes: readonly Route[]): Hono {
  // Some thirty routes need no index, and Hono's own looks methods up in plain objects, where `__proto__` is found.
  const app = new Hono({ router: new LinearRouter() });
  const { CORS_ORIGINS: origins } = dependencies.config;
  app.onError((error, c) =>
    serve(c, dependencies, undefined, async () => {
      throw error;
    }),
  );
  if (origins.length > 0) {
    // Answers to preflights are made without an operation, and carry the request's id like all others.
    app.use(async (c, next) => {
      await next();
      if (!c.res.headers.has(REQUEST_ID)) c.header(REQUEST_ID, requestIdFor(c, dependencies.services));
    });
    app.use(cors({ origin: origins, ...CORS }));
  }
  for (const route of routes) {
    app.on(route.method, route.path, (c, next) => {
      // This router also takes an empty segment and a slash at the end, which lead nowhere here.
      if (!matches(route.path, new URL(c.req.url).pathname)) return next();
      if (c.req.method === "HEAD" && route.refusesHead === true) {
        return serve(c, dependencies, undefined, async () => notRouted(c, routes));
      }
      return serve(c, dependencies, route.path, (request) => answer(c, request, route));
    });
  }
  app.notFound((c) => serve(c, dependencies, undefined, async () => notRouted(c, routes)));
  return app;
}

async function answer(c: HonoContext, context: Context, route: Route): Promise<Answer> {
  const url = new URL(c.req.url);
  const read =
    (route.takesBody ?? false) === false ? NO_BODY : await readBody(c.req.raw, route.takesBody === "optional");
  const query = queryOf(c.req.url);
  const repeat =
    route.method !== "GET" && route.ignoresIdempotencyKey !== true
      ? idempotencyOf(c.req.raw, url, query, read.hash)
      : undefined;
  const answered = await route.handle({
    context: {
      ...context,
      refusal: read.refusal ?? (repeat instanceof AppError ? repeat : undefined),
      idempotency: repeat instanceof AppError ? undefined : repeat,
    },
    segment: (name) => c.req.param(name) ?? "",
    query,
    header: (name) => c.req.header(name),
    body: read.body,
    url: `${url.origin}${url.pathname}`,
  });
  return { status: 200, headers: {}, ...answered };
}

async function notRouted(c: HonoContext, routes: readonly Route[]): Promise<Answer> {
  const { pathname } = new URL(c.req.url);
  const methods = new Set<string>();
  for (const { method, refusesHead } of routes.filter((route) => matches(route.path, pathname))) {
    methods.add(method);
    if (method === "GET" && refusesHead !== true) methods.add("HEAD");
  }
  if (methods.size === 0) throw unknownRoute(pathname);
  const allowed = [...methods].sort();
  const refused = errorAnswer(methodNotAllowed(c.req.method, allowed));
  return { ...refused, headers: { ...refused.headers, allow: allowed.join(", ") } };
}

/** Whether a path is one a route serves; a segment of the route that begins with `:` stands for any that is not empty. */
function matches(route: string, pathname: string): boolean {
  const [wanted, given] = [route.split("/"), pathname.split("/")];
  return (
    wanted.length === given.length &&
    wanted.every((segment, position) =>
      segment.startsWith(":") ? given[position] !== "" : segment === given[position],
    )
  );
}

const requestIdFor = (c: HonoContext, { draw }: Services): string =>
  requestIdOf(c.req.header(REQUEST_ID)) ?? draw.identity();

/** Runs one request from the transport to the written answer, and logs it. */
async function serve(
  c: HonoContext,
  { services, log, config, peerAddress }: AppDependencies,
  route: string | undefined,
  handle: (context: Context) => Promise<Answer>,
): Promise<Response> {
  const started = performance.now();
  const context: Context = {
    ...services,
    requestId: requestIdFor(c, services),
    sourceAddress: sourceAddressOf(peerAddress(c), c.req.header("x-forwarded-for"), config.TRUSTED_PROXIES),
    credentials: credentialsOf(c.req.header("authorization")),
    refusal: undefined,
    ...preferencesOf(c.req.header("prefer")),
    idempotency: undefined,
    outcome: { ignored: new Set(), replayed: false, waitedSeconds: 0 },
  };
  const { requestId } = context;
  const facts = { requestId, method: c.req.method, route, tokenId: context.credentials?.tokenId };
  const { answered, reason } = await settle(context, log, facts, () => handle(context));
  const response = await write(answered, context, takesGzip(c.req.header("accept-encoding")));
  log.info("request", {
    ...facts,
    status: response.status,
    ...(reason === undefined ? {} : { reason }),
    milliseconds: Math.round(performance.now() - started),
  });
  return response;
}

/** Lets a handler answer, and answers for it where it throws. */
async function settle(
  context: Context,
  log: Logger,
  facts: Record<string, unknown>,
  handle: () => Promise<Answer>,
): Promise<{ answered: Answer; reason?: string }> {
  try {
    return { answered: await handle() };
  } catch (error) {
    if (error instanceof AppError) {
      if (error.kind === "unavailable") log.warn("unavailable", { ...facts, ...errorFields(error) });
      return { answered: errorAnswer(error), reason: error.code };
    }
    log.error("defect", { ...facts, ...errorFields(error) });
    return { answered: defectAnswer(context.requestId), reason: "defect" };
  }
}

async function write(answered: Answer, context: Context, gzipped: boolean): Promise<Response> {
  const headers: Record<string, string> = { ...answered.headers, [REQUEST_ID]: context.requestId };
  const { ignored, replayed } = context.outcome;
  if (ignored.size > 0) headers.warning = warningOf([...ignored]);
  if (replayed && answered.status < 400) headers["idempotency-replayed"] = "true";
  const applied = preferencesApplied(context);
  if (applied !== undefined) headers["preference-applied"] = applied;
  if (answered.body === undefined) return new Response(null, { status: answered.status, headers });
  const { text: written, type } = answered.media ?? { text: JSON.stringify(answered.body), type: "application/json" };
  const text = Buffer.from(written);
  const isLarge = text.length > COMPRESSED_BYTES;
  const bytes = isLarge && gzipped ? await compress(text) : text;
  if (bytes.length > MAX_ANSWER_BYTES) {
    const refusal = new AppError("invalid", "answer.too_large", [
      `pageSize: the answer would be larger than ${MAX_ANSWER_BYTES} bytes; ask for a smaller pageSize`,
    ]);
    return write(errorAnswer(refusal), context, gzipped);
  }
  return new Response(bytes, {
    status: answered.status,
    headers: {
      ...headers,
      ...(isLarge ? { vary: "Accept-Encoding" } : {}),
      ...(bytes === text ? {} : { "content-encoding": "gzip" }),
      "content-type": `${type}; charset=utf-8`,
    },
  });
}

const compress = promisify(gzip);

/** Whether a client takes gzip: names it, or anything, and not with a weight of nothing. */
function takesGzip(header: string | undefined): boolean {
  return (header ?? "").split(",").some((each) => {
    const [coding = "", ...parameters] = each.split(";").map((part) => part.trim().toLowerCase());
    return ["gzip", "x-gzip", "*"].includes(coding) && !parameters.some((part) => /^q=0(\.0*)?$/.test(part));
  });
}

/** Names what was ignored, in one header that no name can break out of. @param names percent-encoded */
function warningOf(names: readonly string[]): string {
  const shown = names.slice(0, WARNED_NAMES).map((name) => name.slice(0, WARNED_BYTES));
  const more = names.length - shown.length;
  return `299 - "Ignored, because unknown: ${shown.join(", ")}${more > 0 ? `, and ${more} more` : ""}"`;
}
