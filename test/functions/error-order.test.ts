import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { beforeAll, describe, expect, test } from "vitest";
import { clusterKey } from "#core/table/keys.ts";
import { type Answer, makeWorld, type Sending, type Tenant, type World } from "#test/support/world.ts";

const MAX_BODY = 256 * 1024;

let world: World;
let tenant: Tenant;
const tokens = { stranger: "", viewer: "", "billing-admin": "" };

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  tokens.stranger = (await world.tenant()).admin;
  tokens.viewer = (await tenant.person("viewer")).token;
  tokens["billing-admin"] = (await tenant.person("billing-admin")).token;
  const nodePools = [{ name: "p", nodeSize: "t3.medium" }];
  const body = tenant.creation({ name: "Held", nodePools });
  const answer = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
  expect(answer.status, answer.text).toBe(200);
});

const get = (path: string, sending: Sending = {}) => world.send("GET", path, { token: tenant.admin, ...sending });
const post = (sending: Sending) => world.send("POST", tenant.path("production"), { token: tenant.admin, ...sending });

function expectError(answer: Answer, status: number, says: RegExp): void {
  expect(answer.status, answer.text).toBe(status);
  expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
  expect(Object.keys(answer.body).sort()).toEqual(["details", "message"]);
  expect(answer.body.message).toMatch(says);
  expect(answer.body.details.length).toBeGreaterThan(0);
  expect(answer.headers.get("x-request-id")).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
}

const longQuery = `?x=${"y".repeat(4096)}`;

/** Everything that can be wrong with a request, in the order in which it is answered. */
const ORDER = {
  "unknown route": [404, /nothing at/],
  "wrong method": [405, /not allowed here/],
  "bad token": [401, /token/],
  "other content type": [415, /content type/],
  "too large": [413, /larger than/],
  "not JSON": [400, /not JSON/],
  "malformed path": [404, /not a slug/],
  "no role": [403, /no role/],
  "missing environment": [404, /no environment/],
  "no right": [403, /needs the role|sees no clusters/],
  "missing cluster": [404, /no cluster/],
  "missing pool": [404, /no node pool/],
  "long query": [400, /query/],
  "invalid flag": [400, /show-compute|includeDetails/],
  "invalid body": [400, /region: "mars"/],
  "held slug": [409, /has the slug/],
  "too many pools": [409, /at most 50/],
} as const;
type Wrong = keyof typeof ORDER;

type Build = (wrong: ReadonlySet<Wrong>) => Promise<Answer>;

const organisationOf = (wrong: ReadonlySet<Wrong>) => (wrong.has("no role") ? "nowhere" : tenant.slug);
const environmentOf = (wrong: ReadonlySet<Wrong>) => (wrong.has("missing environment") ? "mars" : "production");

const create: Build = (wrong) => {
  const environment = wrong.has("malformed path") ? "Not_A_Slug" : environmentOf(wrong);
  const pools = wrong.has("too many pools") ? 51 : 1;
  const body = tenant.creation({
    name: wrong.has("held slug") ? "held" : "free",
    ...(wrong.has("invalid body") ? { region: "mars" } : {}),
    nodePools: Array.from({ length: pools }, (_, at) => ({ name: `p${at}`, nodeSize: "t3.medium" })),
  });
  const text = wrong.has("not JSON") ? "{]" : JSON.stringify(body);
  return world.send(
    wrong.has("wrong method") ? "DELETE" : "POST",
    `/api/v1/orgs/${organisationOf(wrong)}/clusters/${environment}${wrong.has("unknown route") ? "/x/y/z" : ""}${wrong.has("long query") ? longQuery : ""}`,
    {
      token: wrong.has("bad token") ? "ame_x" : wrong.has("no right") ? tokens.viewer : tenant.admin,
      raw: wrong.has("too large") ? text.padEnd(MAX_BODY + 1) : text,
      headers: wrong.has("other content type") ? { "content-type": "text/plain" } : {},
    },
  );
};

