/** What requests carry beside their body, and what answers carry beside theirs. */

import { DEFAULT_EVENTS, MAX_EVENTS } from "#core/cluster/operations/list-events.ts";
import { sortable } from "#core/cluster/operations/search.ts";
import { WAIT_LIMITS } from "#core/cluster/operations/status-watcher.ts";
import { awaitable, MAX_WAIT_SECONDS } from "#core/cluster/operations/wait.ts";
import { clusterStatuses } from "#core/cluster/schema.ts";
import { MAX_PAGE_SIZE } from "#core/listing/pageable.ts";
import type { JsonSchema } from "./convert.ts";
import { IDENTITIES, NODE_POOL_ID } from "./examples.ts";

/** A parameter of a path, a query or a header. */
export interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  description: string;
  schema: JsonSchema;
  required?: boolean;
  deprecated?: true;
  example?: unknown;
}

const slug = { type: "string", pattern: "^[a-z0-9-]+$", minLength: 1, maxLength: 63 };
const uuid = { type: "string", format: "uuid" };

const path = (name: string, description: string, schema: JsonSchema, example: string): Parameter => ({
  name,
  in: "path",
  required: true,
  description,
  schema,
  example,
});

const PATH: Readonly<Record<string, Parameter>> = Object.fromEntries(
  [
    path("organisationSlug", "The organisation.", { ...slug, pattern: "^[a-z0-9_-]+$" }, "acme"),
    path("environmentSlug", "The environment.", slug, "production"),
    path("clusterSlug", "The cluster.", slug, "my-first-cluster"),
    path(
      "nodePoolId",
      "The node pool's numeric id or its identity.",
      { type: "string", minLength: 1 },
      `${NODE_POOL_ID}`,
    ),
    path("cloudProviderSlug", "The cloud provider.", slug, "aws"),
    path("regionSlug", "The region.", slug, "eu-west-1"),
    path("cloudAccountIdentity", "The cloud account.", uuid, IDENTITIES.account),
    path("maintenanceScheduleIdentity", "The schedule.", uuid, IDENTITIES.schedule),
  ].map((parameter) => [parameter.name, parameter]),
);

/** The parameters of a path, by the names in it. @throws Error for a name that has no description here */
export const pathParameters = (template: string): Parameter[] =>
  [...template.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => {
    const parameter = PATH[name];
    if (parameter === undefined) throw new Error(`the path parameter ${name} is not described`);
    return parameter;
  });

const query = (name: string, description: string, schema: JsonSchema): Parameter => ({
  name,
  in: "query",
  description,
  schema,
});

const flag = (name: string, description: string) => query(name, description, { type: "boolean", default: false });

/** Shows cores and MiB. */
export const showCompute = flag("show-compute", "Whether to show `cpu` (cores) and `memory` (MiB).");

/** Shows what was observed. */
export const includeDetails = flag("includeDetails", "Whether to show `actualState`: what was last observed.");

/** Waits for a status. */
export const waitFor = query(
  "waitFor",
  `With \`Prefer: wait=N\` the answer comes once the cluster has this status, or after N seconds (at most ${MAX_WAIT_SECONDS}) as it then is. At most ${WAIT_LIMITS.perToken} requests of a token and ${WAIT_LIMITS.perProcess} of a server wait at the same time, and the functions on AWS never wait: any other is answered at once, as the cluster is, with \`Retry-After\` and without \`wait\` in \`Preference-Applied\`.`,
  { type: "string", enum: awaitable },
);

/** The page of a list of events. */
export const eventsPage: readonly Parameter[] = [
  query("size", `Events a page, at most ${MAX_EVENTS}.`, {
    type: "integer",
    format: "int32",
    minimum: 1,
    maximum: MAX_EVENTS,
    default: DEFAULT_EVENTS,
  }),
  query("cursor", "Where the page begins: opaque, out of the link to it, and only for the same cluster.", {
    type: "string",
  }),
];

/** Tries a write. */
export const dryRun = flag(
  "dryRun",
  "Makes all checks and answers what would be, with its `consequences`, and changes nothing.",
);

const pageNumber = { type: "integer", format: "int32", minimum: 0 };
const pageSize = { type: "integer", format: "int32", minimum: 1, maximum: MAX_PAGE_SIZE };

/**
 * Lists the parameters of a page. Each can also be sent as a member of `pageable`, so none declares its default: generated
 * clients send declared defaults, which would contradict what the caller sends in another spelling.
 *
 * @param properties what the list can be ordered by
 */
