/** The form of a row of the table of routes, and the paths, parameters and permissions that rows of several groups share. */

import type { SchemaName } from "../../openapi/schemas.ts";
import type { Grant } from "../grants.ts";

/** Functions on AWS that serve routes, by their names in the stack. */
export type RouteGroupName =
  | "Clusters"
  | "NodePools"
  | "Configurations"
  | "Organisations"
  | "ScheduledUpgrades"
  | "Observability"
  | "CloudAccounts"
  | "References"
  | "Health"
  | "Default";

/** A query parameter or a header of a request; `page` and `sortedPage` are the parameters of Spring's pageable. */
export type ParameterName =
  | "cloud-provider-slug"
  | "cloudProvider"
  | "clusterIdentities"
  | "cursor"
  | "display-name"
  | "dryRun"
  | "idempotencyKey"
  | "ifMatch"
  | "ifNoneMatch"
  | "includeDetails"
  | "includeManifests"
  | "maintenanceSchedule"
  | "name"
  | "page"
  | "prefer"
  | "preferWait"
  | "region"
  | "show-compute"
  | "size"
  | "sortedPage"
  | "status"
  | "statuses"
  | "version"
  | "waitFor";

/** One operation of the API. */
export interface RouteRow {
  /** Function that serves it. */
  group: RouteGroupName;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path after the dialect's prefix, with its variables in braces. A variable stands for one segment that is not empty. */
  path: string;
  /** Query parameters and headers of the request. */
  parameters: readonly ParameterName[];
  /** Schema of the JSON body; absent for an operation without a body. */
  body?: SchemaName;
  /** True if the body may be absent. */
  isBodyOptional?: true;
  /** Schema of the response; `[]` after a name makes it a list; absent for a response without a body. */
  success?: SchemaName | `${SchemaName}[]` | "object" | "string[]";
  /** Permissions on the data; absent for an operation that reads none. */
  grant?: Grant;
  /** True if it needs no token. */
  isPublic?: true;
  /** True if HEAD is refused, because the GET changes data. */
  refusesHead?: true;
  /** True if the body contains secrets, so that its hash is only stored in a form that does not let them be guessed. */
  hasSecretBody?: true;
  /** True if the response is never stored for a retry with the same idempotency key, because it contains secrets. */
  ignoresIdempotencyKey?: true;
}

/** Beginning of the paths of what an organisation has. */
export const ORGANISATION = "/orgs/{organisation}";

/** Path of all clusters of an organisation. */
export const CLUSTERS = `${ORGANISATION}/clusters`;

/** Path of a cluster. */
export const CLUSTER = `${CLUSTERS}/{environment}/{cluster}`;

/** Path of a node pool. */
export const POOL = `${CLUSTER}/pools/{nodePool}`;

/** Permissions of an operation that reads items with known keys. */
export const GETS = { table: ["BatchGetItem"], indexes: [] } as const satisfies Grant;

/** Permissions of an operation that also reads items whose keys it does not know. */
export const READS = { table: ["BatchGetItem", "Query"], indexes: [] } as const satisfies Grant;

/** Permissions of a write that also queries. A transaction needs the action of each of its operations. */
export const WRITES = {
  table: ["BatchGetItem", "Query", "PutItem", "UpdateItem"],
  indexes: [],
} as const satisfies Grant;

/** Permissions of a write of items with known keys. */
export const UPDATES = { ...GETS, table: [...GETS.table, "PutItem", "UpdateItem"] } as const satisfies Grant;

/** Permissions of a write that also queries, and deletes items. */
export const MOVES = { ...WRITES, table: [...WRITES.table, "DeleteItem"] } as const satisfies Grant;

/** Permissions of a write of items with known keys that also deletes items. */
export const REMOVES = { ...UPDATES, table: [...UPDATES.table, "DeleteItem"] } as const satisfies Grant;

/** Parameters of a POST. */
export const NEW = ["dryRun", "idempotencyKey", "prefer"] as const;

/** Parameters of a POST whose dry run can show the objects that the provisioner would make. */
export const NEW_WITH_MANIFESTS = ["dryRun", "includeManifests", "idempotencyKey", "prefer"] as const;

/** Parameters of a PATCH and a PUT whose dry run can show the objects that the provisioner would make. */
export const CHANGE_WITH_MANIFESTS = ["dryRun", "includeManifests", "ifMatch", "prefer"] as const;

/** Parameters of a PATCH, a PUT and a DELETE. */
export const CHANGE = ["dryRun", "ifMatch", "prefer"] as const;

/** Parameters of a page. */
export const PAGE = ["page", "prefer"] as const;

/** Parameters of a page of events. */
export const EVENTS = ["size", "cursor", "prefer"] as const;

/** Parameters of an operation without others. */
export const PLAIN = ["prefer"] as const;
