/** Parameters of requests, and headers of responses. */

import { sortable } from "#core/cluster/operations/search.ts";
import { WAIT_LIMITS } from "#core/cluster/operations/status-watcher.ts";
import { MAX_WAIT_SECONDS } from "#core/cluster/operations/wait.ts";
import { clusterStatuses } from "#core/cluster/schema.ts";
import { upgradeStatuses } from "#core/cluster/upgrade-schema.ts";
import { DEFAULT_EVENTS, MAX_EVENTS } from "#core/events/list.ts";
import { MAX_PAGE_SIZE } from "#core/listing/page.ts";
import { cloudTypes } from "#core/references/cloud-credentials/schema.ts";
import type { ParameterName } from "../api/routes.ts";
import { awaitable } from "../api/v1/clusters.ts";
import type { JsonSchema } from "./convert.ts";
import { IDENTITIES, NODE_POOL_ID } from "./examples.ts";

/** Parameter of a path, a query or a header. */
interface Parameter {
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

const path = (
  variable: string,
  name: string,
  description: string,
  schema: JsonSchema,
  example: string,
): [variable: string, parameter: Parameter] => [
  variable,
  { name, in: "path", required: true, description, schema, example },
];

/** Parameters of paths by the names of the variables in the table of routes. */
const PATH: Readonly<Record<string, Parameter>> = Object.fromEntries([
  path("organisation", "organisationSlug", "The organisation.", { ...slug, pattern: "^[a-z0-9_-]+$" }, "acme"),
  path("environment", "environmentSlug", "The environment.", slug, "production"),
  path("cluster", "clusterSlug", "The cluster.", slug, "my-first-cluster"),
  path(
    "nodePool",
    "nodePoolId",
    "The node pool's numeric id or its identity.",
    { type: "string", minLength: 1 },
    `${NODE_POOL_ID}`,
  ),
  path("provider", "cloudProviderSlug", "The cloud provider.", slug, "aws"),
  path("region", "regionSlug", "The region.", slug, "eu-west-1"),
  path("account", "cloudAccountIdentity", "The cloud account.", uuid, IDENTITIES.account),
  path("upgrade", "scheduledUpgradeIdentity", "The scheduled upgrade.", uuid, IDENTITIES.upgrade),
  path("tenant", "observabilityTenantSlug", "The observability tenant.", slug, "web-shop"),
  path("silence", "silenceId", "The silence.", uuid, IDENTITIES.silence),
  path("member", "memberIdentity", "The member.", uuid, IDENTITIES.member),
  path("token", "tokenIdentity", "The token.", uuid, IDENTITIES.token),
  path("credentials", "cloudCredentials", "The credentials (their identity).", uuid, IDENTITIES.credentials),
  // At the position of the credentials: a document has one name for both.
  path(
    "cloudType",
    "cloudCredentials",
    "The type of the provider, as in the account's cloud profile.",
    { type: "string", enum: cloudTypes },
    "aws",
  ),
  path("schedule", "maintenanceScheduleIdentity", "The schedule.", uuid, IDENTITIES.schedule),
]);

function pathParameter(variable: string): Parameter {
  const parameter = PATH[variable];
  if (parameter === undefined) throw new Error(`the path variable ${variable} is not described`);
  return parameter;
}

/** Returns the parameters of a path. @throws Error for a variable without a description */
export const pathParameters = (template: string): Parameter[] =>
  [...template.matchAll(/\{(\w+)\}/g)].map(([, variable = ""]) => pathParameter(variable));

/** Returns a path with the documentation's names of its variables. @throws Error for a variable without a description */
export const documentedPath = (template: string): string =>
  template.replaceAll(/\{(\w+)\}/g, (_, variable: string) => `{${pathParameter(variable).name}}`);

const query = (name: string, description: string, schema: JsonSchema): Parameter => ({
  name,
  in: "query",
  description,
  schema,
});

const flag = (name: string, description: string) => query(name, description, { type: "boolean", default: false });

const showCompute = flag("show-compute", "Whether to show `cpu` (cores) and `memory` (MiB).");

const includeDetails = flag("includeDetails", "Whether to show `actualState`, the last observation.");

const waitFor = query(
  "waitFor",
  `With \`Prefer: wait=N\` the response comes when the cluster has this status, or after N seconds (at most ${MAX_WAIT_SECONDS}) with the cluster's current status. At most ${WAIT_LIMITS.perToken} requests of a token and ${WAIT_LIMITS.perProcess} of a server wait at the same time, and the functions on AWS never wait. Other requests get the current cluster at once, with \`Retry-After\` and without \`wait\` in \`Preference-Applied\`.`,
  { type: "string", enum: awaitable },
);

const eventsPage = {
  size: query("size", `Number of events in a page, at most ${MAX_EVENTS}.`, {
    type: "integer",
    format: "int32",
    minimum: 1,
    maximum: MAX_EVENTS,
    default: DEFAULT_EVENTS,
  }),
  cursor: query("cursor", "Start of the page: an opaque value from a `next` link of the same list.", {
    type: "string",
  }),
};

const dryRun = flag("dryRun", "Makes all checks and returns the result with its `consequences`, but changes nothing.");

const includeManifests = flag(
  "includeManifests",
  "With `dryRun=true`, adds `manifests` to the result: the Kubernetes objects that the provisioner would make, with the values of Secrets redacted. Requires the role `admin` in the environment. Refused if the server's provisioner makes no such objects.",
);

const pageNumber = { type: "integer", format: "int32", minimum: 0 };
const pageSize = { type: "integer", format: "int32", minimum: 1, maximum: MAX_PAGE_SIZE };

/**
 * Lists the parameters of a page. Each can also be sent as a member of `pageable`, so none declares its default: generated
 * clients send declared defaults, which would contradict what the caller sends in another spelling.
 *
 * @param defaultSize page size of a request without one
 * @param properties properties by which the list can be sorted
 */
const pageable = (defaultSize: number, properties: readonly string[] = []): Parameter[] => [
  query("pageNumber", "Number of the page, from 0. Default: 0.", pageNumber),
  { ...query("page", "Same as `pageNumber`; use that.", pageNumber), deprecated: true },
  query("pageSize", `Number of elements in a page, at most ${MAX_PAGE_SIZE}. Default: ${defaultSize}.`, pageSize),
  { ...query("size", "Same as `pageSize`; use that.", pageSize), deprecated: true },
  query(
    "sortDirection",
    "Reverses the default order (DESC), or is the direction of a `sort` without one. Default: ASC.",
    {
      type: "string",
      enum: ["ASC", "DESC"],
    },
  ),
  ...(properties.length === 0
    ? []
    : [
        query(
          "sort",
          `A property, optionally followed by \`,asc\` or \`,desc\`: ${properties.join(", ")}. Repeatable.`,
          {
            type: "array",
            items: { type: "string", pattern: `^(${properties.join("|")})(,([aA][sS][cC]|[dD][eE][sS][cC]))?$` },
          },
        ),
      ]),
  query(
    "pageable",
    `The same parameters as a JSON object. Default: pageSize=${defaultSize}, pageNumber=0, sortDirection=ASC.`,
    { type: "string", contentMediaType: "application/json" },
  ),
];

const equal = (name: string, what: string, schema: JsonSchema = { type: "string" }) =>
  query(name, `Only those with this ${what}. An empty value does not filter.`, schema);

const clusterFilters = {
  // An empty value does not filter, so the schema must allow it.
  maintenanceSchedule: equal("maintenanceSchedule", "maintenance schedule (its identity)", {
    anyOf: [uuid, { type: "string", maxLength: 0 }],
  }),
  status: equal("status", "status", { type: "string", enum: [...clusterStatuses, ""] }),
  cloudProvider: equal("cloudProvider", "cloud provider (its slug)"),
  region: equal("region", "region"),
  version: equal("version", "version"),
  name: query("name", "Only those whose name begins with this text.", { type: "string" }),
};

const accountFilters = {
  "display-name": equal("display-name", "name"),
  "cloud-provider-slug": equal("cloud-provider-slug", "cloud provider"),
};

const upgradeFilters = {
  clusterIdentities: query(
    "clusterIdentities",
    "Only upgrades of these clusters: identities, separated by commas. An empty value does not filter.",
    { type: "string" },
  ),
  statuses: query(
    "statuses",
    `Only those with one of these statuses, separated by commas: ${upgradeStatuses.join(", ")}. An empty value does not filter.`,
    { type: "string" },
  ),
};

const header = (name: string, description: string, schema: JsonSchema): Parameter => ({
  name,
  in: "header",
  description,
  schema,
});

const ifMatch = header(
  "If-Match",
  "Entity tags, of which one must be current, or else 412. Only the first part, the revision, is compared. `*` matches everything.",
  { type: "string" },
);

const ifNoneMatch = header("If-None-Match", "Entity tags; if one is current, the response is a 304 without a body.", {
  type: "string",
});

const idempotencyKey = header(
  "Idempotency-Key",
  "A retry with this key within 24 hours gets the response to the first request. Ignored with dryRun.",
  { type: "string", minLength: 1, maxLength: 255, pattern: "^[\\x20-\\x7e]+$" },
);

const prefer = header("Prefer", "`handling=strict`: unknown properties are refused with a 400.", {
  type: "string",
  examples: ["handling=strict"],
});

const preferWait = header(
  "Prefer",
  `\`wait=N\`: with waitFor, the maximum wait in seconds; more than ${MAX_WAIT_SECONDS} counts as ${MAX_WAIT_SECONDS}. \`handling=strict\`: unknown properties are refused with a 400.`,
  { type: "string", examples: ["wait=10", "handling=strict"] },
);

/** Lists the query parameters and headers of requests by their names in the table of routes. */
const parametersWith = (defaultSize: number): Readonly<Record<ParameterName, Parameter | readonly Parameter[]>> => ({
  ...clusterFilters,
  ...accountFilters,
  ...upgradeFilters,
  ...eventsPage,
  "show-compute": showCompute,
  includeDetails,
  waitFor,
  dryRun,
  includeManifests,
  page: pageable(defaultSize),
  sortedPage: pageable(defaultSize, sortable),
  ifMatch,
  ifNoneMatch,
  idempotencyKey,
  prefer,
  preferWait,
});

/** Describes the parameters of an operation. @param defaultSize page size of a request without one */
export function describeParameters(names: readonly ParameterName[], defaultSize: number): Parameter[] {
  const parameters = parametersWith(defaultSize);
  return names.flatMap((name) => parameters[name]);
}

/** Header of a response. */
interface Header {
  description: string;
  schema: JsonSchema;
  required?: boolean;
}

const text = (description: string, more: Partial<Header> = {}): Header => ({
  description,
  schema: { type: "string" },
  ...more,
});

/** Headers of responses, by name. */
export const headers = {
  "Cache-Control": text("`no-store`, because the response contains secrets.", {
    required: true,
    schema: { type: "string", enum: ["no-store"] },
  }),
  "Content-Encoding": text(
    "`br` or `gzip`, of a body over 16 KiB, or of any if the client refuses `identity`, if the client accepts it.",
    {
      schema: { type: "string", enum: ["br", "gzip"] },
    },
  ),
  ETag: text("The entity tag; of a compressed body it ends with `-br` or `-gzip`. A dry run has none."),
  "Idempotency-Replayed": text("This is the response to an earlier request with the same `Idempotency-Key`.", {
    schema: { type: "string", enum: ["true"] },
  }),
  Link: text("Links to related pages (RFC 8288): first, prev, next, last.", { required: true }),
  Location: text("URL of the new item. A dry run has none."),
  "Preference-Applied": text("Applied preferences of `Prefer`: `handling=strict`, `wait=N`, or both.", {
    schema: { type: "string", pattern: `^(handling=strict|(handling=strict, )?wait=([1-9]|${MAX_WAIT_SECONDS}))$` },
  }),
  "Retry-After": text("Delay before a retry, in seconds.", {
    schema: { type: "integer", minimum: 0 },
  }),
  Vary: text("Request headers on which the response depends."),
  "WWW-Authenticate": text("How to authenticate.", { required: true }),
  Warning: text("299: names unknown properties and parameters, which were ignored."),
  "X-Request-Id": text("Id of the request: the caller's, or a generated one.", { required: true }),
} satisfies Record<string, Header>;

/** Name of a header of a response. */
export type HeaderName = keyof typeof headers;
