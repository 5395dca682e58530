/**
 * The table of routes: one row for each operation of the API. The Hono apps, the gateway's routes, the functions' permissions,
 * the OpenAPI document and the fuzz run derive from it. It contains no code of the operations, so stacks and tests import it too.
 */

import type { Context } from "#core/context.ts";
import { LIST_INDEX, PREVIOUS_LIST_INDEX } from "#core/table/definition.ts";
import type { Route } from "../http/app.ts";
import type { SchemaName } from "../openapi/schemas.ts";
import type { Grant } from "./grants.ts";

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

const ORGANISATION = "/orgs/{organisation}";
const CLUSTERS = `${ORGANISATION}/clusters`;
const CLUSTER = `${CLUSTERS}/{environment}/{cluster}`;
const UPGRADES = `${ORGANISATION}/scheduled-cluster-upgrades`;
const POOL = `${CLUSTER}/pools/{nodePool}`;
const ENVIRONMENTS = `${ORGANISATION}/environments`;
const ACCOUNTS = `${ORGANISATION}/cloud-accounts`;
const ACCOUNT = `${ACCOUNTS}/{account}`;
const PROVIDER = `${ORGANISATION}/cloud-providers/{provider}`;
const MEMBERS = "/organisations/{organisation}/members";
const MEMBER = `${MEMBERS}/{member}`;
const SCHEDULES = "/organisations/{organisation}/maintenance-schedule";

const TENANTS = `${ORGANISATION}/monitoring`;
const TENANT = `${TENANTS}/{tenant}`;
const SILENCES = `${ORGANISATION}/observability/{tenant}/silences`;

const GETS = { table: ["BatchGetItem"], indexes: [] } as const satisfies Grant;
const READS = { table: ["BatchGetItem", "Query"], indexes: [] } as const satisfies Grant;
const LISTS = { table: ["BatchGetItem", "Query"], indexes: [LIST_INDEX, PREVIOUS_LIST_INDEX] } as const satisfies Grant;
// A transaction needs the action of each of its operations.
const WRITES = { table: ["BatchGetItem", "Query", "PutItem", "UpdateItem"], indexes: [] } as const satisfies Grant;
const UPDATES = { ...GETS, table: [...GETS.table, "PutItem", "UpdateItem"] } as const satisfies Grant;
const MOVES = { ...WRITES, table: [...WRITES.table, "DeleteItem"] } as const satisfies Grant;
const REMOVES = { ...UPDATES, table: [...UPDATES.table, "DeleteItem"] } as const satisfies Grant;
// Secrets can be written with it, and not be read.
const SEALS = { ...UPDATES, key: ["GenerateDataKey"] } as const satisfies Grant;
const SECRETS = { ...READS, key: ["Decrypt"] } as const satisfies Grant;
const ISSUES = { ...READS, table: [...READS.table, "PutItem", "ConditionCheckItem"] } as const satisfies Grant;

const CLUSTER_LIST = [
  "maintenanceSchedule",
  "status",
  "cloudProvider",
  "region",
  "version",
  "name",
  "show-compute",
  "includeDetails",
  "sortedPage",
  "prefer",
] as const;
const NEW = ["dryRun", "idempotencyKey", "prefer"] as const;
const CHANGE = ["dryRun", "ifMatch", "prefer"] as const;
const PAGE = ["page", "prefer"] as const;
const EVENTS = ["size", "cursor", "prefer"] as const;
const PLAIN = ["prefer"] as const;

