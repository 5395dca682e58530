import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { handler } from "#functions/api/clusters.ts";
import type { GatewayEvent, GatewayResult } from "#functions/http/gateway.ts";
import { schedule, stream } from "#functions/reconciler/handlers.ts";
import { saveEnvironment } from "#test/support/environment.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;
const restore = saveEnvironment();

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  const LOG_LEVEL = "warn";
  Object.assign(process.env, { TABLE_NAME: world.table.name, DYNAMODB_ENDPOINT: inject("endpoint"), LOG_LEVEL });
  Object.assign(process.env, { STAGE: "feature-x" });
});

afterAll(restore);

/** Returns the log line of a request. */
async function lineOf(method: string, path: string, sending: Parameters<World["send"]>[2] = {}): Promise<Json> {
  world.logs.length = 0;
  await world.send(method, path, { token: tenant.admin, ...sending });
  expect(world.logs).toHaveLength(1);
  return JSON.parse(world.logs[0] ?? "");
}

/** Returns the lines that a Lambda logs during an operation. */
async function written(work: () => Promise<unknown>): Promise<Json[]> {
  const lines: string[] = [];
  const spy = vi.spyOn(process.stderr, "write").mockImplementation((line) => lines.push(String(line)) > 0);
  try {
    await work();
  } finally {
    spy.mockRestore();
  }
  return lines.map((line) => JSON.parse(line));
}

const event = (method: string, rawPath: string, headers: Record<string, string> = {}): GatewayEvent => ({
  rawPath,
  rawQueryString: "",
  headers: { authorization: `Token ${tenant.admin}`, ...headers },
  isBase64Encoded: false,
  requestContext: {
    domainName: "api.example.test",
    requestId: "JKJaXmPLvHcESHA=",
    stage: "$default",
    http: { method, sourceIp: "198.51.100.7" },
  },
});

describe("the log line of a request", () => {
  test("the log line has caller, operation, result and consumed capacity", async () => {
    const body = tenant.creation({ name: "Logged" });
    const creation = await lineOf("POST", tenant.path("production"), { body, headers: { "x-request-id": "call-1" } });
    const { identity } = (await world.send("GET", tenant.path("production", "logged"), { token: tenant.admin })).body;
    expect(creation).toEqual({
      time: expect.stringMatching(/Z$/),
      level: "info",
      message: "request",
      requestId: "call-1",
      method: "POST",
      route: "/api/v1/orgs/{organisation}/clusters/{environment}",
      tokenId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      organisation: tenant.slug,
      clusterIdentity: identity,
      status: 200,
      milliseconds: expect.any(Number),
      readUnits: expect.any(Number),
      waitSeconds: 0,
      writeUnits: expect.any(Number),
    });
    expect(creation.readUnits).toBeGreaterThanOrEqual(5);
    expect(creation.writeUnits).toBeGreaterThanOrEqual(10);
    const reading = await lineOf("GET", `${tenant.path("production", "logged")}/pools`);
    expect(reading).toMatchObject({ clusterIdentity: identity, status: 200, writeUnits: 0 });
    // Token, organisation, membership, environment and cluster, each within 4 KB, and the pools. The process has the references.
    expect(reading.readUnits).toBe(6);
  });

  test("the log line counts only its own request, also for concurrent requests", async () => {
    world.logs.length = 0;
    const path = tenant.path("production", "logged");
    await Promise.all(Array.from({ length: 8 }, () => world.send("GET", path, { token: tenant.admin })));
    expect(world.logs.map((line) => JSON.parse(line).readUnits)).toEqual(Array(8).fill(5));
  });

  test("the log line of a refused request has the reason, and no fields without a value", async () => {
    const missing = await lineOf("GET", tenant.path("production", "absent"));
    expect(missing).toMatchObject({ status: 404, reason: "cluster.missing", organisation: tenant.slug });
    expect(missing).not.toHaveProperty("clusterIdentity");
    const odd = await lineOf("GET", "/api/v1/orgs/%7B%22a%22%3A1%7D/clusters");
    expect(odd).not.toHaveProperty("organisation");
    expect(await lineOf("GET", "/nowhere")).toMatchObject({ status: 404, reason: "route.unknown" });
  });

  test("the log line never contains a token or the request's content", async () => {
    world.logs.length = 0;
    const body = tenant.creation({ name: "quiet", description: "do-not-log-me" });
    const headers = { "idempotency-key": "do-not-log-me-either" };
    await world.send("POST", tenant.path("production"), { token: tenant.admin, body, headers });
    await world.send("GET", tenant.path("production"), { token: `${tenant.admin}x` });
    const text = world.logs.join("");
    expect(text).not.toContain("do-not-log-me");
    expect(text).not.toContain(tenant.admin.slice(-20));
    expect(text).not.toContain("_aws");
  });
});

