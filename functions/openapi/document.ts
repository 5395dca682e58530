/** The OpenAPI documents of the dialects, from the table of operations and the schemas. */

import { type OperationId, type RouteRow, routeRows, routes } from "../api/routes.ts";
import { acloudDocument } from "./acloud.ts";
import { type JsonSchema, refTo } from "./convert.ts";
import { findResponseExample, requests } from "./examples.ts";
import { type DialectDocument, type ErrorStatus, type Success, tags } from "./operation.ts";
import { descriptions } from "./operations.ts";
import { describeParameters, documentedPath, type HeaderName, headers, pathParameters } from "./parameters.ts";
import { componentSchemas } from "./schemas.ts";

const DESCRIPTION = `An open control plane API for Kubernetes clusters on any cloud: organisations hold environments, environments hold
clusters, clusters hold node pools.`;

const COMMON = `Authenticate with a personal access token, \`Authorization: Token <token>\`; \`Bearer\` is the same. Bodies are JSON in UTF-8, at
most 256 KiB. \`null\` in a request is the same as an absent property; responses omit absent properties. Unknown properties and
parameters are ignored and named in a \`Warning\` header; with \`Prefer: handling=strict\`, unknown properties are refused.

Every error is an ErrorMessageResponse: \`message\` is complete by itself, \`details\` lists every problem with its path. HEAD works like
GET. An undocumented method gets 405 with \`Allow\`, an unknown path 404. Every response has an \`X-Request-Id\`.`;

const ERRORS: Record<ErrorStatus, { description: string; headers?: readonly HeaderName[] }> = {
  400: { description: "The request is invalid; every problem is listed." },
  401: { description: "The token is missing or not valid.", headers: ["WWW-Authenticate"] },
  403: { description: "The token or the caller's role does not allow the request." },
  404: { description: "The path, or something that it names, does not exist." },
  409: { description: "The request conflicts with the current state.", headers: ["Retry-After"] },
  412: { description: "No tag in `If-Match` matches the current entity tag.", headers: ["ETag"] },
  413: { description: "The body is too large." },
  415: { description: "The body is not JSON in UTF-8." },
  422: { description: "The `Idempotency-Key` was used for another request." },
  500: { description: "Internal error. The log has the details under the request's id." },
  503: { description: "Temporary failure; the same request can be retried.", headers: ["Retry-After"] },
};

/** Returns the schema of a name in the table of routes. */
function schemaOf(name: NonNullable<RouteRow["success"]>): JsonSchema {
  if (name === "object") return { type: "object" };
  const element = name.endsWith("[]") ? name.slice(0, -"[]".length) : undefined;
  if (element === undefined) return refTo(name);
  return { type: "array", items: element === "string" ? { type: "string" } : refTo(element) };
}

function contentOf(schema: JsonSchema, example: unknown, alsoYaml = false) {
  const media = { schema, example };
  return { "application/json": media, ...(alsoYaml ? { "application/yaml": media } : {}) };
}

/** Returns the headers of a response: its own, and those that every response of the status can have. */
const headersOf = (status: number, names: readonly HeaderName[] = []) => {
  const isPlain = status === 204 || names.includes("Cache-Control");
  const encoding: HeaderName[] = isPlain ? [] : status === 304 ? ["Vary"] : ["Content-Encoding", "Vary"];
  const always: HeaderName[] = ["Preference-Applied", "Warning", "X-Request-Id"];
  return Object.fromEntries(
    [...new Set([...names, ...encoding, ...always])]
      .sort()
      .map((name) => [name, { $ref: `#/components/headers/${name}` }]),
  );
};

function success(dialect: DialectDocument, id: OperationId, status: string, given: Success) {
  const { description, schema, alsoYaml, headers: names } = given;
  const name = schema ?? (status === "200" ? (routes[id] as RouteRow).success : undefined);
  const headers = headersOf(Number(status), names);
  if (name === undefined) return { description, headers };
  const example = dialect.responseExample(name, findResponseExample(id, status));
  return { description, headers, content: contentOf(schemaOf(name), example, alsoYaml) };
}

function refusal(dialect: DialectDocument, id: OperationId, status: ErrorStatus) {
  const { description, headers: names } = ERRORS[status];
  const example = dialect.responseExample("ErrorMessageResponse", findResponseExample(id, status));
  return { description, headers: headersOf(status, names), content: contentOf(refTo("ErrorMessageResponse"), example) };
}

function operationObject(
  dialect: DialectDocument,
  { id, path, parameters, body, isBodyOptional, isPublic }: (typeof routeRows)[number],
) {
  const { tag, summary, description, request, successes, errors } = descriptions[id];
  const all = [...pathParameters(path), ...describeParameters(parameters, dialect.defaultPageSize)];
  const responses = Object.fromEntries([
    ...Object.entries(successes).map(([status, given]) => [status, success(dialect, id, status, given)]),
    ...errors.toSorted((one, other) => one - other).map((status) => [status, refusal(dialect, id, status)]),
  ]);
  return {
    operationId: id,
    tags: [tag],
    summary,
    description,
    ...(isPublic === true ? { security: [] } : {}),
    ...(all.length === 0 ? {} : { parameters: all }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: isBodyOptional !== true,
            content: contentOf(request ?? refTo(body), dialect.requestExamples[id]),
          },
        }),
    responses,
  };
}

function paths(dialect: DialectDocument): Record<string, Record<string, unknown>> {
  const found: Record<string, Record<string, unknown>> = {};
  for (const row of dialect.rows) {
    const path = documentedPath(row.path);
    found[path] = { ...found[path], [row.method.toLowerCase()]: operationObject(dialect, row) };
  }
  return found;
}

/** The documented dialect. */
const documented: DialectDocument = {
  title: "AME Clusters",
  description: DESCRIPTION,
  rows: routeRows,
  defaultPageSize: 50,
  schemas: componentSchemas,
  requestExamples: requests,
  responseExample: (_, example) => example,
};

const usedTags = ({ rows }: DialectDocument) => {
  const used = new Set<string>(rows.map(({ id }) => descriptions[id].tag));
  return Object.entries(tags).filter(([name]) => used.has(name));
};

/** Builds the document of a dialect. The same sources give the same document. */
const openApiDocument = (dialect: DialectDocument) => ({
  openapi: "3.1.0",
  info: {
    title: dialect.title,
    version: "1",
    description: `${dialect.description}\n\n${COMMON}`,
    license: { name: "MIT", identifier: "MIT" },
  },
  servers: [{ url: "/" }],
  security: [{ token: [] }, { bearer: [] }],
  tags: usedTags(dialect).map(([name, description]) => ({ name, description })),
  paths: paths(dialect),
  components: {
    securitySchemes: {
      token: {
        type: "apiKey",
        in: "header",
        name: "Authorization",
        description: "`Token <personal access token>`",
      },
      bearer: { type: "http", scheme: "bearer", description: "The same token, as `Bearer <personal access token>`" },
    },
    headers,
    schemas: dialect.schemas(),
  },
});

/** Files of the documents, by the dialect. */
export const documents = {
  "openapi.json": documented,
  "acloud-openapi.json": acloudDocument,
} as const satisfies Record<string, DialectDocument>;

/** Returns the text of a document as it is committed. @param file its name */
export const writtenDocument = (file: keyof typeof documents): string =>
  `${JSON.stringify(openApiDocument(documents[file]), null, 1)}\n`;