const clusters = {
  listOrganisationClusters: {
    group: "Clusters",
    method: "GET",
    path: CLUSTERS,
    parameters: CLUSTER_LIST,
    success: "PageClusterResponse",
    grant: LISTS,
  },
  listEnvironmentClusters: {
    group: "Clusters",
    method: "GET",
    path: `${CLUSTERS}/{environment}`,
    parameters: CLUSTER_LIST,
    success: "PageClusterResponse",
    grant: LISTS,
  },
  createCluster: {
    group: "Clusters",
    method: "POST",
    path: `${CLUSTERS}/{environment}`,
    parameters: NEW,
    body: "CreateCluster",
    success: "ClusterResponse",
    grant: WRITES,
  },
  getCluster: {
    group: "Clusters",
    method: "GET",
    path: CLUSTER,
    parameters: ["show-compute", "includeDetails", "waitFor", "ifNoneMatch", "preferWait"],
    success: "ClusterResponse",
    grant: GETS,
  },
  updateCluster: {
    group: "Clusters",
    method: "PATCH",
    path: CLUSTER,
    parameters: CHANGE,
    body: "UpdateCluster",
    success: "ClusterResponse",
    grant: MOVES,
  },
  moveCluster: {
    group: "Clusters",
    method: "POST",
    path: `${CLUSTERS}/{cluster}/move`,
    parameters: ["dryRun", "ifMatch", "idempotencyKey", "prefer"],
    body: "MoveCluster",
    success: "ClusterResponse",
    grant: MOVES,
  },
  updatePrometheusRulesInheritance: {
    group: "Clusters",
    method: "POST",
    path: `${CLUSTER}/prometheus-rules-inheritance`,
    parameters: NEW,
    body: "UpdatePrometheusRules",
    success: "MessageResponse",
    grant: WRITES,
  },
  undeleteCluster: {
    group: "Clusters",
    method: "POST",
    path: `${CLUSTER}/undelete`,
    parameters: NEW,
    body: "UndeleteCluster",
    isBodyOptional: true,
    success: "ClusterResponse",
    grant: MOVES,
  },
  getClusterUpgrades: {
    group: "Clusters",
    method: "GET",
    path: `${CLUSTER}/upgrades`,
    parameters: PLAIN,
    success: "ClusterUpgradesResponse",
    grant: GETS,
  },
  listClusterEvents: {
    group: "Clusters",
    method: "GET",
    path: `${CLUSTER}/events`,
    parameters: EVENTS,
    success: "ClusterEventsResponse",
    grant: READS,
  },
} as const satisfies Record<string, RouteRow>;

const scheduledUpgrades = {
  listScheduledClusterUpgrades: {
    group: "ScheduledUpgrades",
    method: "GET",
    path: UPGRADES,
    parameters: ["clusterIdentities", "statuses", "page", "prefer"],
    success: "PageScheduledClusterUpgradeResponse",
    grant: READS,
  },
  requestScheduledClusterUpgrade: {
    group: "ScheduledUpgrades",
    method: "POST",
    path: UPGRADES,
    parameters: NEW,
    body: "RequestScheduledClusterUpgrade",
    success: "ScheduledClusterUpgradeResponse",
    grant: MOVES,
  },
  getScheduledClusterUpgrade: {
    group: "ScheduledUpgrades",
    method: "GET",
    path: `${UPGRADES}/{upgrade}`,
    parameters: ["ifNoneMatch", "prefer"],
    success: "ScheduledClusterUpgradeResponse",
    grant: GETS,
  },
  cancelScheduledClusterUpgrade: {
    group: "ScheduledUpgrades",
    method: "DELETE",
    path: `${UPGRADES}/{upgrade}`,
    parameters: CHANGE,
    success: "ScheduledClusterUpgradeResponse",
    grant: UPDATES,
  },
} as const satisfies Record<string, RouteRow>;

const nodePools = {
  listNodePools: {
    group: "NodePools",
    method: "GET",
    path: `${CLUSTER}/pools`,
    parameters: PLAIN,
    success: "ClusterNodePoolResponse[]",
    grant: READS,
  },
  createNodePool: {
    group: "NodePools",
    method: "POST",
    path: `${CLUSTER}/pools`,
    parameters: NEW,
    body: "CreateNodePool",
    success: "ClusterNodePoolResponse",
    grant: WRITES,
  },
  getNodePool: {
    group: "NodePools",
    method: "GET",
    path: POOL,
    parameters: ["ifNoneMatch", "prefer"],
    success: "ClusterNodePoolResponse",
    grant: READS,
  },
  updateNodePool: {
    group: "NodePools",
    method: "PUT",
    path: POOL,
    parameters: CHANGE,
    body: "UpdateNodePool",
    success: "ClusterNodePoolResponse",
    grant: WRITES,
  },
  deleteNodePool: {
    group: "NodePools",
    method: "DELETE",
    path: POOL,
    parameters: CHANGE,
    grant: WRITES,
  },
} as const satisfies Record<string, RouteRow>;

