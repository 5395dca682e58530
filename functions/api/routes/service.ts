import { GETS, type RouteRow } from "./row.ts";

/** Rows of the operations of the service itself. */
export const service = {
  getHealth: {
    group: "Health",
    method: "GET",
    path: "/healthz",
    parameters: [],
    success: "HealthResponse",
    isPublic: true,
  },
  getReadiness: {
    group: "Health",
    method: "GET",
    path: "/readyz",
    parameters: [],
    success: "HealthResponse",
    grant: GETS,
    isPublic: true,
  },
  getOpenApi: {
    group: "Default",
    method: "GET",
    path: "/openapi.json",
    parameters: [],
    success: "object",
    isPublic: true,
  },
} as const satisfies Record<string, RouteRow>;