/** Reads whatever is at a path made of what is right or wrong with it. */
const read =
  (pathOf: (wrong: ReadonlySet<Wrong>) => string, flag: string): Build =>
  (wrong) => {
    const query = [wrong.has("long query") && longQuery.slice(1), wrong.has("invalid flag") && `${flag}=maybe`];
    return world.send(
      wrong.has("wrong method") ? "PATCH" : "GET",
      `/api/v1/orgs/${organisationOf(wrong)}/clusters${pathOf(wrong)}?${query.filter(Boolean).join("&")}`,
      { token: wrong.has("bad token") ? "ame_x" : wrong.has("no right") ? tokens["billing-admin"] : tenant.admin },
    );
  };

const clusterOf = (wrong: ReadonlySet<Wrong>) =>
  `/${environmentOf(wrong)}/${wrong.has("malformed path") ? "Held" : wrong.has("missing cluster") ? "free" : "held"}`;

const REQUESTS: [what: string, build: Build, wrongs: Wrong[]][] = [
  [
    "creating a cluster",
    create,
    [
      ...(["unknown route", "wrong method", "bad token", "other content type", "too large", "not JSON"] as const),
      ...(["malformed path", "no role", "missing environment", "no right", "long query"] as const),
      ...(["invalid body", "held slug", "too many pools"] as const),
    ],
  ],
  [
    "listing an organisation's clusters",
    read(() => "", "includeDetails"),
    ["wrong method", "bad token", "no role", "no right", "long query", "invalid flag"],
  ],
  [
    "listing an environment's clusters",
    read((wrong) => (wrong.has("malformed path") ? "/a%2Fb" : `/${environmentOf(wrong)}`), "show-compute"),
    ["bad token", "malformed path", "no role", "missing environment", "no right", "long query", "invalid flag"],
  ],
  [
    "getting a cluster",
    read(clusterOf, "show-compute"),
    [
      ...(["bad token", "malformed path", "no role", "missing environment", "no right", "missing cluster"] as const),
      ...(["long query", "invalid flag"] as const),
    ],
  ],
  [
    "listing node pools",
    read((wrong) => `${clusterOf(wrong)}/pools`, "none"),
    ["bad token", "malformed path", "no role", "missing environment", "no right", "missing cluster", "long query"],
  ],
  [
    "getting a node pool",
    read((wrong) => `${clusterOf(wrong)}/pools/7`, "none"),
    ["bad token", "malformed path", "no role", "missing environment", "no right", "missing cluster", "missing pool"],
  ],
];

const RANK = Object.keys(ORDER) as Wrong[];

describe.each(REQUESTS)("%s answers", (_, build, wrongs) => {
  test.each(wrongs)("%s", async (wrong) => {
    const [status, says] = ORDER[wrong];
    expectError(await build(new Set([wrong])), status, says);
  });

  const pairs = wrongs.flatMap((first) => wrongs.map((second) => [first, second] as const));
  // Problems that are reported together, or of which one takes in the other, have no order.
  const together = ["long query", "invalid flag", "invalid body"];
  const conflicts = ["held slug", "too many pools"];
  const ordered = pairs.filter(
    ([first, second]) =>
      RANK.indexOf(first) < RANK.indexOf(second) &&
      ![together, conflicts].some((group) => group.includes(first) && group.includes(second)),
  );

  test.each(ordered)("%s before %s", async (first, second) => {
    const [status, says] = ORDER[first];
    expectError(await build(new Set([first, second])), status, says);
  });

  test("everything wrong at once in that order, one after the other", async () => {
    for (let at = 0; at < wrongs.length; at++) {
      const first = wrongs[at] ?? "unknown route";
      const [status, says] = ORDER[first];
      expectError(await build(new Set(wrongs.slice(at))), status, conflicts.includes(first) ? /./ : says);
    }
  });
});

test("a missing node pool comes before what is wrong with the query", async () => {
  expectError(await get(`${tenant.path("production", "held")}/pools/7${longQuery}`), 404, /no node pool/);
});

test("problems of query and body are reported together", async () => {
  const { status, body } = await create(new Set<Wrong>(["long query", "invalid body"]));
  expect(status).toBe(400);
  expect(body.details).toHaveLength(2);
  expect(body.message).toBe(`${body.details[0]} (and 1 more)`);
});

