import { beforeAll, describe, expect, test } from "vitest";
import { fill } from "#test/support/filling.ts";
import { clustersOf } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, unpack, type World } from "#test/support/world.ts";

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
  await fill(world, tenant, template, 460, () => ({ addons: addons() }));
});

const list = (size: number, headers: Record<string, string> = {}) =>
  world.raw("GET", `${tenant.path()}?pageSize=${size}`, { token: tenant.admin, headers });

/** Reads a page of three clusters, over 16 KiB. */
const page = (accepted: string, method = "GET") =>
  world.raw(method, `${tenant.path()}?pageSize=3`, { token: tenant.admin, headers: { "accept-encoding": accepted } });

/** Sends a request for one cluster, under 16 KiB. */
const cluster = (method: string, headers: Record<string, string>, body?: unknown) =>
  world.raw(method, tenant.path("production", "c000001"), { token: tenant.admin, headers, body });

describe("a response over 16 KiB", () => {
  test.each([
    ["gzip, deflate, br", "br"],
    ["gzip", "gzip"],
    ["GZIP;q=1.000", "gzip"],
    ["x-gzip", "gzip"],
    ["br;q=0.5, gzip", "gzip"],
    ["br; q=0.8 , gzip;q=0.80", "br"],
    ["*", "br"],
    ["gzip;q=0, *", "br"],
    ["br;q=0.0, *;q=0.1", "gzip"],
    ["*;q=0, gzip", "gzip"],
    ["identity;q=0, gzip;q=0.001", "gzip"],
    ["identity;q=0.5, gzip;q=0.5", "gzip"],
  ])("a response for Accept-Encoding %j is compressed as %s", async (accepted, coding) => {
    const answer = await page(accepted);
    expect(answer.headers.get("content-encoding")).toBe(coding);
    expect(answer.headers.get("vary")).toContain("Accept-Encoding");
    const plain = await page("identity");
    expect(unpack(answer.bytes, answer.headers).equals(plain.bytes)).toBe(true);
    expect(answer.bytes.length).toBeLessThan(plain.bytes.length);
  });

  test.each([
    "",
    "deflate, zstd",
    "gzip;q=0",
    "br;q=0.000, gzip;q=0.0",
    "*;q=0",
    "identity;q=0",
    "identity, gzip;q=0.9, br;q=0.9",
    "gzip;q=2",
    "gzip;q=-1",
    "gzip;q=",
    "gzip;level=1",
    "gzip br",
  ])("a response for Accept-Encoding %j is not compressed, and varies by the header", async (accepted) => {
    const response = await page(accepted);
    expect(response.headers.get("content-encoding")).toBeNull();
    expect(response.headers.get("vary")).toContain("Accept-Encoding");
    expect(JSON.parse(response.bytes.toString()).content).toHaveLength(3);
  });

  test("a response to HEAD has the headers of the compressed response to GET, and no body", async () => {
    const [head, get] = [await page("br", "HEAD"), await page("br")];
    const compared = ["content-encoding", "vary", "content-type", "link"];
    for (const name of compared) expect(head.headers.get(name), name).toBe(get.headers.get(name));
    expect([head.status, head.bytes.length]).toEqual([200, 0]);
  });

  test("a response over 256 KiB is compressed with the same content", async () => {
    const plain = await list(150);
    expect(plain.bytes.length).toBeGreaterThan(1024 * 1024);
    for (const coding of ["br", "gzip"]) {
      const response = await list(150, { "accept-encoding": coding });
      expect(response.headers.get("content-encoding")).toBe(coding);
      expect(unpack(response.bytes, response.headers).equals(plain.bytes)).toBe(true);
    }
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

describe("a response of at most 16 KiB", () => {
  test("a response is compressed only for a client that refuses plain bodies", async () => {
    const plain = await cluster("GET", { "accept-encoding": "br, gzip" });
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(plain.headers.get("vary")).toContain("Accept-Encoding");
    expect(plain.bytes.length).toBeLessThanOrEqual(16 * 1024);
    for (const accepted of ["gzip, identity;q=0", "gzip, *;q=0"]) {
      const answer = await cluster("GET", { "accept-encoding": accepted });
      expect(answer.headers.get("content-encoding")).toBe("gzip");
      expect(unpack(answer.bytes, answer.headers).equals(plain.bytes)).toBe(true);
    }
  });

  test("a cluster's entity tag names the content coding, and conditional requests accept it with and without", async () => {
    const plainTag = (await cluster("GET", {})).headers.get("etag") ?? "";
    const tag = (await cluster("GET", { "accept-encoding": "br, *;q=0" })).headers.get("etag");
    expect(tag).toBe(plainTag.replace(/"$/, '-br"'));
    for (const given of [plainTag, tag ?? ""]) {
      const unchanged = await cluster("GET", { "if-none-match": `"other", ${given}`, "accept-encoding": "br" });
      expect([unchanged.status, unchanged.bytes.length]).toEqual([304, 0]);
      expect(unchanged.headers.get("etag")).toBe(given);
      expect(unchanged.headers.get("vary")).toContain("Accept-Encoding");
      expect(unchanged.headers.get("content-encoding")).toBeNull();
      const write = await cluster("PATCH", { "if-match": given }, {});
      expect(write.status, write.bytes.toString()).toBe(200);
    }
    expect((await cluster("GET", { "if-none-match": '"other-br"' })).status).toBe(200);
    expect((await cluster("PATCH", { "if-match": '"999-br"' }, {})).status).toBe(412);
  });

  test("a node pool's entity tag with a content coding matches in If-Match", async () => {
    const other = await world.tenant();
    const { admin: token } = other;
    await world.send("POST", other.path("production"), { token, body: other.creation({ name: "shop" }) });
    const pools = `${other.path("production", "shop")}/pools`;
    const sent = { token, body: { name: "web", nodeSize: "t3.medium" } };
    const headers = { "accept-encoding": "gzip, *;q=0" };
    const made = await world.send("POST", pools, { ...sent, headers });
    expect(made.headers.get("etag")).toMatch(/^"\d+-gzip"$/);
    const one = `${pools}/${made.body.id}`;
    const tag = (await world.send("GET", one, { token, headers })).headers.get("etag") ?? "";
    const change = { token, body: { maxSize: 4 }, headers: { "if-match": tag } };
    expect((await world.send("PUT", one, change)).status).toBe(200);
    expect((await world.send("PUT", one, change)).status).toBe(412);
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
