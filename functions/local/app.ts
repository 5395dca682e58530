/** The app of the local server: all routes, health and the docs. */

import type { IncomingMessage } from "node:http";
import type { Hono } from "hono";
import type { Keyring } from "#core/secrets/keyring.ts";
import { clusterRoutes } from "../clusters.ts";
import { configurationRoutes } from "../configurations.ts";
import { addDocs } from "../docs.ts";
import { healthRoutes } from "../health.ts";
import { type AppDependencies, createApp } from "../http/app.ts";
import { nodePoolRoutes } from "../node-pools.ts";
import { referenceRoutes } from "../references.ts";
import { upgradeRoutes } from "../upgrades.ts";

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
