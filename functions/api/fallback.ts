/** Serves the OpenAPI document, its page, and the errors for all paths without a function. */

import { randomUUID } from "node:crypto";
import type { Hono } from "hono";
import { HonoBase } from "hono/hono-base";
import { LinearRouter } from "hono/router/linear-router";
import { readConfig } from "#functions/runtime/config.ts";
import { allowOrigins } from "../http/cors.ts";
import { methodNotAllowed, unknownRoute } from "../http/errors.ts";
import { fetchFrom, type GatewayEvent, type GatewayResult } from "../http/gateway.ts";
import { canonicalPath, matchesPath } from "../http/request.ts";
import { addDocs, buildErrorResponse, type DocsSources, writeFileResponse } from "../openapi/docs-page.ts";
import { createLogger, type Logger } from "../runtime/log.ts";
import { servedRows } from "./routes.ts";

/** Returns the methods of a path; none for an unknown path. */
function methodsOf(path: string): string[] {
  const methods = new Set<string>(
    servedRows.filter((row) => matchesPath(row.path, path)).map(({ method }): string => method),
  );
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].sort();
}

/**
 * Makes the app.
 *
 * @param sources locations of the documentation's files
 * @param origins origins whose pages may send requests from a browser
 */
export function createDefaultApp(log: Logger, sources: DocsSources, origins: readonly string[] = []): Hono {
  const app: Hono = new HonoBase({ router: new LinearRouter() });
  allowOrigins(app, origins, randomUUID);
  addDocs(app, log, sources);
  app.notFound((c) => {
    const path = canonicalPath(new URL(c.req.url).pathname);
    const allowed = methodsOf(path);
    const error = allowed.length === 0 ? unknownRoute(path) : methodNotAllowed(c.req.method, allowed);
    return writeFileResponse(c, log, undefined, buildErrorResponse(error, allowed));
  });
  return app;
}

let app: Hono | undefined;

/** Lambda of every path that no route group has. The files are beside its code. */
export async function handler(event: GatewayEvent): Promise<GatewayResult> {
  app ??= start();
  return fetchFrom(app, event, { event });
}

function start(): Hono {
  const { LOG_LEVEL, CORS_ORIGINS } = readConfig(process.env);
  const sources = {
    document: new URL("./openapi.json", import.meta.url),
    acloudDocument: new URL("./acloud-openapi.json", import.meta.url),
    script: new URL("./redoc.js", import.meta.url),
  };
  return createDefaultApp(createLogger(LOG_LEVEL), sources, CORS_ORIGINS);
}
