/** What watches the server asks: is it there, and is the database. */

import { unavailable } from "#core/errors.ts";
import type { Route } from "./http/app.ts";

/**
 * Makes the health routes.
 *
 * @param ready whether the database answers
 */
export const healthRoutes = (ready: () => Promise<boolean>): readonly Route[] => [
  {
    method: "GET",
    path: "/healthz",
    async handle() {
      return { body: { status: "ok" } };
    },
  },
  {
    method: "GET",
    path: "/readyz",
    async handle() {
      if (await ready()) return { body: { status: "ok" } };
      throw unavailable("table.unavailable", "The database does not answer.");
    },
  },
];
