import type { Hono } from "hono";
import { beforeAll, describe, expect, test } from "vitest";
import { clusterOperations } from "#functions/api/clusters.ts";
import { type Dialect, dialectRoutes } from "#functions/api/dialect.ts";
import { clusterDialect } from "#functions/api/v1/clusters.ts";
import { createApp } from "#functions/http/app.ts";
import { etagHeader } from "#functions/http/errors.ts";
import { parseQuery, wholeNumber } from "#functions/http/query.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

const { listEnvironmentClusters, createCluster } = clusterOperations;
const operations = { listEnvironmentClusters, createCluster };

/** Spells pages with `at` and `most`, and slugs as plain texts. */
const plain: Dialect<typeof operations> = {
  prefix: "/plain",
  decode: {
    listEnvironmentClusters(request) {
      const { value, ...found } = parseQuery(request.query, {
        at: wholeNumber(0, 1_000, 0),
        most: wholeNumber(1, 10, 2),
      });
      const none = {
        status: undefined,
        cloudProvider: undefined,
        region: undefined,
        version: undefined,
        name: undefined,
        maintenanceSchedule: undefined,
      };
      const page = { pageNumber: value.at, pageSize: value.most, descending: undefined, sort: [] };
      return {
        organisation: request.segment("organisation"),
        environment: request.segment("environment"),
        options: { value: { page, filters: none, showCompute: false, includeDetails: false }, ...found },
      };
    },
    createCluster: clusterDialect.decode.createCluster,
  },
  encode: {
    listEnvironmentClusters: ({ content, total }) => ({
      body: { names: content.map(({ slug }) => slug.slugValue), of: total },
    }),
    createCluster: (result) =>
      result.kind === "dryRun"
        ? { body: result.body }
        : { body: { ...result.body, slug: result.body.slug.slugValue }, headers: etagHeader(result.etag) },
  },
};

describe("a second dialect of the API", () => {
  let world: World;
  let tenant: Tenant;
  let app: Hono;

  beforeAll(async () => {
    world = await makeWorld();
    tenant = await world.tenant(["production"]);
    const { services, log } = world;
    const config = { TRUSTED_PROXIES: [], CORS_ORIGINS: [] };
    app = createApp({ services, log, config, peerAddress: () => "127.0.0.1" }, dialectRoutes(operations, plain));
  });

  const path = (query = "") => tenant.path("production").replace("/api/v1", "/plain") + query;

  async function send(method: string, to: string, token: string | undefined, body?: unknown) {
    const headers = {
      ...(token === undefined ? {} : { authorization: `Token ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json", "idempotency-key": JSON.stringify(body) }),
    };
    const sent = body === undefined ? null : JSON.stringify(body);
    const response = await app.request(`http://localhost${to}`, { method, headers, body: sent });
    return { status: response.status, headers: response.headers, body: (await response.json()) as Json };
  }

  test("a cluster that was created in one dialect is read in both, each in its own form", async () => {
    for (const name of ["one", "two", "three"]) {
      const created = await send("POST", path(), tenant.admin, tenant.creation({ name }));
      expect([created.status, created.body.slug]).toEqual([200, name]);
    }
    const first = await send("GET", path(), tenant.admin);
    expect(first.body).toEqual({ names: ["one", "three"], of: 3 });
    expect((await send("GET", path("?at=1"), tenant.admin)).body).toEqual({ names: ["two"], of: 3 });
    const documented = await world.send("GET", tenant.path("production"), { token: tenant.admin });
    expect(documented.body).toMatchObject({ totalElements: 3, content: [{ slug: { slugValue: "one" } }, {}, {}] });
  });

  test("a retry with an idempotency key returns the stored response in the dialect's form", async () => {
    const creation = tenant.creation({ name: "again" });
    const first = await send("POST", path(), tenant.admin, creation);
    const again = await send("POST", path(), tenant.admin, creation);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect([again.body, again.headers.get("etag")]).toEqual([first.body, first.headers.get("etag")]);
  });

  test("problems of a query are refused together, and only after the token and the role", async () => {
    const wrong = path("?at=x&most=11&other=1");
    expect((await send("GET", wrong, undefined)).status).toBe(401);
    const refused = await send("GET", wrong, tenant.admin);
    expect([refused.status, refused.body.details]).toEqual([
      400,
      [
        'at: "x" is not allowed: must be a whole number from 0 to 1000',
        'most: "11" is not allowed: must be a whole number from 1 to 10',
      ],
    ]);
    expect(refused.headers.get("warning")).toContain("other");
    expect((await send("GET", wrong, tenant.admin.replace(/.$/, "_"))).status).toBe(401);
  });
});
