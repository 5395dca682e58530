/** The operations whose database consumption `npm run bench:costs` measures, in the order of docs/cost.md. */

import { API_PREFIX, type OperationId, routes } from "#functions/api/routes.ts";
import type { Json, Tenant } from "#test/support/world.ts";

/** Values for paths and bodies: those of the existing items, and those that earlier responses returned. */
export type Values = Record<string, string>;

/** Operation to measure. */
export interface MeasuredOperation {
  /** Name in docs/cost.md. */
  name: string;
  id: OperationId;
  query?: string;
  /** Values of path variables that differ from the values of `Values`. */
  at?: Readonly<Values>;
  body?: unknown;
  /** Body that depends on the organisation. */
  bodyOf?: (tenant: Tenant, values: Readonly<Values>) => unknown;
  /** Property of the response that later operations use as a value, by the value's name. */
  keeps?: Readonly<Record<string, string>>;
}

type More = Omit<MeasuredOperation, "name" | "id">;

const operation = (name: string, id: OperationId, more: More = {}): MeasuredOperation => ({ name, id, ...more });

const poolNamed = (name: string) => ({ name, nodeSize: "t3.medium" });

const creation = (name: string, nodePools: Json[], more: More = {}) =>
  operation(`create a cluster with ${name}`, "createCluster", {
    at: { environment: "staging" },
    bodyOf: (tenant) => tenant.creation({ name: `with ${name}`, nodePools }),
    ...more,
  });

const SECRETS = { accessKeyId: "id of costs", accessKeySecret: "secret of costs" };

const clusterReads = [
  operation("get a cluster", "getCluster"),
  operation("get a cluster, with details", "getCluster", { query: "?includeDetails=true" }),
  operation("list clusters, 50", "listOrganisationClusters", { query: "?pageSize=50" }),
  operation("list clusters of an environment, 50", "listEnvironmentClusters", { query: "?pageSize=50" }),
  operation("list clusters by name, 50", "listOrganisationClusters", { query: "?pageSize=50&sort=name" }),
  operation("list events", "listClusterEvents"),
  operation("list upgrades", "getClusterUpgrades"),
  operation("list node pools", "listNodePools"),
  operation("get a node pool", "getNodePool"),
  operation("get the join configuration", "getClusterJoinConfig"),
  operation("get a pool's join configuration", "getNodePoolJoinConfig"),
  operation("create a pool's join configuration", "createNodePoolJoinConfig"),
  operation("get the OIDC configuration", "getClusterOidcConfig"),
  operation("get the kubeconfig", "getClusterKubeconfig"),
];

const organisation = [
  operation("list memberships", "listMemberships"),
  operation("get the caller's membership", "getOwnMembership"),
  operation("get an organisation", "getOrganisation"),
  operation("list environments", "listEnvironments"),
  operation("get an environment", "getEnvironment"),
  operation("create an environment", "createEnvironment", { body: { name: "Review", type: "development" } }),
  operation("change an environment", "updateEnvironment", {
    at: { environment: "review" },
    body: { description: "Reviews" },
  }),
  operation("delete an environment", "deleteEnvironment", { at: { environment: "review" } }),
  operation("list events of an organisation", "listOrganisationEvents"),
  operation("list environment types", "listEnvironmentTypes"),
  operation("create a member", "createMember", {
    body: { email: "member@example.com", role: "viewer" },
    keeps: { member: "memberIdentity" },
  }),
  operation("list members", "listMembers"),
  operation("get a member", "getMember"),
  operation("change a member", "updateMember", { body: { role: "developer" } }),
  operation("set roles of a member in an environment", "setEnvironmentMember", { body: { role: "admin" } }),
  operation("list members of an environment", "listEnvironmentMembers"),
  operation("delete roles of a member in an environment", "deleteEnvironmentMember"),
  operation("delete a member", "deleteMember"),
  operation("create a token", "createToken", { body: { name: "costs" }, keeps: { token: "identity" } }),
  operation("list tokens", "listTokens"),
  operation("delete a token", "deleteToken"),
];

