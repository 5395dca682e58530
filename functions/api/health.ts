/** Routes of health checks: of the process, and of the database. */

import type { Services } from "#core/context.ts";
import { unavailable } from "#core/shared/errors.ts";
import { tokenKey } from "#core/table/keys.ts";
import { createApp, type Route } from "../http/app.ts";
import { createLambdaHandler } from "../http/lambda.ts";
import { type Handlers, type OperationIdOf, routesWith } from "./routes.ts";

/** Reads an item that does not exist. @returns whether the database responds */
export async function isDatabaseAvailable({ table }: Pick<Services, "table">): Promise<boolean> {
  try {
    await table.get([tokenKey("00000000-0000-0000-0000-000000000000")]);
    return true;
  } catch {
    // Every error means that the database does not respond.
    return false;
  }
}

/** Returns the health routes. @param ready returns whether the database responds */
export const healthRoutes = (ready: () => Promise<boolean>): readonly Route[] => {
  const handlers: Handlers<OperationIdOf<"Health">> = {
    getHealth: async () => ({ body: { status: "ok" } }),
    async getReadiness() {
      if (await ready()) return { body: { status: "ok" } };
      throw unavailable("table.unavailable", "The database does not respond. Try again later.");
    },
  };
  return routesWith(handlers);
};

/** Lambda of this route group. */
export const handler = createLambdaHandler((dependencies) =>
  createApp(
    dependencies,
    healthRoutes(() => isDatabaseAvailable(dependencies.services)),
  ),
);
