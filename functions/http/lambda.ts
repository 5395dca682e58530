/** Serves apps as Lambda functions behind an HTTP API with payload version 2. */

import type { Hono } from "hono";
import type { Services } from "#core/context.ts";
import { type Config, readConfig } from "#functions/runtime/config.ts";
import { createLogger, type Logger } from "../runtime/log.ts";
import { LATENCY_METRIC, metricFields } from "../runtime/metrics.ts";
import { servicesFrom } from "../runtime/services.ts";
import type { AppDependencies, RequestFacts } from "./app.ts";
import { baseUrlOf, fetchFrom, type GatewayEvent, type GatewayResult } from "./gateway.ts";
import { MinimalResponse } from "./minimal-fetch.ts";

/** Data of a call beside its request. */
interface Bindings {
  event: GatewayEvent;
  /** Lambda's id of the call. */
  lambdaRequestId: string | undefined;
  /** True for the first call of this instance of the function. */
  coldStart: boolean;
}

/** Lambda handler of API Gateway's events. */
interface GatewayHandler {
  (event: GatewayEvent, context: { awsRequestId?: string }): Promise<GatewayResult>;
  /**
   * Returns the same handler with other services, such as a fixed clock. The function's configuration determines which handler
   * Lambda calls; a request cannot.
   */
  with(given: Partial<Services>): GatewayHandler;
}

/** Makes an app from the common dependencies and the configuration. */
type Create = (dependencies: AppDependencies, config: Config) => Hono;

/**
 * Makes the Lambda handler of an app. On Lambda the app is made while the function starts. Elsewhere it is made at the first call,
 * so the module can be imported without environment variables.
 *
 * @param given services of this function in addition to the usual ones
 */
export function createLambdaHandler(create: Create, given: Partial<Services> = {}): GatewayHandler {
  return handlerOf(create, given, process.env.AWS_LAMBDA_FUNCTION_NAME !== undefined);
}

function handlerOf(create: Create, given: Partial<Services>, atOnce: boolean): GatewayHandler {
  let app = atOnce ? start(create, given) : undefined;
  let coldStart = true;
  const handler = async (event: GatewayEvent, { awsRequestId }: { awsRequestId?: string }) => {
    app ??= start(create, given);
    const bindings: Bindings = { event, lambdaRequestId: awsRequestId, coldStart };
    coldStart = false;
    return fetchFrom(app, event, bindings);
  };
  return Object.assign(handler, {
    with: (more: Partial<Services>) => handlerOf(create, { ...given, ...more }, atOnce),
  });
}

/** Makes an app from environment variables. */
function start(create: Create, given: Partial<Services>): Hono {
  const config = readConfig(process.env);
  return create(dependencies(config, given), config);
}

function dependencies(config: Config, given: Partial<Services>): AppDependencies {
  const services = { ...servicesFrom(config, config.DYNAMODB_ENDPOINT), ...given };
  const log = createLogger(config.LOG_LEVEL);
  return {
    services,
    log,
    config,
    // The address that API Gateway saw, which no header can change.
    peerAddress: (c) => (c.env as Bindings).event.requestContext.http.sourceIp,
    baseUrl: (c) => baseUrlOf((c.env as Bindings).event),
    respond: (body, init) => new MinimalResponse(body, init) as unknown as Response,
    record: (facts, c) => record(log, config.STAGE, services.clock().getTime(), facts, c.env as Bindings),
  };
}

/** Logs a request in a line that also contains its metrics. */
function record(log: Logger, stage: string, at: number, facts: RequestFacts, bindings: Bindings): void {
  const { event, lambdaRequestId, coldStart } = bindings;
  const metrics = metricFields(
    stage,
    {
      Requests: [1, "Count"],
      Errors: [facts.status >= 500 ? 1 : 0, "Count"],
      [LATENCY_METRIC]: [facts.milliseconds, "Milliseconds"],
      ReadUnits: [facts.readUnits, "Count"],
      WriteUnits: [facts.writeUnits, "Count"],
    },
    at,
  );
  const ids = { gatewayRequestId: event.requestContext.requestId, lambdaRequestId };
  log.metric("request", { ...facts, ...ids, coldStart, ...metrics });
}
