import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createToken } from "#core/admin/personal-tokens.ts";
import { handler } from "#functions/api/clusters.ts";
import type { GatewayEvent } from "#functions/http/gateway.ts";
import { saveEnvironment } from "#test/support/environment.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;
/** Imports a new copy of the function, which reads the environment at its first call. */
const fresh = handler.with({});
const restore = saveEnvironment();

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  Object.assign(process.env, {
    TABLE_NAME: world.table.name,
    DYNAMODB_ENDPOINT: inject("endpoint"),
    LOG_LEVEL: "silent",
  });
});

afterAll(restore);

/** Event of API Gateway's HTTP API, payload version 2. */
function event(method: string, path: string, more: { token: string; body?: string; base64?: boolean; query?: string }) {
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: more.query ?? "",
    cookies: [],
    headers: {
      authorization: `Token ${more.token}`,
      "content-type": "application/json",
      host: "api.example.test",
      "x-forwarded-for": "203.0.113.9, 198.51.100.7",
    },
    requestContext: {
      accountId: "123456789012",
      apiId: "api",
      authentication: null,
      authorizer: {},
      domainName: "api.example.test",
      domainPrefix: "api",
      http: { method, path, protocol: "HTTP/1.1", sourceIp: "198.51.100.7", userAgent: "test" },
      requestId: "gateway-request",
      routeKey: "$default",
      stage: "$default",
      time: "23/Nov/2026:10:00:00 +0000",
      timeEpoch: 1_795_428_000_000,
    },
    ...(more.body === undefined
      ? {}
      : { body: more.base64 === true ? Buffer.from(more.body).toString("base64") : more.body }),
    isBase64Encoded: more.base64 ?? false,
  } as unknown as GatewayEvent;
}

async function invoke(given: GatewayEvent) {
  const { statusCode, headers, body } = (await fresh(given, {})) as {
    statusCode: number;
    headers: Record<string, string>;
    body: string;
  };
  return { statusCode, headers, body: JSON.parse(body) };
}

test.each([false, true])("a function behind the gateway creates and lists clusters, base64 %s", async (base64) => {
  const name = `lambda ${base64}`;
  const body = JSON.stringify(tenant.creation({ name }));
  const created = await invoke(event("POST", tenant.path("production"), { token: tenant.admin, body, base64 }));
  expect(created.statusCode, JSON.stringify(created.body)).toBe(200);
  expect(created.headers.location).toBe(`https://api.example.test${tenant.path("production")}/lambda-${base64}`);
  const listed = await invoke(
    event("GET", tenant.path(), { token: tenant.admin, query: "pageSize=1&sortDirection=DESC" }),
  );
  expect(listed.body.content.map((each: { name: string }) => each.name)).toEqual([name]);
});

test("a function uses the gateway's source address, whatever the headers say", async () => {
  const { user } = await tenant.person("viewer");
  const tokenFor = async (source: string) =>
    (await createToken(world.services, { user, name: "limited", sources: [source] })).token;
  const status = async (token: string) => (await invoke(event("GET", tenant.path(), { token }))).statusCode;
  expect(await status(await tokenFor("198.51.100.0/24"))).toBe(200);
  expect(await status(await tokenFor("203.0.113.0/24"))).toBe(403);
});
