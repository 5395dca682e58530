/** App of the local server: all routes, health and the documentation page. */

import type { IncomingMessage } from "node:http";
import type { Hono } from "hono";
import type { Keyring } from "#core/secrets/keyring.ts";
import { allRoutes } from "../api/all-routes.ts";
import { type AppDependencies, createApp } from "../http/app.ts";
import { addDocs } from "../openapi/docs-page.ts";

/** Dependencies of the app. */
interface LocalAppDependencies extends Pick<AppDependencies, "services" | "log" | "config"> {
  keyring: Keyring;
  /** Returns whether the database responds. */
  ready: () => Promise<boolean>;
}

/** Creates the app of the local server. Node's own server runs it. */
export function createLocalApp({ services, log, config, keyring, ready }: LocalAppDependencies): Hono {
  const peerAddress: AppDependencies["peerAddress"] = (c) =>
    (c.env as { incoming?: IncomingMessage }).incoming?.socket.remoteAddress;
  return addDocs(createApp({ services, log, config, peerAddress }, allRoutes(keyring, ready)), log);
}
