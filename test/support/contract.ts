/** Compares every response of the suite with the OpenAPI document. */

import { readFileSync } from "node:fs";
import { Ajv2020, type AnySchemaObject, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { generatedProperties } from "#functions/openapi/schemas.ts";

interface Media {
  schema: AnySchemaObject;
}

interface Response {
  headers?: Record<string, { $ref: string }>;
  content?: Record<string, Media>;
}

/** Operation of the document. */
export interface DocumentedOperation {
  operationId: string;
  parameters?: { name: string; in: string; description?: string; schema: AnySchemaObject }[];
  requestBody?: { content: Record<string, Media & { example?: unknown }> };
  responses: Record<string, Response>;
}

/** The parts of the committed document that tests use. */
export interface OpenApi {
  paths: Record<string, Record<string, DocumentedOperation>>;
  components: {
    headers: Record<string, { required?: boolean; schema: AnySchemaObject }>;
    schemas: Record<string, AnySchemaObject>;
  };
}

const read = (file: string): OpenApi =>
  JSON.parse(readFileSync(new URL(`../../functions/openapi/${file}`, import.meta.url), "utf8"));

/** The committed document of the documented dialect. */
export const committed: OpenApi = read("openapi.json");

/** The committed document of the published clients' dialect. */
export const acloud: OpenApi = read("acloud-openapi.json");

/** Checks of responses and requests against the committed document, or another one. */
export interface Contract {
  /** @throws Error that names every mismatch */
  expectContract(method: string, path: string, status: number, headers: Headers, body: unknown): void;
  /**
   * Describes the mismatches of a value with a schema; undefined if it matches. Properties that are not in the schema are
   * allowed.
   */
  mismatch(schema: AnySchemaObject, value: unknown): string | undefined;
}

/** Refuses undocumented properties, because responses are documented completely. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== "object" || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, strict(value)]));
  const isClosed = typeof inner.properties === "object" && inner.additionalProperties === undefined;
  return isClosed ? { ...inner, additionalProperties: false } : inner;
}

const without = (schema: AnySchemaObject, name: string): AnySchemaObject => {
  if (schema.properties?.[name] === undefined) return schema;
  const { [name]: _, ...properties } = schema.properties;
  return { ...schema, properties };
};

const generatedOf = (name: string): readonly string[] => new Map(Object.entries(generatedProperties)).get(name) ?? [];

/** Properties that only the response to a dry run has. */
const OF_DRY_RUNS = ["consequences", "manifests"];

/**
 * Components for responses other than those of a dry run: generated properties are required, and those of a dry run are
 * forbidden.
 */
const done = (schemas: OpenApi["components"]["schemas"]) =>
  Object.fromEntries(
    Object.entries(schemas).map(([name, schema]): [string, AnySchemaObject] => {
      const required = [...(schema.required ?? []), ...generatedOf(name)];
      const whole = required.length === 0 ? schema : { ...schema, required };
      return [name, name === "DryRunResponse" ? whole : OF_DRY_RUNS.reduce(without, whole)];
    }),
  );

/** Headers that are compared; others belong to the transport. */
const MEANT = [
  "allow",
  "content-encoding",
  "etag",
  "idempotency-replayed",
  "link",
  "location",
  "preference-applied",
  "retry-after",
  "warning",
  "www-authenticate",
];

/** Builds the checks of a document. */
export function contractOf(document: OpenApi): Contract {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  const { schemas } = document.components;
  for (const [id, held] of [
    ["open", schemas],
    ["dry-run", strict(schemas)],
    ["done", strict(done(schemas))],
  ] as const) {
    ajv.addSchema({ $id: `https://contract.test/${id}`, components: { schemas: held } });
  }
  const compiled = new Map<string, ValidateFunction>();

  function mismatchIn(base: "open" | "dry-run" | "done", schema: unknown, value: unknown): string | undefined {
    const text = JSON.stringify(base === "open" ? schema : strict(schema));
    const key = `${base} ${text}`;
    let validate = compiled.get(key);
    if (validate === undefined) {
      validate = ajv.compile(JSON.parse(text.replaceAll('"#/', `"https://contract.test/${base}#/`)));
      compiled.set(key, validate);
    }
    if (validate(value)) return undefined;
    return ajv.errorsText(validate.errors, { separator: "; ", dataVar: "body" });
  }

  const ERROR = { $ref: "#/components/schemas/ErrorMessageResponse" };
  const routes = Object.entries(document.paths)
    .map(([path, operations]) => ({ segments: path.split("/"), operations }))
    // Paths with more literal segments are matched first.
    .sort((one, other) => named(one.segments) - named(other.segments));

  function find(method: string, pathname: string): DocumentedOperation | undefined {
    const given = pathname.split("/");
    for (const { segments, operations } of routes) {
      // Methods are case-sensitive: `patch` is not PATCH.
      const known = method === method.toUpperCase() ? (method === "HEAD" ? "GET" : method).toLowerCase() : "";
      const operation = operations[known];
      if (operation !== undefined && fits(segments, given)) return operation;
    }
    return undefined;
  }

  function headerProblems(given: Headers, { headers = {} }: Response): string[] {
    const described = new Map(
      Object.entries(headers).map(([name, { $ref }]) => [
        name.toLowerCase(),
        document.components.headers[$ref.slice("#/components/headers/".length)],
      ]),
    );
    const undocumented = MEANT.filter((name) => given.has(name) && !described.has(name));
    const missing = [...described].filter(([name, header]) => header?.required === true && !given.has(name));
    const wrong = [...described].filter(([name, header]) => {
      const value = given.get(name);
      const typed = header?.schema.type === "integer" ? Number(value) : value;
      return value !== null && header !== undefined && mismatchIn("open", header.schema, typed) !== undefined;
    });
    return [
      ...undocumented.map((name) => `the header ${name} is not documented`),
      ...missing.map(([name]) => `the header ${name} is missing`),
      ...wrong.map(([name]) => `the header ${name} is ${given.get(name)}`),
    ];
  }

  function problemsOf(method: string, path: string, status: number, headers: Headers, body: unknown): string[] {
    const { pathname, searchParams } = new URL(`http://localhost${path}`);
    const operation = find(method, pathname);
    const isEmpty = body === undefined;
    // A refused HEAD is treated as a path without an operation.
    if (operation === undefined || (method === "HEAD" && status === 405)) {
      const isPreflight = method === "OPTIONS" && status === 204;
      if (isPreflight && isEmpty) return [];
      const mismatch = method === "HEAD" ? undefined : mismatchIn("done", ERROR, body);
      const isRefusal = status === 404 || status === 405;
      return [
        ...(isRefusal ? [] : ["the document has no operation for it"]),
        ...(mismatch === undefined ? [] : [mismatch]),
      ];
    }
    const response = operation.responses[status];
    if (response === undefined) return [`${operation.operationId} has no documented ${status}`];
    const problems = headerProblems(headers, response);
    const [type = ""] = (headers.get("content-type") ?? "").split(";");
    const media = response.content?.[type] ?? response.content?.["application/json"];
    if (method === "HEAD" || media === undefined)
      return isEmpty ? problems : [...problems, "it has an undocumented body"];
    if (response.content?.[type] === undefined) problems.push(`it is not documented as ${type}`);
    const isDryRun = status < 300 && searchParams.get("dryRun") === "true";
    const mismatch = mismatchIn(isDryRun ? "dry-run" : "done", media.schema, body);
    return mismatch === undefined ? problems : [...problems, mismatch];
  }

  return {
    mismatch: (schema, value) => mismatchIn("open", schema, value),
    expectContract(method, path, status, headers, body) {
      const problems = problemsOf(method, path, status, headers, body);
      if (problems.length === 0) return;
      const shown = JSON.stringify(body)?.slice(0, 2_000);
      throw new Error(`${method} ${path} returned ${status} outside of its contract: ${problems.join("; ")}\n${shown}`);
    },
  };
}

const named = (segments: readonly string[]) => segments.filter((segment) => segment.startsWith("{")).length;

/** Returns true if a path matches a template; a parameter matches any segment that is not empty. */
const fits = (template: readonly string[], given: readonly string[]) =>
  template.length === given.length &&
  template.every((segment, position) =>
    segment.startsWith("{") ? given[position] !== "" : segment === given[position],
  );

let documented: Contract | undefined;
let published: Contract | undefined;

/**
 * Compares a response with the committed document of its dialect: its status, headers and body must be documented completely. Without a matching
 * operation, it must be an error of the documented form, or a preflight.
 *
 * @param path with its query
 * @param body parsed JSON; undefined without a body
 * @throws Error that names every mismatch
 */
export function expectContract(method: string, path: string, status: number, headers: Headers, body: unknown): void {
  documented ??= contractOf(committed);
  const isPublished = path.startsWith("/acloud/");
  if (isPublished) published ??= contractOf(acloud);
  const contract = (isPublished ? published : undefined) ?? documented;
  contract.expectContract(method, path, status, headers, body);
}
