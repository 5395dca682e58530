/** Pages of other origins, as far as they are allowed. */

import type { Hono } from "hono";
import { cors } from "hono/cors";
import { requestIdOf } from "./request.ts";
import { REQUEST_ID } from "./response.ts";

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

/**
 * Lets pages of some origins call an app from a browser. Goes before its routes.
 *
 * @param origins none switch it off
 * @param newId draws the id of a request that has none
 */
export function allowOrigins(app: Hono, origins: readonly string[], newId: () => string): void {
  if (origins.length === 0) return;
  // Answers to preflights are made without an operation, and carry the request's id like all others.
  app.use(async (c, next) => {
    await next();
    if (!c.res.headers.has(REQUEST_ID)) c.header(REQUEST_ID, requestIdOf(c.req.header(REQUEST_ID)) ?? newId());
  });
  app.use(cors({ origin: [...origins], ...CORS }));
}
