/// <reference path="../.sst/platform/config.d.ts" />
/** The HTTP API: the paths of each route group lead to its own function. */

import { type RouteGroup, routeGroups } from "../functions/api/route-groups.ts";
import { createFunction, type Shared } from "./function.ts";

/** What the API's stack depends on. */
export type ApiInputs = Shared;

/** What all requests together may come to, beyond which the gateway answers 429. */
const REQUESTS_PER_SECOND = 500;
const REQUESTS_AT_ONCE = 1000;

/**
 * What is logged of a request. Nothing a caller may choose freely is in it, for the gateway puts values between quotes as they
 * are; functions log paths and clients, and name the request by the same id.
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

/** Makes the API. */
export function createApi(inputs: ApiInputs) {
  const { stage, settings } = inputs;
  const domain = stage.isEphemeral ? undefined : settings.domain;
  const name = domain && (stage.kind === "production" ? domain.name : `${stage.name}.${domain.name}`);
  const api = new sst.aws.ApiGatewayV2("Api", {
    // The functions answer browsers' preflights themselves, the same as the local server.
    cors: false,
    ...(name === undefined
      ? {}
      : { domain: domain?.certificate === undefined ? name : { name, dns: false, cert: domain.certificate } }),
    transform: {
      api(args) {
        // With a configuration of its own, even an empty one, the gateway would drop the functions' headers.
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
  // Below the gateway's own limit of 30 s, so that it is the function that answers.
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