export const pageable = (properties: readonly string[] = []): Parameter[] => [
  query("pageNumber", "Which page, from 0. Omitted: 0.", pageNumber),
  { ...query("page", "Use `pageNumber`, which is the same.", pageNumber), deprecated: true },
  query("pageSize", `Elements a page, at most ${MAX_PAGE_SIZE}. Omitted: 50.`, pageSize),
  { ...query("size", "Use `pageSize`, which is the same.", pageSize), deprecated: true },
  query(
    "sortDirection",
    "Reverses the default order (DESC), or is the direction of a `sort` without one. Omitted: ASC.",
    {
      type: "string",
      enum: ["ASC", "DESC"],
    },
  ),
  ...(properties.length === 0
    ? []
    : [
        query("sort", `A property, alone or followed by \`,asc\` or \`,desc\`: ${properties.join(", ")}. Repeatable.`, {
          type: "array",
          items: { type: "string", pattern: `^(${properties.join("|")})(,([aA][sS][cC]|[dD][eE][sS][cC]))?$` },
        }),
      ]),
  query("pageable", "The same members as a JSON object. Omitted: pageSize=50, pageNumber=0, sortDirection=ASC.", {
    type: "string",
    contentMediaType: "application/json",
  }),
];

const equal = (name: string, what: string, schema: JsonSchema = { type: "string" }) =>
  query(name, `Only those with this ${what}. Empty: no filter.`, schema);

/** The filters of a list of clusters. */
export const clusterFilters: readonly Parameter[] = [
  // An empty filter is none, so the format alone would be too strict.
  equal("maintenanceSchedule", "maintenance schedule (its identity)", {
    anyOf: [uuid, { type: "string", maxLength: 0 }],
  }),
  equal("status", "status", { type: "string", enum: [...clusterStatuses, ""] }),
  equal("cloudProvider", "cloud provider (its slug)"),
  equal("region", "region"),
  equal("version", "version"),
  query("name", "Only those whose name begins like this.", { type: "string" }),
];

/** The filters of a list of cloud accounts. */
export const accountFilters: readonly Parameter[] = [
  equal("display-name", "name"),
  equal("cloud-provider-slug", "cloud provider"),
];

/** The page of a list of clusters. */
export const clusterPage = pageable(sortable);

const header = (name: string, description: string, schema: JsonSchema): Parameter => ({
  name,
  in: "header",
  description,
  schema,
});

/** Holds a write to what was read. */
export const ifMatch = header(
  "If-Match",
  "Entity tags, of which only the first part counts (the revision); `*` for anything that is there. Otherwise 412.",
  { type: "string" },
);

/** Answers 304 where nothing changed. */
export const ifNoneMatch = header("If-None-Match", "Entity tags; where one is the present, 304 without a body.", {
  type: "string",
});

/** Makes a repeat harmless. */
export const idempotencyKey = header(
  "Idempotency-Key",
  "Whoever repeats the request with this key within 24 hours gets the answer to the first. Not with dryRun.",
  { type: "string", minLength: 1, maxLength: 255, pattern: "^[\\x20-\\x7e]+$" },
);

/** What to do with the unknown. */
export const prefer = header("Prefer", "`handling=strict`: unknown properties are refused with a 400.", {
  type: "string",
  examples: ["handling=strict"],
});

/** As `prefer`, and how long to wait. */
export const preferWait = header(
  "Prefer",
  `\`wait=N\`: with waitFor, how many seconds to wait at most; above ${MAX_WAIT_SECONDS} counts as ${MAX_WAIT_SECONDS}. \`handling=strict\`: unknown properties are refused with a 400.`,
  { type: "string", examples: ["wait=10", "handling=strict"] },
);

/** A header of an answer. */
export interface Header {
  description: string;
  schema: JsonSchema;
  required?: boolean;
}

const text = (description: string, more: Partial<Header> = {}): Header => ({
  description,
  schema: { type: "string" },
  ...more,
});

/** The headers of answers, by name. */
export const headers = {
  "Cache-Control": text("`no-store`: there are secrets in the answer.", {
    required: true,
    schema: { type: "string", enum: ["no-store"] },
  }),
  "Content-Encoding": text("`gzip`, beyond 1 MB, for whoever accepts that.", {
    schema: { type: "string", enum: ["gzip"] },
  }),
  ETag: text("The entity tag. A dry run has none."),
  "Idempotency-Replayed": text("This is the answer to an earlier request with the same `Idempotency-Key`.", {
    schema: { type: "string", enum: ["true"] },
  }),
  Link: text("The pages around this one (RFC 8288): first, prev, next, last.", { required: true }),
  Location: text("Where it is. A dry run has none."),
  "Preference-Applied": text("Which preferences of `Prefer` were heeded: `handling=strict`, `wait=N`, or both.", {
    schema: { type: "string", pattern: `^(handling=strict|(handling=strict, )?wait=([1-9]|${MAX_WAIT_SECONDS}))$` },
  }),
  "Retry-After": text("How many seconds to wait before trying again.", {
    schema: { type: "integer", minimum: 0 },
  }),
  Vary: text("What the answer depends on."),
  "WWW-Authenticate": text("How to authenticate.", { required: true }),
  Warning: text("299: names what was ignored, because nobody knows it."),
  "X-Request-Id": text("The request's id: the caller's, or a new one.", { required: true }),
} satisfies Record<string, Header>;

/** The name of a header of an answer. */
export type HeaderName = keyof typeof headers;
