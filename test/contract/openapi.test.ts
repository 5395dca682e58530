import { readFileSync } from "node:fs";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { sortable } from "#core/cluster/operations/search.ts";
import { createLocalKeyring, createMemoryKeyStore } from "#core/secrets/local-keyring.ts";
import { allRoutes } from "#functions/api/all-routes.ts";
import { routeRows } from "#functions/api/routes.ts";
import { filters } from "#functions/api/v1/clusters.ts";
import { convert } from "#functions/openapi/convert.ts";
import { documents, writtenDocument } from "#functions/openapi/document.ts";
import { acloud, committed, contractOf, type DocumentedOperation, type OpenApi } from "#test/support/contract.ts";
import type { Json } from "#test/support/world.ts";

const contract: Json = JSON.parse(readFileSync(new URL("./clusters.json", import.meta.url), "utf8"));
const schemas: Json = committed.components.schemas;

/** Schema of a request that the contract describes only in words. */
const PROMETHEUS_REQUEST = { oneOf: [{ type: "boolean" }, { $ref: "#/components/schemas/UpdatePrometheusRules" }] };

/** Lists the parts of a documented value that another value lacks; additional parts are allowed. */
function lacks(documented: Json, given: Json, path = ""): string[] {
  if (Array.isArray(documented)) {
    return documented.flatMap((each) =>
      Array.isArray(given) && given.some((other) => lacks(each, other).length === 0)
        ? []
        : [`${path}: ${JSON.stringify(each)}`],
    );
  }
  if (typeof documented === "object" && documented !== null) {
    return Object.entries(documented).flatMap(([name, value]) => lacks(value, given?.[name], `${path}.${name}`));
  }
  return documented === given ? [] : [`${path}: ${JSON.stringify(given)} instead of ${JSON.stringify(documented)}`];
}

const refTo = (name: string) =>
  name.endsWith("[]")
    ? { type: "array", items: { $ref: `#/components/schemas/${name.slice(0, -2)}` } }
    : { $ref: `#/components/schemas/${name}` };

