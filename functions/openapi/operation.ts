/** What an operation's description is made of. */

import type { JsonSchema } from "./convert.ts";
import type { HeaderName, Parameter } from "./parameters.ts";
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

/** A body; its examples are in `examples.ts`. */
export interface Body {
  schema: SchemaName | { arrayOf: SchemaName } | JsonSchema;
  /** Whether it is also there as YAML, for whoever asks for that. */
  alsoYaml?: true;
}

/** A success. */
export interface Success {
  description: string;
  body?: Body;
  /** Beside those every answer can have. */
  headers?: readonly HeaderName[];
}

/** Statuses of errors. */
export type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 412 | 413 | 415 | 422 | 500 | 503;

/** One operation of the document. */
export interface Operation {
  operationId: string;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With the documentation's names of parameters, such as `{organisationSlug}`. */
  path: string;
  tag: keyof typeof tags;
  summary: string;
  description: string;
  /** Beside those in the path. */
  parameters: readonly Parameter[];
  request?: Body;
  /** Whether the body may be left out. */
  bodyIsOptional?: true;
  successes: Readonly<Partial<Record<200 | 204 | 304, Success>>>;
  errors: readonly ErrorStatus[];
  /** Whether a token is needed. */
  open?: true;
}

const AUTHENTICATED: readonly ErrorStatus[] = [400, 401, 403, 500, 503];

/** The errors of a read with something in its path. */
export const READ: readonly ErrorStatus[] = [...AUTHENTICATED, 404];

/** The errors of a read whose path names nothing. */
export const READ_ALL: readonly ErrorStatus[] = AUTHENTICATED;

/** The errors of a write with a body. */
export const WRITE: readonly ErrorStatus[] = [...READ, 409, 413, 415, 422];

/** What a conditional read answers where nothing changed. */
export const UNCHANGED: Success = { description: "It is as the caller knows it.", headers: ["ETag"] };
