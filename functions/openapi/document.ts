/** The OpenAPI document, from the table of operations and the schemas. */

import { type JsonSchema, refTo } from "./convert.ts";
import { answerExample, requests } from "./examples.ts";
import { type Body, type ErrorStatus, type Operation, type Success, tags } from "./operation.ts";
import { operations } from "./operations.ts";
import { type HeaderName, headers, pathParameters } from "./parameters.ts";
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

const schemaOf = ({ schema }: Body): JsonSchema => {
  if (typeof schema === "string") return refTo(schema);
  return "arrayOf" in schema ? { type: "array", items: refTo(String(schema.arrayOf)) } : schema;
};

function contentOf(body: Body, example: unknown) {
  const media = { schema: schemaOf(body), example };
  return { "application/json": media, ...(body.alsoYaml === true ? { "application/yaml": media } : {}) };
}

/** Headers of an answer: its own, and those any answer to the operation can have. */
const headersOf = (names: readonly HeaderName[] = []) => {
  const always: HeaderName[] = ["Preference-Applied", "Warning", "X-Request-Id"];
  return Object.fromEntries(
    [...names, ...always].sort().map((name) => [name, { $ref: `#/components/headers/${name}` }]),
  );
};

const success = (operationId: string, status: string, { description, body, headers: names }: Success) => ({
  description,
  headers: headersOf(names),
  ...(body === undefined ? {} : { content: contentOf(body, answerExample(operationId, status)) }),
});

function refusal(operationId: string, status: ErrorStatus) {
  const { description, headers: names } = ERRORS[status];
  const content = contentOf({ schema: "ErrorMessageResponse" }, answerExample(operationId, status));
  return { description, headers: headersOf(names), content };
}

function operationObject(operation: Operation) {
  const { operationId, path, tag, summary, description, parameters, request, successes, errors, open } = operation;
  const required = operation.bodyIsOptional !== true;
  const all = [...pathParameters(path), ...parameters];
  const responses = Object.fromEntries([
    ...Object.entries(successes).map(([status, answer]) => [status, success(operationId, status, answer)]),
    ...errors.toSorted((one, other) => one - other).map((status) => [status, refusal(operationId, status)]),
  ]);
  return {
    operationId,
    tags: [tag],
    summary,
    description,
    ...(open === true ? { security: [] } : {}),
    ...(all.length === 0 ? {} : { parameters: all }),
    ...(request === undefined ? {} : { requestBody: { required, content: contentOf(request, requests[operationId]) } }),
    responses,
  };
}

function paths(): Record<string, Record<string, unknown>> {
  const found: Record<string, Record<string, unknown>> = {};
  for (const operation of operations) {
    found[operation.path] = {
      ...found[operation.path],
      [operation.method.toLowerCase()]: operationObject(operation),
    };
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
