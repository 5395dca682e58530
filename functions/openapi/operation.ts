/** Parts of an operation's description. */

import type { SuccessSchema } from "../api/dialect.ts";
import type { OperationId, routeRows } from "../api/routes.ts";
import type { JsonSchema } from "./convert.ts";
import type { HeaderName } from "./parameters.ts";
import type { SchemaName } from "./schemas.ts";

/** Parts of a document in which the dialects differ. */
export interface DialectDocument {
  title: string;
  description: string;
  rows: typeof routeRows;
  /** Page size of a request without one. */
  defaultPageSize: number;
  /** Builds `components.schemas`. */
  schemas: () => Record<string, JsonSchema>;
  /** Bodies of requests by operation. */
  requestExamples: Readonly<Record<string, unknown>>;
  /** Converts the body of a response in the documented dialect. @param schema its name in the table of routes */
  responseExample: (schema: SuccessSchema, example: unknown) => unknown;
}

/** Groups of operations, with their descriptions. */
export const tags = {
  Clusters: "Kubernetes clusters of an organisation, inside its environments.",
  "Scheduled upgrades": "Upgrades of clusters at a date or in a maintenance window.",
  "Node pools": "The nodes of a cluster, in pools of one kind.",
  Configurations:
    "Configurations of nodes and clients of a cluster. The responses contain secrets, so caches must not store them.",
  Organisations: "An organisation, and what it has besides clusters.",
  Observability: "Observability tenants, their Alertmanager configuration, silences and alerts.",
  "Cloud accounts":
    "Accounts of an organisation with cloud providers, and their credentials. No response contains their secrets.",
  References: "Read-only data to which a new cluster refers.",
  Service: "The service itself. No token is needed.",
} as const;

/** Successful response: the description beside the row in the table of routes. */
export interface Success {
  description: string;
  /** Schema of the body, if it differs from the one in the table of routes. */
  schema?: SchemaName;
  /** True if a client can request the body as YAML. */
  alsoYaml?: true;
  /** Headers in addition to those that every response can have. */
  headers?: readonly HeaderName[];
}

/** Statuses of errors. */
export type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 412 | 413 | 415 | 422 | 500 | 503;

/** Description of an operation beside its row in the table of routes. */
export interface Description {
  tag: keyof typeof tags;
  summary: string;
  description: string;
  /** Schema of the body, if it is not a named one. */
  request?: JsonSchema;
  successes: Readonly<Partial<Record<200 | 204 | 304, Success>>>;
  errors: readonly ErrorStatus[];
}

/** Descriptions of operations by their ids. */
export type Descriptions<Id extends OperationId> = Readonly<Record<Id, Description>>;

const AUTHENTICATED: readonly ErrorStatus[] = [400, 401, 403, 500, 503];

/** Errors of a read with variables in its path. */
export const READ: readonly ErrorStatus[] = [...AUTHENTICATED, 404];

/** Errors of a read without variables in its path. */
export const READ_ALL: readonly ErrorStatus[] = AUTHENTICATED;

/** Errors of a write with a body. */
export const WRITE: readonly ErrorStatus[] = [...READ, 409, 413, 415, 422];

/** Response to a conditional read of unchanged data. */
export const UNCHANGED: Success = { description: "Not modified.", headers: ["ETag"] };
