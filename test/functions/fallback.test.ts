import { Hono } from "hono";
import { beforeAll, describe, expect, test } from "vitest";
import { createDefaultApp } from "#functions/api/fallback.ts";
import { resultOf } from "#functions/http/gateway.ts";
import { addDocs } from "#functions/openapi/docs-page.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { acloud, committed, expectContract } from "#test/support/contract.ts";
import { makeWorld, unpack, type World } from "#test/support/world.ts";

const logs: string[] = [];
const document = new URL("../../functions/openapi/openapi.json", import.meta.url);
const acloudDocument = new URL("../../functions/openapi/acloud-openapi.json", import.meta.url);
const script = new URL("../../node_modules/redoc/bundles/redoc.standalone.js", import.meta.url);
const app = createDefaultApp(
  createLogger("info", (line) => logs.push(line)),
  { document, acloudDocument, script },
);

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});

/** Response without the parts that differ from one request to the next. */
async function summarize(response: Response) {
  const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== "x-request-id"));
  return { status: response.status, headers, body: await response.text() };
}

describe("requests that match no function's route", () => {
  const paths = [
    "/api",
    "/api/v1/orgs/acme",
    "/api/v1/orgs/acme/clusters/",
    "/api/v1/orgs//clusters",
    "/api/v2/orgs/acme/clusters",
    "/acloud/api/v1/orgs/acme/environments/",
    "/acloud/admin/v1/clusters",
    "/acloud/healthz",
    "/docs/",
    "//",
    "/%00",
    "/%",
    "/__proto__",
    `/${"a".repeat(5_000)}`,
  ];
  test.each(paths)("%s without a route is refused as the local server refuses it", async (path) => {
    for (const method of ["GET", "POST", "HEAD", "PROPFIND"]) {
      const response = await app.request(`http://localhost${path}`, { method });
      const served = await world.raw(method, path);
      expect(response.headers.get("x-request-id")).toMatch(/./);
      const { status, headers, body } = await summarize(response);
      expect(status).toBe(404);
      expect(body).toBe(served.bytes.toString());
      expect(headers["content-type"]).toBe(served.headers.get("content-type"));
    }
  });

  test("a wrong method on a documented path returns 405 with the allowed methods", async () => {
    // The document cannot describe a GET that changes data, for which HEAD is not allowed.
    const documented = [committed, acloud].flatMap(({ paths }) => Object.keys(paths));
    const templates = documented.filter((path) => /^(\/acloud)?\/api\/(?!.*\/join-config$)/.test(path));
    expect(templates.length).toBeGreaterThan(40);
    for (const template of templates) {
      const path = template.replaceAll(/\{\w+\}/g, "x");
      const response = await app.request(path, { method: "PROPFIND" });
      expect(response.status, path).toBe(405);
      const served = await world.raw("PROPFIND", path);
      expect([served.status, served.headers.get("allow")], path).toEqual([405, response.headers.get("allow")]);
      const body = await response.json();
      expect(body, path).toEqual(JSON.parse(served.bytes.toString()));
      expectContract("PROPFIND", path, 405, response.headers, body);
    }
  });

  test("a request without a route is logged without its content", async () => {
    logs.length = 0;
    await app.request("/a-secret-path?token=secret", {
      headers: { authorization: "Token secret", "x-request-id": "mine" },
    });
    expect(logs).toHaveLength(1);
    expect(JSON.parse(logs[0] ?? "")).toMatchObject({
      message: "request",
      requestId: "mine",
      method: "GET",
      status: 404,
    });
    expect(logs[0]).not.toContain("secret");
  });
});

test("the fallback function serves the same OpenAPI document and docs page as the local server", async () => {
  const local = addDocs(new Hono(), createLogger("silent"));
  for (const path of ["/", "/openapi.json", "/docs", "/docs/page.js", "/docs/redoc.js"]) {
    for (const method of ["GET", "HEAD", "POST"]) {
      const responses = await Promise.all([app.request(path, { method }), local.request(path, { method })]);
      const [response, served] = await Promise.all(responses.map(summarize));
      expect(response, `${method} ${path}`).toEqual(served);
    }
  }
});

test("the fallback function compresses the OpenAPI document for the gateway, and returns 304 for the entity tag of the result", async () => {
  const result = await resultOf(await app.request("/openapi.json", { headers: { "accept-encoding": "gzip, br" } }));
  expect(result).toMatchObject({ statusCode: 200, isBase64Encoded: true });
  expect(result.headers).toMatchObject({ "content-encoding": "br", vary: "Accept-Encoding" });
  const text = unpack(Buffer.from(result.body, "base64"), new Headers(result.headers)).toString();
  expect(JSON.parse(text)).toEqual(committed);
  const etag = result.headers.etag ?? "";
  expect(etag).toMatch(/^"[\w-]{43}-br"$/);
  const again = await app.request("/openapi.json", { headers: { "if-none-match": etag } });
  expect([again.status, again.headers.get("etag"), again.headers.get("vary")]).toEqual([304, etag, "Accept-Encoding"]);
});