const configurations = {
  getClusterJoinConfig: {
    group: "Configurations",
    method: "GET",
    path: `${CLUSTER}/join-config`,
    parameters: PLAIN,
    success: "JoinConfigResponse",
    grant: ISSUES,
    refusesHead: true,
  },
  getNodePoolJoinConfig: {
    group: "Configurations",
    method: "GET",
    path: `${POOL}/join-config`,
    parameters: PLAIN,
    success: "JoinConfigResponse",
    grant: ISSUES,
    refusesHead: true,
  },
  createNodePoolJoinConfig: {
    group: "Configurations",
    method: "POST",
    path: `${POOL}/join-config`,
    parameters: PLAIN,
    success: "JoinConfigResponse",
    grant: ISSUES,
    ignoresIdempotencyKey: true,
  },
  getClusterOidcConfig: {
    group: "Configurations",
    method: "GET",
    path: `${CLUSTER}/oidc-config`,
    parameters: PLAIN,
    success: "OidcConfigResponse",
    grant: SECRETS,
  },
  getClusterKubeconfig: {
    group: "Configurations",
    method: "GET",
    path: `${CLUSTER}/kubeconfig`,
    parameters: PLAIN,
    success: "KubeconfigResponse",
    grant: SECRETS,
  },
} as const satisfies Record<string, RouteRow>;

