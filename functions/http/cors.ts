/** Cross-origin requests from browsers (CORS). */

import type { Hono } from "hono";
import { cors } from "hono/cors";
import { requestIdOf } from "./request.ts";
import { REQUEST_ID } from "./response.ts";

/** Methods and headers for pages of allowed origins. */
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
 * Allows pages of some origins to call an app from a browser. Must be called before the routes are added.
 *
 * @param origins allowed origins; an empty list disables CORS
 * @param newId generates the id of a request without one
 */
export function allowOrigins(app: Hono, origins: readonly string[], newId: () => string): void {
  if (origins.length === 0) return;
  // Responses to preflights are made without an operation, and contain the request's id like all others.
  app.use(async (c, next) => {
    await next();
    if (!c.res.headers.has(REQUEST_ID)) c.header(REQUEST_ID, requestIdOf(c.req.header(REQUEST_ID)) ?? newId());
  });
  app.use(cors({ origin: [...origins], ...CORS }));
}
