/// <reference path="../.sst/platform/config.d.ts" />
/** HTTP API: the paths of each route group lead to its own function. */

import { type RouteGroup, routeGroups } from "../functions/api/route-groups.ts";
import { createFunction, type Shared } from "./function.ts";

/** Inputs of the API's stack. */
type ApiInputs = Shared;

/** Limits of all requests together; above them the gateway responds with 429. */
const REQUESTS_PER_SECOND = 500;
const REQUESTS_AT_ONCE = 1000;

/**
 * Format of the access log. It contains no value that a caller can choose freely, because the gateway does not escape quotes.
 * Functions log paths and clients, with the same request id.
 */
const ACCESS_LOG = `{${[
  '"requestId":"$context.requestId"',
  '"time":"$context.requestTime"',
  '"sourceIp":"$context.identity.sourceIp"',
  '"routeKey":"$context.routeKey"',
  '"status":$context.status',
  '"responseBytes":$context.responseLength',
  '"milliseconds":$context.responseLatency',
  '"integrationMilliseconds":"$context.integrationLatency"',
  '"integrationStatus":"$context.integrationStatus"',
].join(",")}}`;

/** Creates the API. */
export function createApi(inputs: ApiInputs) {
  const { stage, settings } = inputs;
  const domain = stage.isEphemeral ? undefined : settings.domain;
  const name = domain && (stage.kind === "production" ? domain.name : `${stage.name}.${domain.name}`);
  const api = new sst.aws.ApiGatewayV2("Api", {
    // The functions handle the preflight requests of browsers, as the local server does.
    cors: false,
    ...(name === undefined
      ? {}
      : { domain: domain?.certificate === undefined ? name : { name, dns: false, cert: domain.certificate } }),
    transform: {
      api(args) {
        // With any configuration, even an empty one, the gateway would remove the functions' headers.
        args.corsConfiguration = undefined;
        args.disableExecuteApiEndpoint = name !== undefined;
        return undefined;
      },
      stage(args) {
        args.defaultRouteSettings = {
          throttlingRateLimit: REQUESTS_PER_SECOND,
          throttlingBurstLimit: REQUESTS_AT_ONCE,
        };
        args.accessLogSettings = $output(args.accessLogSettings).apply((settings) => ({
          destinationArn: settings?.destinationArn ?? "",
          format: ACCESS_LOG,
        }));
        return undefined;
      },
      logGroup(args) {
        args.retentionInDays = stage.logDays;
        return undefined;
      },
    },
  });
  const functions: Record<string, sst.aws.Function> = {};
  // Below the gateway's own limit of 30 s, so that the function can respond before it.
  const timeout = "29 seconds";
  for (const [group, { bundle, paths, grant }] of Object.entries<RouteGroup>(routeGroups)) {
    const made = createFunction(group, { ...inputs, bundle, handler: "handler", timeout, grant });
    for (const path of paths) api.route(`ANY ${path}`, made.arn);
    functions[group] = made;
  }
  const rest = createFunction("Default", { ...inputs, bundle: "default", handler: "handler", timeout });
  api.route("$default", rest.arn);
  functions.Default = rest;
  return { api, functions };
}