const organisations = {
  listEnvironments: {
    group: "Organisations",
    method: "GET",
    path: ENVIRONMENTS,
    parameters: ["show-compute", ...PAGE],
    success: "PageEnvironmentResponse",
    grant: READS,
  },
  createEnvironment: {
    group: "Organisations",
    method: "POST",
    path: ENVIRONMENTS,
    parameters: NEW,
    body: "CreateEnvironment",
    success: "EnvironmentResponse",
    grant: UPDATES,
  },
  getEnvironment: {
    group: "Organisations",
    method: "GET",
    path: `${ENVIRONMENTS}/{environment}`,
    parameters: ["show-compute", "ifNoneMatch", "prefer"],
    success: "EnvironmentResponse",
    grant: GETS,
  },
  updateEnvironment: {
    group: "Organisations",
    method: "PATCH",
    path: `${ENVIRONMENTS}/{environment}`,
    parameters: CHANGE,
    body: "UpdateEnvironment",
    success: "EnvironmentResponse",
    grant: UPDATES,
  },
  deleteEnvironment: {
    group: "Organisations",
    method: "DELETE",
    path: `${ENVIRONMENTS}/{environment}`,
    parameters: CHANGE,
    grant: { ...MOVES, table: [...MOVES.table, "ConditionCheckItem"] },
  },
  listEnvironmentMembers: {
    group: "Organisations",
    method: "GET",
    path: `${ENVIRONMENTS}/{environment}/members`,
    parameters: PAGE,
    success: "PageEnvironmentMemberResponse",
    grant: READS,
  },
  setEnvironmentMember: {
    group: "Organisations",
    method: "POST",
    path: `${ENVIRONMENTS}/{environment}/members/{member}`,
    parameters: ["dryRun", "ifMatch", "prefer"],
    body: "SetEnvironmentMember",
    success: "MemberResponse",
    grant: { table: ["BatchGetItem", "PutItem"], indexes: [] },
  },
  deleteEnvironmentMember: {
    group: "Organisations",
    method: "DELETE",
    path: `${ENVIRONMENTS}/{environment}/members/{member}`,
    parameters: CHANGE,
    grant: { table: ["BatchGetItem", "PutItem"], indexes: [] },
  },
  getOwnMembership: {
    group: "Organisations",
    method: "GET",
    path: "/organisations/{organisation}/me",
    parameters: ["ifNoneMatch", "prefer"],
    success: "MemberResponse",
    grant: GETS,
  },
  listMembers: {
    group: "Organisations",
    method: "GET",
    path: MEMBERS,
    parameters: PAGE,
    success: "PageMemberResponse",
    grant: READS,
  },
  createMember: {
    group: "Organisations",
    method: "POST",
    path: MEMBERS,
    parameters: NEW,
    body: "CreateMember",
    success: "MemberResponse",
    grant: WRITES,
  },
  getMember: {
    group: "Organisations",
    method: "GET",
    path: MEMBER,
    parameters: ["ifNoneMatch", "prefer"],
    success: "MemberResponse",
    grant: GETS,
  },
  updateMember: {
    group: "Organisations",
    method: "PATCH",
    path: MEMBER,
    parameters: CHANGE,
    body: "UpdateMember",
    success: "MemberResponse",
    grant: WRITES,
  },
  deleteMember: { group: "Organisations", method: "DELETE", path: MEMBER, parameters: CHANGE, grant: MOVES },
  listTokens: {
    group: "Organisations",
    method: "GET",
    path: "/tokens",
    parameters: PAGE,
    success: "PageTokenResponse",
    grant: READS,
  },
  createToken: {
    group: "Organisations",
    method: "POST",
    path: "/tokens",
    parameters: NEW,
    body: "CreateToken",
    success: "NewTokenResponse",
    grant: { table: ["BatchGetItem", "PutItem", "UpdateItem"], indexes: [] },
  },
  deleteToken: {
    group: "Organisations",
    method: "DELETE",
    path: "/tokens/{token}",
    parameters: ["dryRun", "prefer"],
    grant: { table: ["BatchGetItem", "UpdateItem", "DeleteItem"], indexes: [] },
  },
  listMaintenanceSchedules: {
    group: "Organisations",
    method: "GET",
    path: SCHEDULES,
    parameters: PLAIN,
    success: "MaintenanceScheduleResponse[]",
    grant: GETS,
  },
  createMaintenanceSchedule: {
    group: "Organisations",
    method: "POST",
    path: SCHEDULES,
    parameters: NEW,
    body: "CreateMaintenanceSchedule",
    success: "MaintenanceScheduleResponse",
    grant: UPDATES,
  },
  getMaintenanceSchedule: {
    group: "Organisations",
    method: "GET",
    path: `${SCHEDULES}/{schedule}`,
    parameters: ["ifNoneMatch", "prefer"],
    success: "MaintenanceScheduleResponse",
    grant: GETS,
  },
  updateMaintenanceSchedule: {
    group: "Organisations",
    method: "PATCH",
    path: `${SCHEDULES}/{schedule}`,
    parameters: CHANGE,
    body: "UpdateMaintenanceSchedule",
    success: "MaintenanceScheduleResponse",
    grant: UPDATES,
  },
  deleteMaintenanceSchedule: {
    group: "Organisations",
    method: "DELETE",
    path: `${SCHEDULES}/{schedule}`,
    parameters: CHANGE,
    grant: REMOVES,
  },
  listOrganisationEvents: {
    group: "Organisations",
    method: "GET",
    path: "/organisations/{organisation}/events",
    parameters: EVENTS,
    success: "OrganisationEventsResponse",
    grant: READS,
  },
} as const satisfies Record<string, RouteRow>;

// Writes of what a tenant has require the tenant.
const WRITES_OF_TENANT = {
  table: ["BatchGetItem", "PutItem", "ConditionCheckItem"],
  indexes: [],
} as const satisfies Grant;

