import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { fill } from "#test/support/filling.ts";
import { clustersOf } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld({ corsOrigins: ["https://console.example.test"] });
  tenant = await world.tenant();
  // Compresses badly, so that few clusters reach the limit.
  const noise = () => Array.from({ length: 900 }, () => Math.random().toString(36).slice(2, 12)).join("");
  const addons = () =>
    Object.fromEntries(
      Array.from({ length: 10 }, (_, addon) => [`a${addon}`, { customValues: { v: noise().slice(0, 1_000) } }]),
    );
  const creation = { token: tenant.admin, body: tenant.creation({ name: "c000000", addons: addons() }) };
  const { status } = await world.send("POST", tenant.path("production"), creation);
  expect(status).toBe(200);
  const [template] = await clustersOf(world.services, tenant.slug);
  if (template === undefined) throw new Error("cluster not found");
  await fill(world, tenant, template, 460, () => ({ addons: JSON.stringify(addons()) }));
});

const list = (size: number, headers: Record<string, string> = {}) =>
  world.raw("GET", `${tenant.path()}?pageSize=${size}`, { token: tenant.admin, headers });

describe("a large response", () => {
  test("a response over 1 MB is compressed for clients that accept it, with the headers for it", async () => {
    const plain = await list(150);
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(plain.headers.get("vary")).toContain("Accept-Encoding");
    for (const accepted of ["gzip", "br;q=1.0, gzip;q=0.8", "*"]) {
      const gzipped = await list(150, { "accept-encoding": accepted });
      expect(gzipped.headers.get("content-encoding")).toBe("gzip");
      expect(gunzipSync(gzipped.bytes).equals(plain.bytes)).toBe(true);
    }
    for (const refused of ["gzip;q=0", "br", ""]) {
      expect((await list(150, { "accept-encoding": refused })).headers.get("content-encoding")).toBeNull();
    }
  });

  test("a small response is not compressed", async () => {
    const response = await list(2, { "accept-encoding": "gzip" });
    expect(response.headers.get("content-encoding")).toBeNull();
    expect(JSON.parse(response.bytes.toString()).content).toHaveLength(2);
  });

  test("a response over 4 MB is refused with a smaller pageSize, unless compression makes it small enough", async () => {
    const refused = await list(460);
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.bytes.toString()).message).toMatch(/^pageSize: .*smaller pageSize/);
    const compressed = await list(460, { "accept-encoding": "gzip" });
    expect(compressed.status).toBe(200);
    expect(compressed.bytes.length).toBeLessThan(4 * 1024 * 1024);
  });
});

describe("CORS for browsers", () => {
  const asked = {
    "access-control-request-method": "PATCH",
    "access-control-request-headers": "authorization,if-match",
  };

  test("a browser from an allowed origin can send preflight requests and read the relevant headers", async () => {
    const origin = "https://console.example.test";
    const preflight = await world.raw("OPTIONS", tenant.path("production", "c000000"), {
      headers: { origin, ...asked },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe(origin);
    expect(preflight.headers.get("access-control-allow-methods")).toContain("PATCH");
    expect(preflight.headers.get("x-request-id")).toMatch(/^[\w-]{1,128}$/);
    expect(preflight.headers.get("access-control-allow-headers")?.toLowerCase()).toContain("if-match");
    const response = await world.send("GET", tenant.path("production", "c000000"), {
      token: tenant.admin,
      headers: { origin },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBe(origin);
    const exposed = response.headers.get("access-control-expose-headers")?.toLowerCase() ?? "";
    for (const header of ["etag", "link", "location", "warning", "x-request-id"]) expect(exposed).toContain(header);
  });

  test("a browser from another origin gets no CORS headers", async () => {
    const origin = "https://evil.example.test";
    const response = await world.send("GET", tenant.path("production", "c000000"), {
      token: tenant.admin,
      headers: { origin },
    });
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("a browser gets no CORS headers if no origin is allowed", async () => {
    const closed = await makeWorld();
    const origin = "https://console.example.test";
    const preflight = await closed.send("OPTIONS", tenant.path("production", "c000000"), {
      headers: { origin, ...asked },
    });
    expect(preflight.status).toBe(405);
    expect(preflight.headers.get("access-control-allow-origin")).toBeNull();
  });
});