const operationsOf = ({ paths }: OpenApi): [string, DocumentedOperation][] =>
  Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): [string, DocumentedOperation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
const every = operationsOf(committed);
const everyAcloud = operationsOf(acloud);

test.each(Object.keys(documents) as (keyof typeof documents)[])(
  "the committed %s equals the document generated from its sources",
  (file) => {
    const text = readFileSync(new URL(`../../functions/openapi/${file}`, import.meta.url), "utf8");
    expect(text === writtenDocument(file), `run \`npm run openapi\` and commit functions/openapi/${file}`).toBe(true);
  },
);

describe("the OpenAPI document contains the documented contract", () => {
  for (const operation of contract.operations) {
    const { operationId, method, query, request, response } = operation;
    // The documentation has two names for one path parameter. OpenAPI forbids two paths that differ only in such names.
    const path = operation.path.replace("{pool}", "{nodePoolId}");
    test(`the documented operation ${operationId} is in the OpenAPI document`, () => {
      const given = committed.paths[path]?.[method.toLowerCase()];
      expect(given?.operationId).toBe(operationId);
      const inQuery = given?.parameters?.filter((each) => each.in === "query").map(({ name }) => name);
      expect(inQuery).toEqual(expect.arrayContaining(query));
      const inPath = given?.parameters?.filter((each) => each.in === "path").map(({ name }) => `{${name}}`);
      expect(inPath).toEqual(path.match(/\{\w+\}/g));

      const body = given?.requestBody?.content["application/json"]?.schema;
      const isInWords = typeof request === "string" && !/^\w+$/.test(request);
      expect(body).toEqual(request === null ? undefined : isInWords ? PROMETHEUS_REQUEST : refTo(request));
      const success = given?.responses[response === null ? 204 : 200];
      expect(success).toBeDefined();
      expect(success?.content?.["application/json"]?.schema).toEqual(response === null ? undefined : refTo(response));
      for (const [code, name] of Object.entries(contract.errors)) {
        const refusal = given?.responses[code]?.content?.["application/json"]?.schema;
        expect({ code, refusal }).toEqual({ code, refusal: refTo(String(name)) });
      }
    });
  }

  for (const [name, documented] of Object.entries(contract.schemas)) {
    test(`the documented schema ${name} is in the OpenAPI document`, () => {
      expect(lacks(documented, schemas[name], name)).toEqual([]);
    });
  }

  test("the comparison with the contract finds a missing part", () => {
    const documented = { required: ["a"], properties: { a: { type: "string", enum: ["x"] } } };
    expect(lacks(documented, { ...documented, more: 1 })).toEqual([]);
    expect(lacks(documented, { properties: { a: { type: "integer", enum: ["y", "x"] } } })).toHaveLength(2);
    expect(lacks(documented, undefined)).toHaveLength(3);
  });
});

describe("the OpenAPI document and the served app", () => {
  const served = allRoutes(createLocalKeyring(createMemoryKeyStore()), async () => true).map(
    ({ method, path }) => `${method} ${path.replaceAll(/\{\w+\}/g, "{}")}`,
  );

  test("the documents and the served app have the same routes", () => {
    const documented = [...every, ...everyAcloud].map(([route]) => route.replaceAll(/\{\w+\}/g, "{}"));
    // The routes of the docs page serve these, and their other responses are not JSON: test/functions/docs.test.ts.
    expect(documented.toSorted()).toEqual([...served, "GET /openapi.json"].toSorted());
  });

  test.each(["listOrganisationClusters", "listEnvironmentClusters"])(
    "the document and the served app have the same filters and sort orders for %s",
    (name) => {
      const operation = every.find(([, { operationId }]) => operationId === name)?.[1];
      const described = "Only those ";
      const documented = operation?.parameters?.filter(({ description }) => description?.startsWith(described));
      expect(documented?.map((each) => each.name).toSorted()).toEqual(Object.keys(filters).toSorted());
      const sort = operation?.parameters?.find((each) => each.name === "sort");
      expect(sort?.schema.items.pattern).toContain(`^(${sortable.join("|")})`);
    },
  );

  test.each([
    ["openapi.json", every],
    ["acloud-openapi.json", everyAcloud],
  ])("%s names every operation once", (_, operations) => {
    const names = operations.map(([, { operationId }]) => operationId);
    expect(names.length).toBeGreaterThan(30);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe.each([
  ["openapi.json", committed],
  ["acloud-openapi.json", acloud],
])("the examples of %s", (_file, document) => {
  const { mismatch } = contractOf(document);
  test.each(operationsOf(document))("the examples of %s match their schemas", (_, operation) => {
    const { requestBody, responses, parameters = [] } = operation;
    const media = [requestBody, ...Object.values(responses)].flatMap((each) => Object.values(each?.content ?? {}));
    for (const { schema, example } of media as { schema: Json; example?: unknown }[]) {
      expect(example).toBeDefined();
      expect(mismatch(schema, example)).toBeUndefined();
    }
    for (const { schema, example } of parameters as { schema: Json; example?: unknown }[]) {
      if (example !== undefined) expect(mismatch(schema, example)).toBeUndefined();
    }
  });
});

describe("a response that does not match the contract is detected", () => {
  const { expectContract } = contractOf(committed);
  const path = "/api/v1/orgs/acme/clusters/production/one";
  const json = { "content-type": "application/json; charset=utf-8", "x-request-id": "1" };
  const example = (key: string, status: number): Json =>
    (every.find(([route]) => route === key)?.[1].responses[status]?.content?.["application/json"] as Json)?.example;
  const cluster = example("GET /api/v1/orgs/{organisationSlug}/clusters/{environmentSlug}/{clusterSlug}", 200);
  const error = { message: "no", details: ["no"] };
  const mismatchCheck =
    (status: number, body: unknown, headers: Record<string, string> = {}, method = "GET", at = path) =>
    () =>
      expectContract(method, at, status, new Headers({ ...json, ...headers }), body);

  test("a response that matches the contract is accepted", () => {
    expect(mismatchCheck(200, cluster, { etag: '"1"' })).not.toThrow();
    expect(mismatchCheck(200, undefined, { etag: '"1"' }, "HEAD")).not.toThrow();
    expect(mismatchCheck(304, undefined, { etag: '"1"' })).not.toThrow();
    expect(mismatchCheck(404, error)).not.toThrow();
    expect(mismatchCheck(405, error, { allow: "GET" }, "DELETE")).not.toThrow();
    expect(mismatchCheck(404, error, {}, "GET", "/nowhere")).not.toThrow();
    expect(mismatchCheck(204, undefined, {}, "OPTIONS")).not.toThrow();
    const { identity: _, createdAt: _created, modifiedAt: _modified, ...rehearsed } = cluster;
    expect(mismatchCheck(200, { ...rehearsed, consequences: [] }, {}, "PATCH", `${path}?dryRun=true`)).not.toThrow();
  });

  test.each([
    ["another code", mismatchCheck(418, error)],
    ["an unknown property", mismatchCheck(200, { ...cluster, secret: 1 })],
    ["an unknown property deep inside", mismatchCheck(200, { ...cluster, slug: { slugValue: "a", more: 1 } })],
    ["a missing property", mismatchCheck(200, { ...cluster, name: undefined })],
    ["a missing generated property", mismatchCheck(200, { ...cluster, identity: undefined })],
    ["null", mismatchCheck(200, { ...cluster, description: null })],
    ["a type", mismatchCheck(200, { ...cluster, poolID: 1.5 })],
    ["a format", mismatchCheck(200, { ...cluster, createdAt: "yesterday" })],
    ["a value that is not in the enum", mismatchCheck(200, { ...cluster, status: "NEW" })],
    [
      "dry-run consequences of a change that was made",
      mismatchCheck(200, { ...cluster, consequences: [] }, {}, "PATCH"),
    ],
    ["an error of another shape", mismatchCheck(404, { error: "no" })],
    ["an undocumented header", mismatchCheck(200, cluster, { link: "<x>" })],
    ["a missing header", mismatchCheck(401, error)],
    ["a body where none is allowed", mismatchCheck(304, cluster)],
    ["another content type", mismatchCheck(200, cluster, { "content-type": "text/plain" })],
    ["a success of an unknown operation", mismatchCheck(200, cluster, {}, "DELETE")],
  ])("the comparison with the contract detects %s", (_, judged) => {
    expect(judged).toThrow(/outside of its contract/);
  });
});

describe("a valibot schema that JSON Schema cannot express", () => {
  test("a schema that JSON Schema cannot express is refused unless the lost rule is named", () => {
    const unnamed = v.object({
      name: v.pipe(
        v.string(),
        v.check((value) => value !== "x", "must not be x"),
      ),
    });
    expect(() => convert({ Unnamed: unnamed })).toThrow(/"check" action cannot be converted/);
    const flagged = v.object({ name: v.pipe(v.string(), v.regex(/^a$/i)) });
    expect(() => convert({ Flagged: flagged })).toThrow(/RegExp flags/);
    expect(() => convert({ Dated: v.object({ at: v.date() }) })).toThrow(/"date" schema cannot be converted/);
  });
});

test("exactly the operations whose body contains secrets are marked in the table of routes", () => {
  const schemas: Record<string, unknown> = committed.components.schemas;
  const hasSecret = (schema: unknown): boolean => {
    const text = JSON.stringify(schema ?? {});
    const referred = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name = ""]) => name);
    return text.includes('"writeOnly":true') || referred.some((name) => hasSecret(schemas[name]));
  };
  const bodies = routeRows.filter(({ body }) => body !== undefined && hasSecret(schemas[body])).map(({ id }) => id);
  expect(bodies.length).toBeGreaterThan(0);
  expect(routeRows.filter(({ hasSecretBody }) => hasSecretBody === true).map(({ id }) => id)).toEqual(bodies);
});
