/** Apps as Lambda functions behind an HTTP API with payload version 2. */

import type { Hono } from "hono";
import { handle, type LambdaEvent } from "hono/aws-lambda";
import { type Config, readConfig } from "#core/config.ts";
import { createLogger } from "../log.ts";
import { servicesFrom } from "../services.ts";
import type { AppDependencies } from "./app.ts";

/** What every entry point of the API is made with, from the environment alone. */
function dependencies(config: Config): AppDependencies {
  return {
    services: servicesFrom(config, config.DYNAMODB_ENDPOINT),
    log: createLogger(config.LOG_LEVEL),
    config,
    peerAddress: (c) => sourceIp((c.env as { event: LambdaEvent }).event),
  };
}

/** The address API Gateway saw, which no header can change. */
function sourceIp(event: LambdaEvent): string | undefined {
  const { requestContext } = event as { requestContext?: { http?: { sourceIp?: string } } };
  return requestContext?.http?.sourceIp;
}

type Handler = ReturnType<typeof handle>;

/** Makes an app of what all have and of what the environment says. */
type Create = (dependencies: AppDependencies, config: Config) => Hono;

/**
 * Makes the Lambda handler of an app. On Lambda the app is made at once, so that what it costs is paid while the function
 * starts; elsewhere the module can be imported without an environment.
 */
export function lambda(create: Create): Handler {
  let made: Handler | undefined = process.env.AWS_LAMBDA_FUNCTION_NAME === undefined ? undefined : start(create);
  return (event, context) => {
    made ??= start(create);
    return made(event, context);
  };
}

function start(create: Create): Handler {
  // Node loads Request at its first use, which takes tens of milliseconds: better here than in the first request.
  new Request("http://localhost/");
  const config = readConfig(process.env);
  return handle(create(dependencies(config), config));
}
