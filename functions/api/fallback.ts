/** What no other function serves: the API's document and its page; and for everything else a refusal in the API's own words. */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Hono } from "hono";
import { HonoBase } from "hono/hono-base";
import { LinearRouter } from "hono/router/linear-router";
import { readConfig } from "#functions/runtime/config.ts";
import { allowOrigins } from "../http/cors.ts";
import { methodNotAllowed, unknownRoute } from "../http/errors.ts";
import { type GatewayEvent, type GatewayResult, requestOf, resultOf } from "../http/gateway.ts";
import { canonicalPath } from "../http/request.ts";
import { addDocs, type DocsSources, refusal, writeServed } from "../openapi/docs-page.ts";
import { createLogger, type Logger } from "../runtime/log.ts";

/** What is read of the document: each path's methods. */
interface Paths {
  paths: Record<string, Record<string, unknown>>;
}

/** Finds the methods with which a path is served, by what the document says; none where it is not. */
function methodsIn({ paths }: Paths, path: string): string[] {
  const given = path.split("/");
  const methods = new Set<string>();
  for (const [template, operations] of Object.entries(paths)) {
    const wanted = template.split("/");
    const leads =
      wanted.length === given.length &&
      wanted.every((segment, at) => (segment.startsWith("{") ? given[at] !== "" : segment === given[at]));
    if (!leads) continue;
    for (const method of Object.keys(operations)) methods.add(method.toUpperCase());
  }
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].sort();
}

/**
 * Makes the app. It reads the document when something is asked for that it does not serve, for the first time.
 *
 * @param sources where the files are
 * @param origins whose pages may ask from a browser
 */
export function createDefaultApp(log: Logger, sources: DocsSources, origins: readonly string[] = []): Hono {
  let document: Paths | undefined;
  const app: Hono = new HonoBase({ router: new LinearRouter() });
  allowOrigins(app, origins, randomUUID);
  addDocs(app, log, sources);
  app.notFound((c) => {
    document ??= JSON.parse(readFileSync(sources.document, "utf8")) as Paths;
    const path = canonicalPath(new URL(c.req.url).pathname);
    const allowed = methodsIn(document, path);
    const error = allowed.length === 0 ? unknownRoute(path) : methodNotAllowed(c.req.method, allowed);
    return writeServed(c, log, undefined, refusal(error, allowed));
  });
  return app;
}

let app: Hono | undefined;

/** The Lambda of every path that no route group has. The files lie beside its code. */
export async function handler(event: GatewayEvent): Promise<GatewayResult> {
  app ??= start();
  // An app reads no more of a request than a plain one has.
  return resultOf(await app.fetch(requestOf(event) as unknown as Request, { event }));
}

function start(): Hono {
  const { LOG_LEVEL, CORS_ORIGINS } = readConfig(process.env);
  const sources = {
    document: new URL("./openapi.json", import.meta.url),
    script: new URL("./redoc.js", import.meta.url),
  };
  return createDefaultApp(createLogger(LOG_LEVEL), sources, CORS_ORIGINS);
}