const observability = {
  listObservabilityTenants: {
    group: "Observability",
    method: "GET",
    path: TENANTS,
    parameters: PAGE,
    success: "PageObservabilityTenant",
    grant: READS,
  },
  createObservabilityTenant: {
    group: "Observability",
    method: "POST",
    path: TENANTS,
    parameters: NEW,
    body: "CreateObservabilityTenant",
    success: "ObservabilityTenant",
    grant: { table: ["BatchGetItem", "PutItem", "UpdateItem"], indexes: [] },
  },
  getObservabilityTenant: {
    group: "Observability",
    method: "GET",
    path: TENANT,
    parameters: ["ifNoneMatch", "prefer"],
    success: "ObservabilityTenant",
    grant: GETS,
  },
  updateObservabilityTenant: {
    group: "Observability",
    method: "PATCH",
    path: TENANT,
    parameters: CHANGE,
    body: "UpdateObservabilityTenant",
    success: "ObservabilityTenant",
    grant: { table: ["BatchGetItem", "PutItem"], indexes: [] },
  },
  deleteObservabilityTenant: {
    group: "Observability",
    method: "DELETE",
    path: TENANT,
    parameters: CHANGE,
    grant: { table: ["BatchGetItem", "PutItem", "UpdateItem", "DeleteItem"], indexes: [] },
  },
  getAlertmanagerConfiguration: {
    group: "Observability",
    method: "GET",
    path: `${TENANT}/alertmanager`,
    parameters: ["ifNoneMatch", "prefer"],
    success: "AlertmanagerConfiguration",
    grant: GETS,
  },
  updateAlertmanagerConfiguration: {
    group: "Observability",
    method: "POST",
    path: `${TENANT}/alertmanager`,
    parameters: ["dryRun", "ifMatch", "idempotencyKey", "prefer"],
    body: "UpdateAlertmanagerConfiguration",
    success: "AlertmanagerConfiguration",
    grant: WRITES_OF_TENANT,
  },
  listSilences: {
    group: "Observability",
    method: "GET",
    path: SILENCES,
    parameters: PLAIN,
    success: "SilenceResponse[]",
    grant: GETS,
  },
  createSilence: {
    group: "Observability",
    method: "POST",
    path: SILENCES,
    parameters: NEW,
    body: "CreateSilence",
    success: "SilenceResponse",
    grant: WRITES_OF_TENANT,
  },
  expireSilence: {
    group: "Observability",
    method: "DELETE",
    path: `${SILENCES}/{silence}`,
    parameters: CHANGE,
    grant: WRITES_OF_TENANT,
  },
  listOrganisationAlerts: {
    group: "Observability",
    method: "GET",
    path: `${ORGANISATION}/alerts`,
    parameters: PLAIN,
    success: "Alert[]",
    grant: GETS,
  },
  listTenantAlerts: {
    group: "Observability",
    method: "GET",
    path: `${ORGANISATION}/alerts/{tenant}`,
    parameters: PLAIN,
    success: "Alert[]",
    grant: GETS,
  },
} as const satisfies Record<string, RouteRow>;

