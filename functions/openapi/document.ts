/** The OpenAPI document, from the table of operations and the schemas. */

import { type OperationId, type RouteRow, routeRows, routes } from "../api/routes.ts";
import { type JsonSchema, refTo } from "./convert.ts";
import { answerExample, requests } from "./examples.ts";
import { type ErrorStatus, type Success, tags } from "./operation.ts";
import { descriptions } from "./operations.ts";
import { describeParameters, documentedPath, type HeaderName, headers, pathParameters } from "./parameters.ts";
import { componentSchemas } from "./schemas.ts";

const DESCRIPTION = `An open control plane API for Kubernetes clusters on any cloud: organisations hold environments, environments hold
clusters, clusters hold node pools.

Authenticate with a personal access token, \`Authorization: Token <token>\`; \`Bearer\` is the same. Bodies are JSON in UTF-8, at
most 256 KiB. \`null\` in a request equals leaving the property out; what is absent is left out of answers. Unknown properties and
parameters are ignored and named in a \`Warning\`, or refused with \`Prefer: handling=strict\`.

Every error is an ErrorMessageResponse: \`message\` stands alone, \`details\` names every problem with its path. HEAD works as GET does;
another method than those documented is a 405 with \`Allow\`, another path a 404. Every answer carries \`X-Request-Id\`.`;

const ERRORS: Record<ErrorStatus, { description: string; headers?: readonly HeaderName[] }> = {
  400: { description: "The request is invalid; every problem is named." },
  401: { description: "There is no valid token.", headers: ["WWW-Authenticate"] },
  403: { description: "The token or the caller's role does not allow it." },
  404: { description: "What the path names is not there." },
  409: { description: "It conflicts with the present state.", headers: ["Retry-After"] },
  412: { description: "No tag in `If-Match` matches the current entity tag.", headers: ["ETag"] },
  413: { description: "The body is too large." },
  415: { description: "The body is not JSON in UTF-8." },
  422: { description: "The `Idempotency-Key` was used for another request." },
  500: { description: "A defect. The log has the rest, by the request's id." },
  503: { description: "It could not be done now, and may be tried again as it is.", headers: ["Retry-After"] },
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

/** Headers of an answer: its own, and those any answer to the operation can have. */
const headersOf = (names: readonly HeaderName[] = []) => {
  const always: HeaderName[] = ["Preference-Applied", "Warning", "X-Request-Id"];
  return Object.fromEntries(
    [...names, ...always].sort().map((name) => [name, { $ref: `#/components/headers/${name}` }]),
  );
};

function success(id: OperationId, status: string, given: Success) {
  const { description, schema, alsoYaml, headers: names } = given;
  const name = schema ?? (status === "200" ? (routes[id] as RouteRow).success : undefined);
  return {
    description,
    headers: headersOf(names),
    ...(name === undefined ? {} : { content: contentOf(schemaOf(name), answerExample(id, status), alsoYaml) }),
  };
}

function refusal(id: OperationId, status: ErrorStatus) {
  const { description, headers: names } = ERRORS[status];
  const content = contentOf(refTo("ErrorMessageResponse"), answerExample(id, status));
  return { description, headers: headersOf(names), content };
}

function operationObject({ id, path, parameters, body, isBodyOptional, isPublic }: (typeof routeRows)[number]) {
  const { tag, summary, description, request, successes, errors } = descriptions[id];
  const all = [...pathParameters(path), ...describeParameters(parameters)];
  const responses = Object.fromEntries([
    ...Object.entries(successes).map(([status, given]) => [status, success(id, status, given)]),
    ...errors.toSorted((one, other) => one - other).map((status) => [status, refusal(id, status)]),
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
          requestBody: { required: isBodyOptional !== true, content: contentOf(request ?? refTo(body), requests[id]) },
        }),
    responses,
  };
}

function paths(): Record<string, Record<string, unknown>> {
  const found: Record<string, Record<string, unknown>> = {};
  for (const row of routeRows) {
    const path = documentedPath(row.path);
    found[path] = { ...found[path], [row.method.toLowerCase()]: operationObject(row) };
  }
  return found;
}

/** Makes the document: always the same of the same sources. */
export const openApiDocument = () => ({
  openapi: "3.1.0",
  info: {
    title: "AME Clusters",
    version: "1",
    description: DESCRIPTION,
    license: { name: "MIT", identifier: "MIT" },
  },
  servers: [{ url: "/" }],
  security: [{ token: [] }, { bearer: [] }],
  tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
  paths: paths(),
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
    schemas: componentSchemas(),
  },
});

/** Writes the document as it is committed. */
export const writtenDocument = (): string => `${JSON.stringify(openApiDocument(), null, 1)}\n`;
