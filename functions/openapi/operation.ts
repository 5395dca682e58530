/** Parts of an operation's description. */

import type { OperationId } from "../api/routes.ts";
import type { JsonSchema } from "./convert.ts";
import type { HeaderName } from "./parameters.ts";
import type { SchemaName } from "./schemas.ts";

/** How operations are grouped, and what each group is. */
export const tags = {
  Clusters: "Kubernetes clusters of an organisation, inside its environments.",
  "Node pools": "The nodes of a cluster, in pools of one kind.",
  Configurations:
    "What nodes and clients of a cluster need. These answers hold secrets, and are never to be stored on their way.",
  References: "What a cluster's creation refers to, read only.",
  Service: "The service itself. Needs no token.",
} as const;

/** A success beside what the table of routes says of it. */
export interface Success {
  description: string;
  /** Schema of the body, where it is another than that of the table of routes. */
  schema?: SchemaName;
  /** Whether a client may ask for the body as YAML. */
  alsoYaml?: true;
  /** Beside the headers that every response can have. */
  headers?: readonly HeaderName[];
}

/** Statuses of errors. */
export type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 412 | 413 | 415 | 422 | 500 | 503;

/** Description of an operation beside its row in the table of routes. */
export interface Description {
  tag: keyof typeof tags;
  summary: string;
  description: string;
  /** Schema of the body, where it is no named one. */
  request?: JsonSchema;
  successes: Readonly<Partial<Record<200 | 204 | 304, Success>>>;
  errors: readonly ErrorStatus[];
}

/** Descriptions of operations by their ids. */
export type Descriptions<Id extends OperationId> = Readonly<Record<Id, Description>>;

const AUTHENTICATED: readonly ErrorStatus[] = [400, 401, 403, 500, 503];

/** The errors of a read with something in its path. */
export const READ: readonly ErrorStatus[] = [...AUTHENTICATED, 404];

/** The errors of a read whose path names nothing. */
export const READ_ALL: readonly ErrorStatus[] = AUTHENTICATED;

/** The errors of a write with a body. */
export const WRITE: readonly ErrorStatus[] = [...READ, 409, 413, 415, 422];

/** What a conditional read answers where nothing changed. */
export const UNCHANGED: Success = { description: "It is as the caller knows it.", headers: ["ETag"] };
