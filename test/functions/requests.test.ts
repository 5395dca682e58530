import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { beforeAll, describe, expect, test } from "vitest";
import { clusterKey } from "#core/table/keys.ts";
import { expectError } from "#test/support/errors.ts";
import { makeWorld, type RequestOptions, type Tenant, type World } from "#test/support/world.ts";

const MAX_BODY = 256 * 1024;

let world: World;
let tenant: Tenant;
let stranger: string;

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  stranger = (await world.tenant()).admin;
  const response = await post({ body: tenant.creation({ name: "Held" }) });
  expect(response.status, response.text).toBe(200);
});

const get = (path: string, sending: RequestOptions = {}) =>
  world.send("GET", path, { token: tenant.admin, ...sending });
const post = (sending: RequestOptions) =>
  world.send("POST", tenant.path("production"), { token: tenant.admin, ...sending });

describe("the path of a request", () => {
  const org = () => `/api/v1/orgs/${tenant.slug}`;

  test.each([
    "/",
    "/api/v1",
    "/api/v2/orgs/ORG/clusters",
    "/api/v1/orgs",
    "/api/v1/orgs/ORG",
    "/api/v1/orgs/ORG/",
    "/api/v1/orgs/ORG/clusters/",
    "/api/v1/orgs/ORG/clusters//",
    "/api/v1/orgs/ORG//clusters",
    "//api/v1/orgs/ORG/clusters",
    "/api/v1/orgs//clusters",
    "/api/v1/orgs//clusters/production",
    "/api/v1/orgs/ORG/clusters/production/",
    "/api/v1/orgs/ORG/clusters//held",
    "/api/v1/orgs/ORG/clusters/production//",
    "/api/v1/orgs/ORG/clusters/production/held/",
    "/api/v1/orgs/ORG/clusters/production//pools",
    "/api/v1/orgs/ORG/clusters/production/held/pools/",
    "/api/v1/orgs/ORG/clusters/production/held/pools/7/",
    "/api/v1/orgs/ORG/clusters/production/held/Pools",
    "/API/v1/orgs/ORG/clusters",
    "/api/v1/orgs/ORG/clusters/production/held/pools/7/more",
    "/api/v1/orgs/ORG/clusters/Production",
    "/api/v1/orgs/ORG/clusters/pro_duction",
    "/api/v1/orgs/ORG/clusters/production/HELD",
    "/api/v1/orgs/ORG/clusters/production/he_ld",
    "/api/v1/orgs/ORG/clusters/production/held%20",
    "/api/v1/orgs/ORG/clusters/production/held%00",
    "/api/v1/orgs/ORG/clusters/production/held%0A",
    "/api/v1/orgs/ORG/clusters/production/%",
    "/api/v1/orgs/ORG/clusters/production/%ff",
    "/api/v1/orgs/ORG/clusters/production/%23",
    "/api/v1/orgs/ORG/clusters/production%2Fheld",
    "/api/v1/orgs/ORG/clusters/%20/held",
    "/api/v1/orgs/ORG/clusters/production/h%C3%A9ld/pools",
    "/api/v1/orgs/ORG.x/clusters",
    "/api/v1/orgs/Orgs/clusters",
    `/api/v1/orgs/${"x".repeat(64)}/clusters`,
    `/api/v1/orgs/ORG/clusters/${"x".repeat(64)}`,
    `/api/v1/orgs/ORG/clusters/production/${"x".repeat(64)}`,
    `/api/v1/orgs/ORG/clusters/production/${"x".repeat(5_000)}/pools`,
  ])("the path %s returns 404", async (path) => {
    expectError(await get(path.replace("ORG", tenant.slug)), 404, /./);
  });

  test.each(["/a_b", "/Production", `/${"x".repeat(64)}`, "/a/b_c", `/a/${"x".repeat(64)}/pools`, "/a/B/pools/7"])(
    "the path %s is invalid: 404 before any role is checked",
    async (path) => {
      expectError(await get(`${org()}/clusters${path}`, { token: stranger }), 404, /slug in the path/);
      const wellFormed = path.toLowerCase().replace("_", "-").replace(/x+/, "x");
      expectError(await get(`${org()}/clusters${wellFormed}`, { token: stranger }), 403, /not a member/);
    },
  );

  test("a path of slugs with 63 characters, with underscores in the organisation, is valid", async () => {
    const slug = "x".repeat(63);
    expectError(await get(`/api/v1/orgs/${"x_".repeat(31)}-/clusters`), 403, /not a member/);
    expectError(await get(`${org()}/clusters/${slug}`), 404, /no environment/);
    expectError(await get(tenant.path("production", slug)), 404, /no cluster/);
  });

  test.each([
    ["", "POST", ["GET", "HEAD"]],
    ["", "DELETE", ["GET", "HEAD"]],
    ["/production", "PUT", ["GET", "HEAD", "POST"]],
    ["/production", "OPTIONS", ["GET", "HEAD", "POST"]],
    ["/production/held", "PUT", ["GET", "HEAD"]],
    ["/production/held/pools", "PATCH", ["GET", "HEAD"]],
    ["/production/held/pools/7", "POST", ["GET", "HEAD"]],
  ])("the path %j refuses %s and lists the allowed methods", async (path, method, least) => {
    const response = await world.send(method, `${org()}/clusters${path}`, { token: tenant.admin });
    expectError(response, 405, new RegExp(method));
    const allowed = (response.headers.get("allow") ?? "").split(", ");
    expect(allowed).toEqual(expect.arrayContaining(least));
    expect(allowed).not.toContain(method);
  });

  test.each(["", "/production", "/production/held", "/production/held/pools", "/production/nobody", "/mars", "//"])(
    "the path %j answers HEAD like GET, without a body",
    async (path) => {
      const headers = { "x-request-id": "same" };
      const [full, head] = await Promise.all(
        ["GET", "HEAD"].map((method) =>
          world.send(method, `${org()}/clusters${path}?bogus=1`, { token: tenant.admin, headers }),
        ),
      );
      expect(head?.status).toBe(full?.status);
      expect(head?.text).toBe("");
      expect([...(head?.headers ?? [])].sort()).toEqual([...(full?.headers ?? [])].sort());
    },
  );
});