const references = [
  operation("list maintenance schedules", "listMaintenanceSchedules"),
  operation("get a maintenance schedule", "getMaintenanceSchedule"),
  operation("create a maintenance schedule", "createMaintenanceSchedule", {
    body: { name: "nightly" },
    keeps: { schedule: "identity" },
  }),
  operation("change a maintenance schedule", "updateMaintenanceSchedule", {
    body: { windows: [{ day: "SUNDAY", startTime: "02:00", duration: 120 }] },
  }),
  operation("delete a maintenance schedule", "deleteMaintenanceSchedule"),
  operation("list cloud accounts", "listCloudAccounts"),
  operation("get a cloud account", "getCloudAccount"),
  operation("create a cloud account", "createCloudAccount", {
    bodyOf: ({ account: { cloudProfile } }) => ({ displayName: "Costs", cloudProfile }),
    keeps: { account: "identity" },
  }),
  operation("change a cloud account", "updateCloudAccount", { body: { displayName: "Measured" } }),
  operation("create credentials", "createCloudCredentials", {
    body: { displayName: "Costs", credentials: SECRETS },
    keeps: { credentials: "identity" },
  }),
  operation("list credentials", "listCloudCredentials"),
  operation("get credentials", "getCloudCredentials"),
  operation("change credentials", "updateCloudCredentials", { body: { credentials: SECRETS } }),
  operation("delete credentials", "deleteCloudCredentials"),
  operation("delete a cloud account", "deleteCloudAccount"),
  operation("list cloud profiles", "listCloudProfiles"),
  operation("list cloud providers", "listCloudProviders"),
  operation("list regions", "listRegions"),
  operation("list availability zones", "listAvailabilityZones"),
  operation("list node types", "listNodeTypes"),
  operation("list update channels", "listUpdateChannels"),
  operation("list versions", "listClusterVersions"),
];

const observability = [
  operation("create an observability tenant", "createObservabilityTenant", { body: { name: "web" } }),
  operation("list observability tenants", "listObservabilityTenants"),
  operation("get an observability tenant", "getObservabilityTenant"),
  operation("change an observability tenant", "updateObservabilityTenant", { body: { name: "Web" } }),
  operation("get the Alertmanager configuration", "getAlertmanagerConfiguration"),
  operation("change the Alertmanager configuration", "updateAlertmanagerConfiguration", {
    body: { ruleFiles: { "rules.yaml": "groups: []" } },
  }),
  operation("create a silence", "createSilence", {
    body: { comment: "Costs", endsAt: "2099-01-01T00:00:00Z", matchers: [{ name: "alertname", value: "Costs" }] },
    keeps: { silence: "id" },
  }),
  operation("list silences", "listSilences"),
  operation("expire a silence", "expireSilence"),
  operation("list alerts", "listOrganisationAlerts"),
  operation("list alerts of an observability tenant", "listTenantAlerts"),
  operation("delete an observability tenant", "deleteObservabilityTenant"),
];

const clusterWrites = [
  creation("no node pool", []),
  creation("a node pool", [poolNamed("web")], { keeps: { clusterToUpgrade: "identity" } }),
  creation(
    "10 node pools",
    Array.from({ length: 10 }, (_, number) => poolNamed(`pool-${number}`)),
  ),
  operation("change a cluster", "updateCluster", { body: { enableAutoUpgrade: true } }),
  operation("change Prometheus rules", "updatePrometheusRulesInheritance", {
    body: { environmentPrometheusRules: false },
  }),
  operation("create a node pool", "createNodePool", { body: poolNamed("jobs") }),
  operation("change a node pool", "updateNodePool", { body: { minSize: 2, maxSize: 2 } }),
  operation("delete a node pool", "deleteNodePool"),
  operation("create a scheduled upgrade", "requestScheduledClusterUpgrade", {
    bodyOf: (_, { clusterToUpgrade }) => ({ clusterIdentity: clusterToUpgrade, version: "v1.35.1-u-ame.1" }),
    keeps: { upgrade: "identity" },
  }),
  operation("list scheduled upgrades", "listScheduledClusterUpgrades"),
  operation("get a scheduled upgrade", "getScheduledClusterUpgrade"),
  operation("cancel a scheduled upgrade", "cancelScheduledClusterUpgrade"),
  operation("move a cluster", "moveCluster", {
    at: { cluster: "with-no-node-pool" },
    body: { currentEnvironment: "staging", newEnvironment: "production" },
  }),
  operation("delete a cluster", "updateCluster", { body: { status: "deleting" } }),
  operation("undelete a cluster", "undeleteCluster"),
];

/** Every operation of the API, with writes in a possible order. */
export const measuredOperations: readonly MeasuredOperation[] = [
  ...clusterReads,
  ...organisation,
  ...references,
  ...observability,
  ...clusterWrites,
];

/**
 * Builds the path of a request to an operation.
 *
 * @throws Error that names a path variable without a value
 */
export function pathOf({ name, id, query = "", at }: MeasuredOperation, values: Readonly<Values>): string {
  const filled = routes[id].path.replaceAll(/\{(\w+)\}/g, (_, variable: string) => {
    const value = at?.[variable] ?? values[variable];
    if (value === undefined) throw new Error(`${name}: no value of ${variable}`);
    return value;
  });
  return `${API_PREFIX}${filled}${query}`;
}