const cloudAccounts = {
  listCloudAccounts: {
    group: "CloudAccounts",
    method: "GET",
    path: ACCOUNTS,
    parameters: ["display-name", "cloud-provider-slug", ...PAGE],
    success: "PageCloudAccountResponse",
    grant: GETS,
  },
  createCloudAccount: {
    group: "CloudAccounts",
    method: "POST",
    path: ACCOUNTS,
    parameters: NEW,
    body: "CreateCloudAccount",
    success: "CloudAccountResponse",
    grant: UPDATES,
  },
  getCloudAccount: {
    group: "CloudAccounts",
    method: "GET",
    path: ACCOUNT,
    parameters: ["ifNoneMatch", "prefer"],
    success: "CloudAccountResponse",
    grant: GETS,
  },
  updateCloudAccount: {
    group: "CloudAccounts",
    method: "PATCH",
    path: ACCOUNT,
    parameters: CHANGE,
    body: "UpdateCloudAccount",
    success: "CloudAccountResponse",
    grant: UPDATES,
  },
  deleteCloudAccount: {
    group: "CloudAccounts",
    method: "DELETE",
    path: ACCOUNT,
    parameters: CHANGE,
    grant: REMOVES,
  },
  listCloudCredentials: {
    group: "CloudAccounts",
    method: "GET",
    path: `${ACCOUNT}/credentials`,
    parameters: PAGE,
    success: "PageCloudCredentialsResponse",
    grant: GETS,
  },
  createCloudCredentials: {
    group: "CloudAccounts",
    method: "POST",
    path: `${ACCOUNT}/credentials/{cloudType}`,
    parameters: NEW,
    body: "CreateCloudCredentials",
    hasSecretBody: true,
    success: "CloudCredentialsResponse",
    grant: SEALS,
  },
  getCloudCredentials: {
    group: "CloudAccounts",
    method: "GET",
    path: `${ACCOUNT}/credentials/{credentials}`,
    parameters: ["ifNoneMatch", "prefer"],
    success: "CloudCredentialsResponse",
    grant: GETS,
  },
  updateCloudCredentials: {
    group: "CloudAccounts",
    method: "PUT",
    path: `${ACCOUNT}/credentials/{credentials}`,
    parameters: CHANGE,
    body: "UpdateCloudCredentials",
    hasSecretBody: true,
    success: "CloudCredentialsResponse",
    grant: SEALS,
  },
  deleteCloudCredentials: {
    group: "CloudAccounts",
    method: "DELETE",
    path: `${ACCOUNT}/credentials/{credentials}`,
    parameters: CHANGE,
    grant: REMOVES,
  },
} as const satisfies Record<string, RouteRow>;

const read = <const Row extends Omit<RouteRow, "group" | "method">>(row: Row) =>
  ({ group: "References", method: "GET", ...row }) as const;

const references = {
  listMemberships: read({
    path: "/memberships",
    parameters: PAGE,
    success: "PageOrganisationMembershipResponse",
    grant: READS,
  }),
  getOrganisation: read({
    path: "/organisations/{organisation}",
    parameters: PLAIN,
    success: "OrganisationResponse",
    grant: GETS,
  }),
  listEnvironmentTypes: read({
    path: "/environments/types",
    parameters: PLAIN,
    success: "string[]",
    grant: GETS,
  }),
  listCloudProfiles: read({
    path: `${ORGANISATION}/cloud-profiles`,
    parameters: PAGE,
    success: "PageCloudProfile",
    grant: GETS,
  }),
  listCloudProviders: read({
    path: `${ORGANISATION}/cloud-providers`,
    parameters: PAGE,
    success: "PageCloudProvider",
    grant: GETS,
  }),
  listRegions: read({ path: `${PROVIDER}/regions`, parameters: PAGE, success: "PageRegion", grant: GETS }),
  listAvailabilityZones: read({
    path: `${PROVIDER}/regions/{region}/availability-zones`,
    parameters: PAGE,
    success: "PageAvailabilityZone",
    grant: GETS,
  }),
  listNodeTypes: read({
    path: "/cloud-providers/{provider}/nodetypes",
    parameters: PAGE,
    success: "PageNodeType",
    grant: GETS,
  }),
  listClusterVersions: read({
    path: "/cluster-versions",
    parameters: PLAIN,
    success: "ClusterVersion[]",
    grant: GETS,
  }),
  listUpdateChannels: read({
    path: `${ORGANISATION}/update-channels`,
    parameters: PAGE,
    success: "PageUpdateChannelResponse",
    grant: GETS,
  }),
} as const satisfies Record<string, RouteRow>;

const service = {
  getHealth: {
    group: "Health",
    method: "GET",
    path: "/healthz",
    parameters: [],
    success: "HealthResponse",
    isPublic: true,
  },
  getReadiness: {
    group: "Health",
    method: "GET",
    path: "/readyz",
    parameters: [],
    success: "HealthResponse",
    grant: GETS,
    isPublic: true,
  },
  getOpenApi: {
    group: "Default",
    method: "GET",
    path: "/openapi.json",
    parameters: [],
    success: "object",
    isPublic: true,
  },
} as const satisfies Record<string, RouteRow>;

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
