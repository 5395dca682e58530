import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { buildAll } from "#functions/build/build.ts";
import { BUNDLES_DIRECTORY, codeOf } from "#functions/build/bundles.ts";
import { acloud, committed } from "#test/support/contract.ts";

const FOLDER = join(import.meta.dirname, "../..", BUNDLES_DIRECTORY, "default");

let handler: (event: unknown) => Promise<{ statusCode: number; headers: Record<string, string>; body: string }>;

beforeAll(async () => {
  await buildAll();
  ({ handler } = await import(pathToFileURL(join(FOLDER, "bundle.mjs")).href));
});

const get = (rawPath: string) =>
  handler({
    rawPath,
    rawQueryString: "",
    isBase64Encoded: false,
    requestContext: {
      domainName: "api.example.test",
      requestId: "gateway",
      stage: "$default",
      http: { method: "GET", sourceIp: "198.51.100.7" },
    },
  });

test("the fallback function finds its files next to its code in the uploaded bundle", async () => {
  const document = await get("/openapi.json");
  expect([document.statusCode, JSON.parse(document.body)]).toEqual([200, committed]);
  const published = await get("/acloud/openapi.json");
  expect([published.statusCode, JSON.parse(published.body)]).toEqual([200, acloud]);
  const redoc = await get("/docs/redoc.js");
  expect([redoc.statusCode, redoc.headers["content-type"]]).toEqual([200, "text/javascript; charset=utf-8"]);
  expect(redoc.body.length).toBeGreaterThan(500_000);
  const nothing = await get("/nothing here");
  expect([nothing.statusCode, JSON.parse(nothing.body).message]).toEqual([404, 'Unknown path "/nothing%20here".']);
});

test("the fallback function finds its files in `sst dev`, where it is built from its source", () => {
  expect(codeOf("default", "handler", true)).toEqual({
    handler: "functions/api/fallback.handler",
    copyFiles: [
      { from: "functions/openapi/openapi.json", to: "openapi.json" },
      { from: "functions/openapi/acloud-openapi.json", to: "acloud-openapi.json" },
      { from: "node_modules/redoc/bundles/redoc.standalone.js", to: "redoc.js" },
    ],
  });
});
