/** The rest of the table: what a cluster's creation refers to, and the service itself. */

import { type Operation, READ, READ_ALL } from "./operation.ts";
import { accountFilters, type Parameter, pageable, prefer, showCompute } from "./parameters.ts";
import type { SchemaName } from "./schemas.ts";

const ORGANISATION = "/api/v1/orgs/{organisationSlug}";
const ACCOUNTS = `${ORGANISATION}/cloud-accounts`;
const PROVIDERS = `${ORGANISATION}/cloud-providers`;
const REGIONS = `${PROVIDERS}/{cloudProviderSlug}/regions`;
const SCHEDULES = "/api/v1/organisations/{organisationSlug}/maintenance-schedule";

interface Read {
  operationId: string;
  path: string;
  summary: string;
  description: string;
  parameters?: readonly Parameter[];
}

function read(
  { parameters = [], ...given }: Read,
  success: string,
  schema: SchemaName | { arrayOf: SchemaName } | { type: string; items: object },
  headers: readonly ("Link" | "Content-Encoding" | "Vary")[] = [],
): Operation {
  return {
    ...given,
    method: "GET",
    tag: "References",
    parameters: [...parameters, prefer],
    successes: { 200: { description: success, body: { schema }, headers } },
    errors: given.path.includes("{") ? READ : READ_ALL,
  };
}

const list = ({ parameters = [], ...given }: Read, schema: SchemaName) =>
  read({ ...given, parameters: [...parameters, ...pageable()] }, "A page.", schema, [
    "Link",
    "Content-Encoding",
    "Vary",
  ]);

/** Operations on what a cluster's creation refers to. */
export const referenceOperations: readonly Operation[] = [
  list(
    {
      operationId: "listMemberships",
      path: "/api/v1/memberships",
      summary: "List memberships",
      description: "The organisations the caller is a member of, and the role in each.",
    },
    "PageOrganisationMembershipResponse",
  ),
  read(
    {
      operationId: "getOrganisation",
      path: "/api/v1/organisations/{organisationSlug}",
      summary: "Get organisation",
      description: "An organisation the caller is a member of.",
    },
    "The organisation.",
    "OrganisationResponse",
  ),
  list(
    {
      operationId: "listEnvironments",
      path: `${ORGANISATION}/environments`,
      summary: "List environments",
      description: "The environments in the caller's sight, by slug. Their totals are always shown.",
      parameters: [showCompute],
    },
    "PageEnvironmentResponse",
  ),
  read(
    {
      operationId: "getEnvironment",
      path: `${ORGANISATION}/environments/{environmentSlug}`,
      summary: "Get environment",
      description: "One environment.",
      parameters: [showCompute],
    },
    "The environment.",
    "EnvironmentResponse",
  ),
  read(
    {
      operationId: "listEnvironmentTypes",
      path: "/api/v1/environments/types",
      summary: "List environment types",
      description: "The kinds of environment there are.",
    },
    "Their names.",
    { type: "array", items: { type: "string" } },
  ),
  list(
    {
      operationId: "listCloudAccounts",
      path: ACCOUNTS,
      summary: "List cloud accounts",
      description: "The organisation's accounts with cloud providers, oldest first.",
      parameters: accountFilters,
    },
    "PageCloudAccountResponse",
  ),
  read(
    {
      operationId: "getCloudAccount",
      path: `${ACCOUNTS}/{cloudAccountIdentity}`,
      summary: "Get cloud account",
      description: "One cloud account.",
    },
    "The cloud account.",
    "CloudAccountResponse",
  ),
  list(
    {
      operationId: "listCloudCredentials",
      path: `${ACCOUNTS}/{cloudAccountIdentity}/credentials`,
      summary: "List cloud credentials",
      description: "The credentials of a cloud account, oldest first; never their secrets.",
    },
    "PageCloudCredentialsResponse",
  ),
  list(
    {
      operationId: "listCloudProfiles",
      path: `${ORGANISATION}/cloud-profiles`,
      summary: "List cloud profiles",
      description: "What cloud accounts can be made from.",
    },
    "PageCloudProfile",
  ),
  list(
    {
      operationId: "listCloudProviders",
      path: PROVIDERS,
      summary: "List cloud providers",
      description: "The cloud providers there are.",
    },
    "PageCloudProvider",
  ),
  list(
    {
      operationId: "listRegions",
      path: REGIONS,
      summary: "List regions",
      description: "The regions of a cloud provider.",
    },
    "PageRegion",
  ),
  list(
    {
      operationId: "listAvailabilityZones",
      path: `${REGIONS}/{regionSlug}/availability-zones`,
      summary: "List availability zones",
      description: "The availability zones of a region.",
    },
    "PageAvailabilityZone",
  ),
  list(
    {
      operationId: "listNodeTypes",
      path: "/api/v1/cloud-providers/{cloudProviderSlug}/nodetypes",
      summary: "List node types",
      description: "What nodes a cloud provider has: cores and MB.",
    },
    "PageNodeType",
  ),
  read(
    {
      operationId: "listClusterVersions",
      path: "/api/v1/cluster-versions",
      summary: "List cluster versions",
      description: "The versions clusters can be made with, oldest first.",
    },
    "The versions.",
    { arrayOf: "ClusterVersion" },
  ),
  list(
    {
      operationId: "listUpdateChannels",
      path: `${ORGANISATION}/update-channels`,
      summary: "List update channels",
      description: "The update channels, by the version they lead to.",
    },
    "PageUpdateChannelResponse",
  ),
  read(
    {
      operationId: "listMaintenanceSchedules",
      path: SCHEDULES,
      summary: "List maintenance schedules",
      description: "The organisation's maintenance schedules, oldest first.",
    },
    "The schedules.",
    { arrayOf: "MaintenanceScheduleResponse" },
  ),
  read(
    {
      operationId: "getMaintenanceSchedule",
      path: `${SCHEDULES}/{maintenanceScheduleIdentity}`,
      summary: "Get maintenance schedule",
      description: "One maintenance schedule.",
    },
    "The schedule.",
    "MaintenanceScheduleResponse",
  ),
];

const service = {
  method: "GET",
  tag: "Service",
  parameters: [],
  open: true,
} as const;

const healthy = { description: "It is.", body: { schema: "HealthResponse" } } as const;

/** Operations on the service itself. */
export const serviceOperations: readonly Operation[] = [
  {
    ...service,
    operationId: "getHealth",
    path: "/healthz",
    summary: "Is the server there",
    description: "Asks nothing but the process itself.",
    successes: { 200: healthy },
    errors: [500],
  },
  {
    ...service,
    operationId: "getReadiness",
    path: "/readyz",
    summary: "Can the server serve",
    description: "Asks the database.",
    successes: { 200: healthy },
    errors: [500, 503],
  },
  {
    ...service,
    operationId: "getOpenApi",
    path: "/openapi.json",
    summary: "Get this document",
    description: "This OpenAPI document.",
    successes: {
      200: {
        description: "The document.",
        body: { schema: { type: "object" } },
        headers: ["ETag"],
      },
      304: { description: "It is as the caller knows it.", headers: ["ETag"] },
    },
    errors: [],
  },
];