describe("the body of a request", () => {
  const text = (more: Record<string, unknown> = {}) => JSON.stringify(tenant.creation(more));

  test.each(["application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"])(
    "a body can have the content type %s",
    async (type) => {
      expectError(await post({ raw: text({ name: "held" }), headers: { "content-type": type } }), 409, /slug/);
    },
  );

  test.each(["text/plain", "", "application/jsonp", "application/xml", "application/x-www-form-urlencoded", "json"])(
    "a body cannot have the content type %j",
    async (type) => {
      expectError(await post({ raw: text(), headers: { "content-type": type } }), 415, /application\/json/);
    },
  );

  test.each([
    ["no text", ""],
    ["a truncated object", '{"name":'],
    ["a trailing comma", '{"name":"a",}'],
    ["two values", "{}{}"],
    ["single quotes", "{'name':'a'}"],
    ["a comment", "{}//"],
    ["NaN", '{"name":NaN}'],
    ["a control character", '{"name":"\u0001"}'],
    ["bytes that are not UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ["100,000 open brackets", "[".repeat(100_000)],
  ])("a body of %s is not JSON", async (_, raw) => {
    const response = await post({ raw, headers: { "content-type": "application/json" } });
    expectError(response, 400, /JSON/);
    expect(response.body.details).toEqual([response.body.message]);
  });

  test("a body can have 256 KiB and no more, in bytes, with and without a content length", async () => {
    const longest = text({ name: "held" }).padEnd(MAX_BODY);
    expectError(await post({ raw: longest }), 409, /slug/);
    expectError(await post({ raw: `${longest} ` }), 413, /262144|256 ?KiB/);
    expectError(await post({ raw: `${longest} `, headers: { "content-length": `${MAX_BODY + 1}` } }), 413, /larger/);
    const euros = text({ description: "€".repeat(MAX_BODY / 3) });
    expect(euros.length).toBeLessThan(MAX_BODY);
    expectError(await post({ raw: euros }), 413, /larger/);
  });
});

describe("an unknown property in a request", () => {
  const warningOf = async (raw: string, query = "") => {
    const response = await world.send("POST", `${tenant.path("staging")}${query}`, { token: tenant.admin, raw });
    expect(response.status, response.text).toBe(200);
    expect([...response.headers.keys()].filter((name) => name.startsWith("x-"))).toEqual(["x-request-id"]);
    return response.headers.get("warning");
  };
  let made = 0;
  /** Builds a creation that begins with this JSON. */
  const withRaw = (json: string, more: Record<string, unknown> = {}) =>
    JSON.stringify(tenant.creation({ name: `w${++made}`, ...more })).replace("{", `{${json},`);

  test("a request without unknown properties gets no warning", async () => {
    expect(await warningOf(withRaw('"cni":"cilium"'))).toBeNull();
  });

  test("an unknown property is ignored and named in a warning, at any depth", async () => {
    const raw = withRaw('"top":null', {
      nodePools: [
        { name: "p", nodeSize: "t3.medium", inPool: 1, taints: [{ key: "k", effect: "NoExecute", inTaint: 1 }] },
      ],
      ipWhitelist: [{ cidr: { ipRange: "10.0.0.0/8", inRange: 1 }, description: "", inEntry: 1 }],
      addons: { logging: { inAddon: [{}] } },
    });
    const warning = await warningOf(raw, "?inQuery=1&show-me=2");
    expect(warning).toMatch(/^299 [^ ]+ ".*"$/);
    for (const name of ["top", "inPool", "inTaint", "inRange", "inEntry", "inAddon", "inQuery", "show-me"]) {
      expect(warning).toContain(name);
    }
    expect(warning).not.toContain("more");
    expect(warning).not.toContain("logging\\.enabled");
  });

  test("a warning names ten unknown properties and counts the others", async () => {
    const members = Array.from({ length: 13 }, (_, at) => `"unknown-${at}-":1`);
    const ten = await warningOf(withRaw(members.slice(0, 10).join(",")));
    expect(ten?.match(/unknown-\d+-/g)).toHaveLength(10);
    expect(ten).not.toContain("more");
    const eleven = await warningOf(withRaw(members.slice(0, 11).join(",")));
    expect(eleven?.match(/unknown-\d+-/g)).toHaveLength(10);
    expect(eleven).toMatch(/and 1 more"$/);
    expect(await warningOf(withRaw(members.join(",")), "?other=1")).toMatch(/and 4 more"$/);
  });

  const hostile = 'a\\"\\\\, b\\r\\nX-Evil: 1\\u0000\\u2028é\\ud800\\uD83D\\uDE00';
  test.each([
    ["a property", `"HOSTILE":1`],
    ["a property in a list entry", `"ipWhitelist":[{"cidr":"10.0.0.0/8","description":"","HOSTILE":1}]`],
    ["a property of an add-on", `"addons":{"a":{"HOSTILE":1}}`],
    ["an add-on that has an unknown property", `"addons":{"HOSTILE":{"bogus":1}}`],
  ])("an unknown property %s cannot break the warning header", async (_, template) => {
    // An unpaired surrogate is refused in a stored name.
    const name = template.includes('"addons":{"HOSTILE"') ? hostile.replace("\\ud800", "") : hostile;
    const warning = await warningOf(withRaw(template.replace("HOSTILE", name)));
    expect(warning).toMatch(/^299 [^ ]+ "[\x20-\x21\x23-\x5b\x5d-\x7e]*"$/);
    expect(warning).toContain("a%22%5C%2C%20b%0D%0A");
  });

  test("an unknown query parameter cannot break the warning header", async () => {
    const warning = await warningOf(withRaw('"cni":"cilium"'), "?a%22%0D%0AX-Evil:%201=1");
    expect(warning).toContain("a%22%0D%0AX-Evil%3A%201");
  });

  test("an unknown property is truncated at 64 bytes of its encoding", async () => {
    expect((await warningOf(withRaw(`"${"x".repeat(64)}":1`)))?.match(/x+/)?.[0]).toHaveLength(64);
    expect((await warningOf(withRaw(`"${"x".repeat(5_000)}":1`)))?.match(/x+/)?.[0]).toHaveLength(64);
    const encoded = (await warningOf(withRaw(`"${"é".repeat(100)}":1`)))?.match(/(%C3|%A9)+/)?.[0];
    expect(encoded?.length).toBeGreaterThan(58);
    expect(encoded?.length).toBeLessThanOrEqual(64);
    const inQuery = (await warningOf(withRaw('"cni":"cilium"'), `?${"z".repeat(3_000)}=1`))?.match(/z+/)?.[0];
    expect(inQuery).toHaveLength(64);
  });
});

describe("the request id of a response", () => {
  const PATHS = ["", "/production/held", "/mars", "/x/y/z/z", "/production/held/pools"];

  test.each(["a", "A_b-9", "0".repeat(128)])("the caller's request id %s is returned", async (id) => {
    for (const path of PATHS) {
      for (const token of [tenant.admin, "ame_x"]) {
        const response = await get(`${tenant.path()}${path}`, { token, headers: { "x-request-id": id } });
        expect(response.headers.get("x-request-id")).toBe(id);
      }
    }
    const response = await post({ body: {}, headers: { "x-request-id": id } });
    expect(response.headers.get("x-request-id")).toBe(id);
  });

  test.each([undefined, "", "0".repeat(129), "a b", "a.b", "a,b", "é", "<a>"])(
    "a generated request id is returned for %j",
    async (id) => {
      const ids = new Set<string | null>();
      for (const path of PATHS) {
        const response = await get(
          `${tenant.path()}${path}`,
          id === undefined ? {} : { headers: { "x-request-id": id } },
        );
        expect(response.headers.get("x-request-id")).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
        ids.add(response.headers.get("x-request-id"));
      }
      expect(ids.size).toBe(PATHS.length);
    },
  );

  test("the response to a defect contains only the request id", async () => {
    const body = tenant.creation({ name: "broken" });
    expect((await post({ body })).status).toBe(200);
    const { pk, sk } = clusterKey(tenant.slug, "production", "broken");
    await world.table.client.send(
      new UpdateCommand({
        TableName: world.table.name,
        Key: { pk, sk },
        UpdateExpression: "SET entityVersion = :none",
        ExpressionAttributeValues: { ":none": 99 },
      }),
    );
    const response = await get(tenant.path("production", "broken"), { headers: { "x-request-id": "find-me" } });
    expectError(response, 500, /find-me/);
    expect(response.headers.get("x-request-id")).toBe("find-me");
    expect(response.text).not.toMatch(/CLUSTER#|ORG#|entity|version 99|\.ts|at /);
    expect(world.logs.some((line) => line.includes("find-me") && line.includes("CLUSTER#"))).toBe(true);
  });
});
