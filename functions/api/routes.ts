/**
 * The table of routes: one row for each operation of the API, in the files of `routes/`. The Hono apps, the gateway's routes, the
 * functions' permissions, the OpenAPI document and the fuzz run derive from it. It contains no code of the operations, so stacks
 * and tests import it too.
 */

import type { Context } from "#core/context.ts";
import type { Route } from "../http/app.ts";
import { cloudAccounts } from "./routes/cloud-accounts.ts";
import { clusters } from "./routes/clusters.ts";
import { configurations } from "./routes/configurations.ts";
import { nodePools } from "./routes/node-pools.ts";
import { observability } from "./routes/observability.ts";
import { organisations } from "./routes/organisations.ts";
import { references } from "./routes/references.ts";
import type { RouteGroupName, RouteRow } from "./routes/row.ts";
import { scheduledUpgrades } from "./routes/scheduled-upgrades.ts";
import { service } from "./routes/service.ts";

export type { ParameterName, RouteGroupName, RouteRow } from "./routes/row.ts";

/** Prefix of the documented dialect. The operations of the service itself have none. */
export const API_PREFIX = "/api/v1";

/** Prefix of the dialect of the published clients: docs/acloud.md. */
export const ACLOUD_PREFIX = "/acloud/api/v1";

/** Every operation of the API by its id, in the order of the OpenAPI document. */
export const routes = {
  ...clusters,
  ...scheduledUpgrades,
  ...nodePools,
  ...configurations,
  ...organisations,
  ...observability,
  ...cloudAccounts,
  ...references,
  ...service,
};

/** Id of an operation. */
export type OperationId = keyof typeof routes;

/** Ids of the operations of one function. */
export type OperationIdOf<Group extends RouteGroupName> = {
  [Id in OperationId]: (typeof routes)[Id]["group"] extends Group ? Id : never;
}[OperationId];

/** Every row with its id, in the order of the OpenAPI document. */
const rows = Object.entries(routes) as [OperationId, RouteRow][];

/** Every row with its id and its whole path in the documented dialect. */
export const routeRows: readonly (RouteRow & { id: OperationId })[] = rows.map(([id, row]) => ({
  id,
  ...row,
  path: `${Object.hasOwn(service, id) ? "" : API_PREFIX}${row.path}`,
}));

/** Every row of the dialect of the published clients, with its whole path. The operations of the service itself are not among them. */
export const acloudRows: typeof routeRows = rows
  .filter(([id]) => !Object.hasOwn(service, id))
  .map(([id, row]) => ({ id, ...row, path: `${ACLOUD_PREFIX}${row.path}` }));

/** Every row of every dialect. */
export const servedRows: typeof routeRows = [...routeRows, ...acloudRows];

/** Operations of `core/` for each operation of one function. */
export type OperationsOf<Group extends RouteGroupName> = Readonly<
  Record<OperationIdOf<Group>, (context: Context, input: never) => Promise<unknown>>
>;

/** Handlers of operations by their ids. */
export type Handlers<Id extends OperationId> = Readonly<Record<Id, Route["handle"]>>;

/**
 * Returns the routes of some operations, in the order of the table.
 *
 * @param prefix prefix of their paths
 */
export const routesWith = (handlers: Partial<Handlers<OperationId>>, prefix = ""): readonly Route[] =>
  rows.flatMap(([id, { method, path, body, isBodyOptional, refusesHead, ignoresIdempotencyKey, hasSecretBody }]) => {
    const handle = handlers[id];
    const takesBody: Route["takesBody"] = body !== undefined && (isBodyOptional ? "optional" : true);
    const route = { method, path: `${prefix}${path}`, takesBody, refusesHead, ignoresIdempotencyKey, hasSecretBody };
    return handle === undefined ? [] : [{ ...route, handle }];
  });
