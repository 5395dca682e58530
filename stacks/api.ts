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
      "/api/v1/orgs/{organisation}/clusters/{environment}/{cluster}/prometheus-rules-inheritance",
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
      permissions: [{ actions: TABLE_ACTIONS, resources: [table.arn] }],
    });
    for (const path of paths) api.route(`ANY ${path}`, group.arn);
  }
  return api;
}
