/** The app of the local server: all routes, health and the docs. */

import type { IncomingMessage } from "node:http";
import type { Hono } from "hono";
import type { Keyring } from "#core/secrets/keyring.ts";
import { allRoutes } from "../api/all-routes.ts";
import { type AppDependencies, createApp } from "../http/app.ts";
import { addDocs } from "../openapi/docs-page.ts";

/** What it is made with. */
export interface LocalAppDependencies extends Pick<AppDependencies, "services" | "log" | "config"> {
  keyring: Keyring;
  /** Whether the database answers. */
  ready: () => Promise<boolean>;
}

/** Makes the app of the local server, behind Node's own server. */
export function createLocalApp({ services, log, config, keyring, ready }: LocalAppDependencies): Hono {
  const peerAddress: AppDependencies["peerAddress"] = (c) =>
    (c.env as { incoming?: IncomingMessage }).incoming?.socket.remoteAddress;
  return addDocs(createApp({ services, log, config, peerAddress }, allRoutes(keyring, ready)), log);
}