describe("the log line on Lambda", () => {
  const metricsOf = (line: Json): Json => {
    const [{ Namespace, Dimensions, Metrics }] = line._aws.CloudWatchMetrics;
    expect(Namespace).toBe("AmeClusters");
    expect(Dimensions).toEqual([["Stage"]]);
    expect(line.Stage).toBe("feature-x");
    expect(Math.abs(Date.now() - line._aws.Timestamp)).toBeLessThan(60_000);
    return Object.fromEntries(Metrics.map(({ Name }: Json) => [Name, line[Name]]));
  };

  test("the log line on Lambda contains metrics at every log level, cold starts and the gateway's id", async () => {
    const own = handler.with({});
    const [first, second, third] = await written(async () => {
      const get = event("GET", tenant.path("production", "logged"));
      await own(get, { awsRequestId: "lambda-1" });
      await own(get, { awsRequestId: "lambda-2" });
      await own(event("GET", "/nowhere"), {});
    });
    expect(first).toMatchObject({
      message: "request",
      status: 200,
      organisation: tenant.slug,
      gatewayRequestId: "JKJaXmPLvHcESHA=",
      lambdaRequestId: "lambda-1",
      coldStart: true,
    });
    expect(metricsOf(first)).toEqual({
      Requests: 1,
      Errors: 0,
      Latency: first.milliseconds,
      ReadUnits: 6,
      // The first use of a token on a day is recorded.
      WriteUnits: 1,
    });
    expect(second).toMatchObject({ lambdaRequestId: "lambda-2", coldStart: false });
    expect(metricsOf(third)).toMatchObject({ Requests: 1, Errors: 0, ReadUnits: 0 });
    expect(JSON.stringify([first, second, third])).not.toContain(tenant.admin.slice(-20));
  });

  test("a function with Prefer: wait returns at once, with Retry-After", async () => {
    const path = tenant.path("production", "logged");
    const rawQueryString = "waitFor=status:deleted";
    const request = { ...event("GET", path, { prefer: "wait=10" }), rawQueryString };
    let response: GatewayResult | undefined;
    const [line] = await written(async () => {
      response = await handler.with({})(request, {});
    });
    expect(response).toMatchObject({ statusCode: 200, headers: { "retry-after": "5" } });
    expect(response?.headers).not.toHaveProperty("preference-applied");
    // A function that waits would take 10 s.
    expect(line).toMatchObject({ status: 200, waitSeconds: 0 });
    expect(metricsOf(line)).toMatchObject({ Latency: line.milliseconds, ReadUnits: 6 });
  });

  test("a server error is counted as an error in the log line", async () => {
    const broken = handler.with({ table: { ...world.table, metered: () => ({}) as never } });
    const lines = await written(() => broken(event("GET", tenant.path("production", "logged")), {}));
    expect(lines.map(({ message }) => message)).toEqual(["defect", "request"]);
    expect(metricsOf(lines[1])).toMatchObject({ Requests: 1, Errors: 1 });
  });

  test("the reconciler logs one line per call, with its clusters", async () => {
    let now = Date.now() + 30_000;
    const given = {
      keyring: world.keyring,
      identityProvider: {
        issuer: "https://issuer.example.test",
        register: async () => ({ clientId: "client", clientSecret: "do-not-log-me" }),
        remove: async () => true,
      },
      clock: () => new Date(now),
      sleep: async (ms: number) => {
        now += ms;
      },
    };
    const [onStream, onSchedule, again] = await written(async () => {
      await stream.with(given)({ Records: [] }, { awsRequestId: "lambda-3" });
      const own = schedule.with(given);
      await own({}, {});
      await own({}, {});
    });
    expect(onStream).toMatchObject({ message: "reconciled", source: "stream", lambdaRequestId: "lambda-3" });
    expect(metricsOf(onStream)).toEqual({ Reconciled: 0, ReconcileFailures: 0, ReadUnits: 0, WriteUnits: 0 });
    expect(onSchedule).toMatchObject({ source: "schedule", coldStart: true });
    expect(metricsOf(onSchedule)).toMatchObject({ Reconciled: 2, ReconcileFailures: 0, OldestDue: expect.any(Number) });
    // They were created half a minute ago by this clock.
    expect(onSchedule.OldestDue).toBeGreaterThan(29);
    expect(onSchedule.WriteUnits).toBeGreaterThan(10);
    expect(again).toMatchObject({ coldStart: false });
    expect(metricsOf(again)).toMatchObject({ OldestDue: 0 });
    expect(JSON.stringify(onSchedule)).not.toContain("do-not-log-me");
  });
});
