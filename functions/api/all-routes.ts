/** Every route of the API with its handler, for servers that serve them all in one process. */

import type { Keyring } from "#core/secrets/keyring.ts";
import type { Route } from "../http/app.ts";
import { cloudAccountRoutes } from "./cloud-accounts.ts";
import { clusterRoutes } from "./clusters.ts";
import { configurationRoutes } from "./configurations.ts";
import { healthRoutes } from "./health.ts";
import { nodePoolRoutes } from "./node-pools.ts";
import { observabilityRoutes } from "./observability.ts";
import { organisationRoutes } from "./organisations.ts";
import { referenceRoutes } from "./references.ts";
import { scheduledUpgradeRoutes } from "./scheduled-upgrades.ts";

/**
 * Returns every route, without those of the documentation's page.
 *
 * @param keyring keyring with which secrets are encrypted
 * @param ready returns whether the database responds
 */
export const allRoutes = (keyring: Keyring, ready: () => Promise<boolean>): readonly Route[] => [
  ...healthRoutes(ready),
  ...clusterRoutes,
  ...scheduledUpgradeRoutes,
  ...nodePoolRoutes,
  ...organisationRoutes,
  ...observabilityRoutes,
  ...cloudAccountRoutes(keyring),
  ...referenceRoutes,
  ...configurationRoutes(keyring),
];