describe("a path", () => {
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
  ])("%s leads nowhere", async (path) => {
    expectError(await get(path.replace("ORG", tenant.slug)), 404, /./);
  });

  test.each(["/a_b", "/Production", `/${"x".repeat(64)}`, "/a/b_c", `/a/${"x".repeat(64)}/pools`, "/a/B/pools/7"])(
    "%s is no path of anybody's: a 404 before any role is asked for",
    async (path) => {
      expectError(await get(`${org()}/clusters${path}`, { token: tokens.stranger }), 404, /not a slug/);
      const wellFormed = path.toLowerCase().replace("_", "-").replace(/x+/, "x");
      expectError(await get(`${org()}/clusters${wellFormed}`, { token: tokens.stranger }), 403, /no role/);
    },
  );

  test("of slugs of 63, with an organisation's underscores, is well formed", async () => {
    const slug = "x".repeat(63);
    expectError(await get(`/api/v1/orgs/${"x_".repeat(31)}-/clusters`), 403, /no role/);
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
  ])("%j does not take %s and says what it does take", async (path, method, least) => {
    const answer = await world.send(method, `${org()}/clusters${path}`, { token: tenant.admin });
    expectError(answer, 405, new RegExp(method));
    const allowed = (answer.headers.get("allow") ?? "").split(", ");
    expect(allowed).toEqual(expect.arrayContaining(least));
    expect(allowed).not.toContain(method);
  });

  test.each(["", "/production", "/production/held", "/production/held/pools", "/production/nobody", "/mars", "//"])(
    "%j answers HEAD as GET, without a body",
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

describe("a body", () => {
  const text = (more: Record<string, unknown> = {}) => JSON.stringify(tenant.creation(more));

  test.each(["application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"])(
    "may be of content type %s",
    async (type) => {
      expectError(await post({ raw: text({ name: "held" }), headers: { "content-type": type } }), 409, /slug/);
    },
  );

  test.each(["text/plain", "", "application/jsonp", "application/xml", "application/x-www-form-urlencoded", "json"])(
    "may not be of content type %j",
    async (type) => {
      expectError(await post({ raw: text(), headers: { "content-type": type } }), 415, /application\/json/);
    },
  );

  test.each([
    ["nothing", ""],
    ["half of it", '{"name":'],
    ["a trailing comma", '{"name":"a",}'],
    ["two values", "{}{}"],
    ["single quotes", "{'name':'a'}"],
    ["a comment", "{}//"],
    ["NaN", '{"name":NaN}'],
    ["a control character", '{"name":"\u0001"}'],
    ["bytes that are not UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ["a deep beginning", "[".repeat(100_000)],
  ])("of %s is not JSON", async (_, raw) => {
    const answer = await post({ raw, headers: { "content-type": "application/json" } });
    expectError(answer, 400, /JSON/);
    expect(answer.body.details).toEqual([answer.body.message]);
  });

  test("may be 256 KiB long and no longer, in bytes, whether its length is announced or not", async () => {
    const longest = text({ name: "held" }).padEnd(MAX_BODY);
    expectError(await post({ raw: longest }), 409, /slug/);
    expectError(await post({ raw: `${longest} ` }), 413, /262144|256 ?KiB/);
    expectError(await post({ raw: `${longest} `, headers: { "content-length": `${MAX_BODY + 1}` } }), 413, /larger/);
    const euros = text({ description: "€".repeat(MAX_BODY / 3) });
    expect(euros.length).toBeLessThan(MAX_BODY);
    expectError(await post({ raw: euros }), 413, /larger/);
  });
});

describe("an unknown name", () => {
  const warningOf = async (raw: string, query = "") => {
    const answer = await world.send("POST", `${tenant.path("staging")}${query}`, { token: tenant.admin, raw });
    expect(answer.status, answer.text).toBe(200);
    expect([...answer.headers.keys()].filter((name) => name.startsWith("x-"))).toEqual(["x-request-id"]);
    return answer.headers.get("warning");
  };
  let made = 0;
  /** A creation with this JSON at its beginning. */
  const withRaw = (json: string, more: Record<string, unknown> = {}) =>
    JSON.stringify(tenant.creation({ name: `w${++made}`, ...more })).replace("{", `{${json},`);

  test("is not warned of where there is none", async () => {
    expect(await warningOf(withRaw('"cni":"cilium"'))).toBeNull();
  });

  test("is ignored and named, wherever it stands", async () => {
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

  test("is one of ten that are named, and the others are counted", async () => {
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
    ["a property in an entry", `"ipWhitelist":[{"cidr":"10.0.0.0/8","description":"","HOSTILE":1}]`],
    ["a property of an add-on", `"addons":{"a":{"HOSTILE":1}}`],
    ["an add-on that has an unknown property", `"addons":{"HOSTILE":{"bogus":1}}`],
  ])("that would break a header cannot, as the name of %s", async (_, template) => {
    // Half a surrogate pair is refused in a name that is kept.
    const name = template.includes('"addons":{"HOSTILE"') ? hostile.replace("\\ud800", "") : hostile;
    const warning = await warningOf(withRaw(template.replace("HOSTILE", name)));
    expect(warning).toMatch(/^299 [^ ]+ "[\x20-\x21\x23-\x5b\x5d-\x7e]*"$/);
    expect(warning).toContain("a%22%5C%2C%20b%0D%0A");
  });

  test("that would break a header cannot, as the name of a query parameter", async () => {
    const warning = await warningOf(withRaw('"cni":"cilium"'), "?a%22%0D%0AX-Evil:%201=1");
    expect(warning).toContain("a%22%0D%0AX-Evil%3A%201");
  });

  test("is cut at 64 bytes of its encoding", async () => {
    expect((await warningOf(withRaw(`"${"x".repeat(64)}":1`)))?.match(/x+/)?.[0]).toHaveLength(64);
    expect((await warningOf(withRaw(`"${"x".repeat(5_000)}":1`)))?.match(/x+/)?.[0]).toHaveLength(64);
    const encoded = (await warningOf(withRaw(`"${"é".repeat(100)}":1`)))?.match(/(%C3|%A9)+/)?.[0];
    expect(encoded?.length).toBeGreaterThan(58);
    expect(encoded?.length).toBeLessThanOrEqual(64);
    const inQuery = (await warningOf(withRaw('"cni":"cilium"'), `?${"z".repeat(3_000)}=1`))?.match(/z+/)?.[0];
    expect(inQuery).toHaveLength(64);
  });
});

describe("a request id", () => {
  const PATHS = ["", "/production/held", "/mars", "/x/y/z/z", "/production/held/pools"];

  test.each(["a", "A_b-9", "0".repeat(128)])("of the caller's is answered: %s", async (id) => {
    for (const path of PATHS) {
      for (const token of [tenant.admin, "ame_x"]) {
        const answer = await get(`${tenant.path()}${path}`, { token, headers: { "x-request-id": id } });
        expect(answer.headers.get("x-request-id")).toBe(id);
      }
    }
    const answer = await post({ body: {}, headers: { "x-request-id": id } });
    expect(answer.headers.get("x-request-id")).toBe(id);
  });

  test.each([undefined, "", "0".repeat(129), "a b", "a.b", "a,b", "é", "<a>"])(
    "is a new one instead of %j",
    async (id) => {
      const ids = new Set<string | null>();
      for (const path of PATHS) {
        const answer = await get(
          `${tenant.path()}${path}`,
          id === undefined ? {} : { headers: { "x-request-id": id } },
        );
        expect(answer.headers.get("x-request-id")).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
        ids.add(answer.headers.get("x-request-id"));
      }
      expect(ids.size).toBe(PATHS.length);
    },
  );

  test("is all that is told of a defect", async () => {
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
    const answer = await get(tenant.path("production", "broken"), { headers: { "x-request-id": "find-me" } });
    expectError(answer, 500, /find-me/);
    expect(answer.headers.get("x-request-id")).toBe("find-me");
    expect(answer.text).not.toMatch(/CLUSTER#|ORG#|entity|version 99|\.ts|at /);
    expect(world.logs.some((line) => line.includes("find-me") && line.includes("CLUSTER#"))).toBe(true);
  });
});
