/** The app of the local server: all routes, health and the docs. */

import type { IncomingMessage } from "node:http";
import type { Hono } from "hono";
import type { Keyring } from "#core/secrets/keyring.ts";
import { clusterRoutes } from "../api/clusters.ts";
import { configurationRoutes } from "../api/configurations.ts";
import { healthRoutes } from "../api/health.ts";
import { nodePoolRoutes } from "../api/node-pools.ts";
import { referenceRoutes } from "../api/references.ts";
import { upgradeRoutes } from "../api/upgrades.ts";
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
  const routes = [
    ...healthRoutes(ready),
    ...clusterRoutes,
    ...nodePoolRoutes,
    ...referenceRoutes,
    ...upgradeRoutes,
    ...configurationRoutes(keyring),
  ];
  const peerAddress: AppDependencies["peerAddress"] = (c) =>
    (c.env as { incoming?: IncomingMessage }).incoming?.socket.remoteAddress;
  return addDocs(createApp({ services, log, config, peerAddress }, routes), log);
}
