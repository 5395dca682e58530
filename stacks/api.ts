/// <reference path="../.sst/platform/config.d.ts" />
/** The HTTP API: the paths of each route group lead to its own function. */

/** What the API's stack depends on. */
export interface ApiInputs {
  table: sst.aws.Dynamo;
}

/** What a function of the API does to the table, and nothing else. */
const TABLE_ACTIONS = [
  "dynamodb:BatchGetItem",
  "dynamodb:Query",
  "dynamodb:PutItem",
  "dynamodb:UpdateItem",
  "dynamodb:DeleteItem",
];

/** Each route group with the paths that are its own. */
const GROUPS = [
  {
    name: "Clusters",
    handler: "functions/clusters.handler",
    paths: [
      "/api/v1/orgs/{organisation}/clusters",
      "/api/v1/orgs/{organisation}/clusters/{environment}",
      "/api/v1/orgs/{organisation}/clusters/{environment}/{cluster}",
      "/api/v1/orgs/{organisation}/clusters/{environment}/{cluster}/events",
      "/api/v1/orgs/{organisation}/clusters/{environment}/{cluster}/prometheus-rules-inheritance",
      "/api/v1/orgs/{organisation}/clusters/{environment}/{cluster}/undelete",
    ],
  },
  {
    name: "Upgrades",
    handler: "functions/upgrades.handler",
    paths: ["/api/v1/orgs/{organisation}/clusters/{environment}/{cluster}/upgrades"],
  },
  {
    name: "References",
    handler: "functions/references.handler",
    paths: [
      "/api/v1/memberships",
      "/api/v1/cluster-versions",
      "/api/v1/environments/types",
      "/api/v1/cloud-providers/{provider}/nodetypes",
      "/api/v1/organisations/{organisation}",
      "/api/v1/organisations/{organisation}/maintenance-schedule",
      "/api/v1/organisations/{organisation}/maintenance-schedule/{schedule}",
      "/api/v1/orgs/{organisation}/environments",
      "/api/v1/orgs/{organisation}/environments/{environment}",
      "/api/v1/orgs/{organisation}/cloud-accounts",
      "/api/v1/orgs/{organisation}/cloud-accounts/{account}",
      "/api/v1/orgs/{organisation}/cloud-accounts/{account}/credentials",
      "/api/v1/orgs/{organisation}/cloud-profiles",
      "/api/v1/orgs/{organisation}/cloud-providers",
      "/api/v1/orgs/{organisation}/cloud-providers/{provider}/regions",
      "/api/v1/orgs/{organisation}/cloud-providers/{provider}/regions/{region}/availability-zones",
      "/api/v1/orgs/{organisation}/update-channels",
    ],
  },
  {
    name: "NodePools",
    handler: "functions/node-pools.handler",
    paths: [
      "/api/v1/orgs/{organisation}/clusters/{environment}/{cluster}/pools",
      "/api/v1/orgs/{organisation}/clusters/{environment}/{cluster}/pools/{nodePool}",
    ],
  },
];

/** Makes the API. Every method goes to the function, which answers 405 itself where there is no such operation. */
export function createApi({ table }: ApiInputs) {
  const api = new sst.aws.ApiGatewayV2("Api", { cors: false });
  for (const { name, handler, paths } of GROUPS) {
    const group = new sst.aws.Function(name, {
      handler,
      runtime: "nodejs24.x",
      architecture: "arm64",
      memory: "1024 MB",
      // Below the gateway's own limit of 30 s, so that it is the function that answers.
      timeout: "29 seconds",
      nodejs: { minify: true },
      environment: { TABLE_NAME: table.name },
      permissions: [{ actions: TABLE_ACTIONS, resources: [table.arn, $interpolate`${table.arn}/index/*`] }],
    });
    for (const path of paths) api.route(`ANY ${path}`, group.arn);
  }
  return api;
}
