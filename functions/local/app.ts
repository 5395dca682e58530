/** App of the local server: all routes, health and the documentation page. */

import type { IncomingMessage } from "node:http";
import type { Hono } from "hono";
import type { Keyring } from "#core/secrets/keyring.ts";
import { allRoutes } from "../api/all-routes.ts";
import { type AppDependencies, createApp, type Route } from "../http/app.ts";
import { addDocs } from "../openapi/docs-page.ts";
import type { ConcurrencyLimit } from "./concurrency-limit.ts";

/** Dependencies of the app. */
interface LocalAppDependencies extends Pick<AppDependencies, "services" | "log" | "config"> {
  keyring: Keyring;
  /** Returns whether the database responds. */
  ready: () => Promise<boolean>;
  /** Limit of the requests that write. */
  writes: Pick<ConcurrencyLimit, "run">;
}

/** Limits the requests that write, once their bodies are read: a client that sends its body slowly keeps no other one waiting. */
const limited = (route: Route, writes: LocalAppDependencies["writes"]): Route =>
  route.method === "GET" ? route : { ...route, handle: (request) => writes.run(() => route.handle(request)) };

/** Creates the app of the local server. Node's own server runs it. */
export function createLocalApp({ services, log, config, keyring, ready, writes }: LocalAppDependencies): Hono {
  const peerAddress: AppDependencies["peerAddress"] = (c) =>
    (c.env as { incoming?: IncomingMessage }).incoming?.socket.remoteAddress;
  const routes = allRoutes(keyring, ready).map((route) => limited(route, writes));
  return addDocs(createApp({ services, log, config, peerAddress }, routes), log);
}
