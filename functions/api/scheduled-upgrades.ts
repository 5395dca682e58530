/** Routes of the operations on scheduled upgrades. */

import { requestUpgrade } from "#core/cluster/operations/request-upgrade.ts";
import {
  cancelScheduledUpgrade,
  getScheduledUpgrade,
  listScheduledUpgrades,
} from "#core/cluster/operations/scheduled-upgrades.ts";
import { type AppDependencies, createApp } from "../http/app.ts";
import { createLambdaHandler } from "../http/lambda.ts";
import { acloudDialect } from "./acloud/dialect.ts";
import { dialectRoutes } from "./dialect.ts";
import type { OperationsOf } from "./routes.ts";
import { scheduledUpgradeDialect } from "./v1/scheduled-upgrades.ts";

/** Operations on scheduled upgrades by their ids. */
export const scheduledUpgradeOperations = {
  listScheduledClusterUpgrades: listScheduledUpgrades,
  requestScheduledClusterUpgrade: requestUpgrade,
  getScheduledClusterUpgrade: getScheduledUpgrade,
  cancelScheduledClusterUpgrade: cancelScheduledUpgrade,
} satisfies OperationsOf<"ScheduledUpgrades">;

/** Routes of the operations on scheduled upgrades. */
export const scheduledUpgradeRoutes = dialectRoutes(
  scheduledUpgradeOperations,
  scheduledUpgradeDialect,
  acloudDialect(scheduledUpgradeDialect),
);

/** Makes the app of this route group. */
const createScheduledUpgradesApp = (dependencies: AppDependencies) => createApp(dependencies, scheduledUpgradeRoutes);

/** Lambda of this route group. */
export const handler = createLambdaHandler(createScheduledUpgradesApp);
