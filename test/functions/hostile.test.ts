import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { CreateCluster } from "#core/cluster/schema.ts";
import { CreateNodePool } from "#core/node-pool/schema.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import {
  type Json,
  makeWorld,
  type RequestOptions,
  type Tenant,
  type TestResponse,
  type World,
} from "#test/support/world.ts";

/** Requests that may be accepted go to production. Staging stays empty, because every request to it must be refused. */
const [ACCEPTED, REFUSED, FUZZED] = ["production", "staging", "fuzzed"];
const LIMIT = 256 * 1024;

/** Number of random bodies of each kind. `HOSTILE_RUNS` sets more. */
const RUNS = Number(process.env.HOSTILE_RUNS ?? 40);

/** Any character; ASCII as often as all others together. */
const character = fc
  .oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));

let world: World;
let tenant: Tenant;
let made = 0;
/** Number of clusters in staging, so that the test that created one reports it once. */
let strays = 0;

beforeAll(async () => {
  world = await makeWorld({ trustedProxies: ["127.0.0.0/8"] });
  tenant = await world.tenant([ACCEPTED, REFUSED, FUZZED]);
});

/** Sends a request and asserts that it returns no 5xx, valid headers, and errors of the documented form. */
async function send(method: string, path: string, sending: RequestOptions = {}): Promise<TestResponse> {
  const response = await world.send(method, path, { token: tenant.admin, ...sending });
  const description = `${method} ${path.slice(0, 200)} ${JSON.stringify(sending).slice(0, 300)}: ${response.text.slice(0, 300)}`;
  expect(response.status, description).toBeLessThan(500);
  expect([...response.headers].flat().filter((text) => !/^[\x20-\x7e]*$/.test(text))).toEqual([]);
  expect(response.headers.get("x-request-id")).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
  if (response.status < 400 || method === "HEAD") return response;
  expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
  const { message, details, ...others } = response.body;
  expect(others).toEqual({});
  expect(details.length).toBeGreaterThan(0);
  const texts: unknown[] = [message, ...details];
  const isText = (text: unknown) => typeof text === "string" && text !== "" && text.isWellFormed();
  expect(texts.filter((text) => !isText(text))).toEqual([]);
  expect(message.startsWith(details[0]), description).toBe(true);
  return response;
}

const creation = (more: object = {}) => tenant.creation({ name: `c-${++made}`, ...more });
/** Creation whose last property is given as text, for JSON that no object serializes to. */
const raw = (name: string, json: string) =>
  `${JSON.stringify(creation()).slice(0, -1)},${JSON.stringify(name)}:${json}}`;
const pool = (more: object = {}) => ({ name: "pool", nodeSize: "t3.medium", ...more });
const withPool = (more: object) => creation({ nodePools: [pool(more)] });
/** Object with one property of any name, including `__proto__`. */
const named = <T>(name: string, value: T): Record<string, T> => Object.fromEntries([[name, value]]);

async function accepted(sending: RequestOptions): Promise<TestResponse> {
  const response = await send("POST", tenant.path(ACCEPTED), sending);
  expect(response.status, `${JSON.stringify(sending).slice(0, 300)}: ${response.text.slice(0, 300)}`).toBe(200);
  return response;
}

/** Sends a request that must be refused, and asserts that nothing was created. */
async function refused(sending: RequestOptions, status = 400): Promise<TestResponse> {
  const response = await send("POST", tenant.path(REFUSED), sending);
  const before = strays;
  strays = (await send("GET", `${tenant.path(REFUSED)}?size=1`)).body.totalElements;
  expect(response.status, `${JSON.stringify(sending).slice(0, 300)}: ${response.text.slice(0, 300)}`).toBe(status);
  expect(strays).toBe(before);
  return response;
}

describe("a value of the wrong type in a write of what clusters refer to", () => {
  const VALUES = [true, 0, -1, 1.5, "\ud800", "\u0000", "x".repeat(3_000), [], {}, [[]], [null], { a: { b: {} } }];
  const windows = [{ day: "sat", duration: 1, startTime: "1:00" }];
  const account = () => `/api/v1/orgs/${tenant.slug}/cloud-accounts/${tenant.account.identity}`;
  const aws = () => ({ accessKeyId: "hostile-id", accessKeySecret: "hostile-secret" });
  const schedules = () => `/api/v1/organisations/${tenant.slug}/maintenance-schedule`;

  /** Writes with a body of which one property is wrong. Values of the right type are listed by the property. */
  const WRITES: [
    method: string,
    path: () => string,
    body: () => Json,
    right: Record<string, (value: Json) => boolean>,
  ][] = [
    [
      "POST",
      schedules,
      () => ({ name: "n", windows }),
      { windows: (value) => Array.isArray(value) && value.length === 0 },
    ],
    [
      "PATCH",
      () => `${schedules()}/${tenant.schedule.identity}`,
      () => ({ name: "n", windows }),
      {
        windows: (value) => Array.isArray(value) && value.length === 0,
      },
    ],
    [
      "POST",
      () => `/api/v1/orgs/${tenant.slug}/cloud-accounts`,
      () => ({ displayName: `h ${++made}`, cloudProfile: tenant.account.cloudProfile, metadata: {} }),
      { metadata: (value) => JSON.stringify(value) === "{}" },
    ],
    [
      "PATCH",
      account,
      () => ({ displayName: "AWS", enabled: true, primaryCloudCredentials: "" }),
      { enabled: (value) => value === true },
    ],
    [
      "PUT",
      () => `${account()}/credentials/${tenant.account.primaryCloudCredentialsIdentity}`,
      () => ({ displayName: "n", credentials: aws(), metadata: {} }),
      { metadata: (value) => JSON.stringify(value) === "{}" },
    ],
    [
      "POST",
      () => `${account()}/credentials/aws`,
      () => ({ displayName: "n", credentials: aws(), metadata: {} }),
      { metadata: (value) => JSON.stringify(value) === "{}" },
    ],
  ];

  test.each(WRITES)(
    "a %s with a wrong type of value in one property is refused, with its path (%#)",
    async (...write) => {
      const [method, path, body, right] = write;
      const valid = await send(method, path(), { body: body() });
      expect(valid.status, valid.text).toBe(200);
      for (const name of Object.keys(body())) {
        for (const value of VALUES) {
          const given = { ...body(), [name]: value };
          const response = await send(method, path(), { body: given });
          const isRight = right[name]?.(value) === true || (name === "name" && value === "\u0000");
          expect(response.status, `${name}: ${JSON.stringify(value).slice(0, 80)} ${response.text}`).toBe(
            isRight ? 200 : 400,
          );
          if (!isRight) {
            const others = response.body.details.filter((detail: string) => !detail.startsWith(name));
            expect(others).toEqual([]);
          }
        }
      }
    },
  );
});

describe("a value of the wrong type", () => {
  const NESTED = { a: { b: { c: [null] } } };
  const VALUES = [null, true, 0, "", "x", [], {}, [[]], NESTED];

  /** True for an allowed value: null and often "" count as an absent property. */
  function isRight(name: string, value: unknown): boolean {
    const among = (names: string) => names.split(" ").includes(name);
    if (value === null) return !among("cloudAccountIdentity name nodePools region version nodeSize");
    if (value === true) return name.startsWith("enable") || name === "autoScaling";
    if (value === 0) return among("minSize maxSize");
    if (value === "x") return among("name description");
    if (value === NESTED) return name === "addons";
    if (value === "") {
      const blank = "clusterPodSubnet serviceSubnet cni description maintenanceScheduleIdentity updateChannel";
      return among(`${blank} podSecurityStandardsProfile availabilityZone securityUpdatesOnJoin upgradeStrategy`);
    }
    if (Array.isArray(value)) return value.length === 0 && among("ipWhitelist nodePools taints");
    return among("addons annotations labels");
  }

  async function tryAll(name: string, path: string, body: (value: unknown) => unknown): Promise<void> {
    for (const value of VALUES) {
      if (isRight(name, value)) await accepted({ body: body(value) });
      else {
        const { details } = (await refused({ body: body(value) })).body;
        expect(details.filter((detail: string) => !detail.startsWith(path))).toEqual([]);
      }
    }
  }

  test.each(Object.keys(CreateCluster.entries))(
    "a creation with a wrong type of value is refused for: %s",
    async (name) => {
      await tryAll(name, name, (value) => creation({ [name]: value }));
    },
  );

  test.each(Object.keys(CreateNodePool.entries))(
    "a creation with a wrong type of value is refused for the pool property: %s",
    async (name) => {
      await tryAll(name, `nodePools[0].${name}`, (value) => withPool({ [name]: value }));
    },
  );

  test.each(VALUES)("a creation with the body %j is refused", async (value) => {
    await refused({ raw: JSON.stringify(value) });
  });

  test("a creation with an invalid number is refused, in every spelling", async () => {
    const numbers = `1e400 -1e400 -1 1.5 1e-9 9007199254740993 0.999999999 ${"9".repeat(9_999)}`.split(" ");
    for (const number of numbers) {
      await refused({ raw: raw("nodePools", `[{"name":"p","nodeSize":"t3.medium","minSize":${number}}]`) });
      await refused({ raw: raw("nodePools", `[{"name":"p","nodeSize":"t3.medium","maxSize":${number}}]`) });
      await refused({ raw: raw("description", number) });
    }
    const sizes = '"minSize":-0,"maxSize":0.0e9';
    const { body } = await accepted({ raw: raw("nodePools", `[{"name":"p","nodeSize":"t3.medium",${sizes}}]`) });
    const pools = await send("GET", `${tenant.path(ACCEPTED, body.slug.slugValue)}/pools`);
    expect(pools.text).toContain('"maxSize":0,"minSize":0,');
  });
});

describe("hostile names and texts", () => {
  const INHERITED = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];
  const STRANGE = ["", "e\u0301", "\r\nx: 1", "a#b", ...'é😀\u202e\ufeff\uffff\u0000"\\, 1'];
  const HALVES = ["\ud800", "\udc00x", "a\udfff😀"];

  async function readBack(sent: object): Promise<{ cluster: Json; pools: Json }> {
    const { body } = await accepted({ body: creation(sent) });
    const path = tenant.path(ACCEPTED, body.slug.slugValue);
    const cluster = await send("GET", path);
    expect(cluster.text).toBe(JSON.stringify(body));
    return { cluster: cluster.body, pools: (await send("GET", `${path}/pools`)).body };
  }

  test.each([...INHERITED, ...STRANGE, "x".repeat(63)])("an add-on keeps the name %j", async (name) => {
    const { cluster } = await readBack({ addons: named(name, { enabled: true, customValues: named(name, "value") }) });
    expect(Object.keys(cluster.addons)).toEqual([name]);
    expect(Object.entries(cluster.addons[name].customValues)).toEqual([[name, "value"]]);
  });

  test.each(INHERITED.slice(1))("a label keeps the name %s", async (name) => {
    const labelled = pool({ labels: named(name, "a"), annotations: named(name, "b") });
    const { pools } = await readBack({ nodePools: [labelled] });
    expect(Object.entries(pools[0].labels)).toEqual([[name, "a"]]);
    expect(Object.entries(pools[0].annotations)).toEqual([[name, "b"]]);
  });

  test("a name keeps its spelling although V8 could confuse it with a name of another request", async () => {
    for (const name of ["\\", "\n", '"', "\u0000"]) {
      const addons = { h: { enabled: true }, [name]: { customValues: { h: "", [name]: "value" } } };
      const { cluster } = await readBack({ addons });
      expect(Object.keys(cluster.addons)).toEqual(["h", name]);
      expect(Object.keys(cluster.addons[name].customValues)).toEqual(["h", name]);
      const path = tenant.path(ACCEPTED, cluster.slug.slugValue);
      const [made] = (await send("GET", `${path}/events`)).body.content;
      const change = made.changes.find(({ path }: Json) => path === "addons");
      expect(Object.keys(change.to)).toEqual(["h", name]);
    }
  });

  test("any text is stored unchanged in a free-text property", async () => {
    const word = (most: number) => fc.string({ unit: character, maxLength: most });
    const free = fc.oneof(word(30), fc.constantFrom(...STRANGE)).filter((name) => !INHERITED.includes(name));
    const addon = fc.record({ enabled: fc.boolean(), customValues: fc.dictionary(free, word(50), { maxKeys: 3 }) });
    const someAddons = fc.dictionary(free, addon, { maxKeys: 4 });
    const sent = fc.record({ description: word(99), addons: someAddons, note: word(50) });
    await fc.assert(
      fc.asyncProperty(sent, async ({ description, addons, note }) => {
        const ipWhitelist = [{ cidr: "10.0.0.0/8", description: note }];
        const nodePools = [pool({ annotations: { note } })];
        const { cluster, pools } = await readBack({ description, addons, ipWhitelist, nodePools });
        expect(cluster).toMatchObject({ description, ipWhitelist });
        expect(cluster.addons).toEqual({ ...addons });
        expect(pools[0].annotations).toEqual({ note });
      }),
      { numRuns: 60 },
    );
  });

  test.each([...HALVES, "x".repeat(64), `${"x".repeat(63)}😀`])(
    "an add-on with the name %j is refused",
    async (name) => {
      await refused({ body: creation({ addons: named(name, {}) }) });
      await refused({ body: creation({ addons: { a: { customValues: named(name, "value") } } }) });
    },
  );

  test("a text with an unpaired surrogate is refused as a value", async () => {
    for (const text of HALVES) {
      for (const name of ["description", "region", "version", "updateChannel", "name", "cni"]) {
        await refused({ body: creation({ [name]: text }) });
      }
      await refused({ body: creation({ addons: { a: { customValues: { b: text } } } }) });
      await refused({ body: withPool({ annotations: { a: text } }) });
    }
  });

  test("a name that is invalid for Kubernetes or for a cluster is refused at any length", async () => {
    const long = ["a".repeat(100_000), "a.".repeat(50_000), "a-/".repeat(30_000), "-".repeat(100_000)];
    for (const name of [...STRANGE.filter((each) => each !== "1"), "__proto__", ...HALVES, "x".repeat(64), ...long]) {
      await refused({ body: withPool({ labels: named(name, "a") }) });
      await refused({ body: withPool({ taints: [{ effect: "NoExecute", key: name }] }) });
      await refused({ body: creation({ name: `${name}_` }) });
    }
  });

  test.each([...INHERITED, ...STRANGE, "\ud800", "%", "x".repeat(99), "é".repeat(99)])(
    "an unknown property %j causes a valid warning header",
    async (name) => {
      const nodePools = [{ ...pool(), ...named(name, 1) }];
      const addons = named(name.slice(0, 63).toWellFormed(), named(name, 1));
      for (const more of [named(name, 1), { nodePools }, { addons }]) {
        const warning = (await accepted({ body: creation(more) })).headers.get("warning");
        expect(warning).toMatch(/^299 - "Ignored, because unknown: [\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{0,64}"$/);
      }
      await refused({ body: { ...creation({ region: 1 }), ...named(name, 1) } });
    },
  );

  test("the last of repeated properties is stored, and a warning names ten of many unknown ones", async () => {
    const twice = `{"name":1,"addons":{"a":{"enabled":false},"a":{"enabled":true}},${raw("__proto__", "1").slice(1)}`;
    expect((await accepted({ raw: twice })).body.addons).toEqual({ a: { enabled: true } });
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, number) => [`p${number}`, 0]));
    expect((await accepted({ body: creation(many) })).headers.get("warning")).toMatch(/, p9, and 19990 more"$/);
  });
});

describe("hostile request bodies", () => {
  const padded = (bytes: number) => JSON.stringify(creation()).padEnd(bytes);
  const stream = (text: string) => new Blob([text]).stream();

  test("a body of 256 KiB is accepted and one byte more is refused, with a correct, wrong or missing content length", async () => {
    for (const length of [undefined, `${LIMIT}`, "1", "x"]) {
      const headers: Record<string, string> = length === undefined ? {} : { "content-length": length };
      await accepted({ raw: padded(LIMIT), headers });
      await refused({ raw: padded(LIMIT + 1), headers }, 413);
      await accepted({ raw: stream(padded(LIMIT)), headers });
      await refused({ raw: stream(padded(LIMIT + 1)), headers }, 413);
    }
    await refused({ raw: "{}", headers: { "content-length": `${LIMIT + 1}` } }, 413);
  });

  test("an endless body is not read beyond its limit", async () => {
    let [pulled, cancelled] = [0, false];
    const endless = new ReadableStream({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
      },
      cancel() {
        cancelled = true;
      },
    });
    await refused({ raw: endless }, 413);
    expect(pulled).toBeLessThan(10);
    expect(cancelled).toBe(true);
  });

  test("an aborted body is refused", async () => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("the client went away")) });
    await refused({ raw: broken });
  });

  test("a body that is not JSON in UTF-8 is refused, whatever its content type", async () => {
    const good = JSON.stringify(creation());
    const bytes = "ff c0af eda080 f5808080 e282 00 1f8b".split(" ").map((hex) => Buffer.from(hex, "hex"));
    const texts = `| |{|nul|NaN|{}{}|{'a':1}|{"a":1,}|[01]|[0x1]|"\t"|"\\x"|${good}\u0000`.split("|");
    for (const body of texts) await refused({ raw: body });
    const [start = "", end = ""] = raw("description", '"|"').split("|");
    for (const part of bytes) await refused({ raw: Buffer.concat([Buffer.from(start), part, Buffer.from(end)]) });
    for (const mark of ["", "\ufeff"]) await refused({ raw: Buffer.from(mark + good, "utf16le") });
    await accepted({ raw: `\ufeff${good}` });
    for (const type of ["text/plain", "x", "application/json; charset=utf-16", "application/json,", "é", '"', "/;="]) {
      await refused({ body: creation(), headers: { "content-type": type } }, 415);
    }
  });

  test("a deeply nested body is validated like any other", async () => {
    const nested = (open: string, close: string, depth: number) => `${open.repeat(depth)}0${close.repeat(depth)}`;
    const arrays = [nested("[", "]", 10_000), nested("[", "]", 100_000)];
    for (const deep of [...arrays, nested('{"":', "}", 10_000), nested('{"":', "}", 50_000)]) {
      await refused({ raw: deep });
      for (const name of ["name", "nodePools", "clusterPodSubnet"]) await refused({ raw: raw(name, deep) });
      for (const name of ["labels", "taints"]) await refused({ raw: raw("nodePools", `[{"${name}":${deep}}]`) });
      await refused({ raw: raw("addons", `{"a":{"customValues":{"b":${deep}}}}`) });
      await accepted({ raw: raw("unknown", deep) });
    }
  });

  test("a body with very many errors returns a thousand of them", async () => {
    const list = (count: number, element: string) => `[${Array(count).fill(element).join()}]`;
    const map = JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, number) => [`p${number}`, 0])));
    const bodies = [
      ...["nodePools", "ipWhitelist"].map((name) => raw(name, list(100_000, "0"))),
      raw("nodePools", list(80_000, "{}")),
      raw("nodePools", list(30_000, '{"a":0}')),
      raw("nodePools", `[{"taints":${list(80_000, "{}")}}]`),
      raw("nodePools", `[{"labels":${map}}]`),
      raw("addons", map),
    ];
    for (const body of bodies) {
      const { details, message } = (await refused({ raw: body })).body;
      expect(details).toHaveLength(1_001);
      expect(details.join().length).toBeLessThan(400_000);
      expect(message).toMatch(/^.{1,500} \(and \d+ more\)$/);
    }
    const names = Array.from({ length: 5_000 }, (_, number) => pool({ name: `p${number}` }));
    await refused({ body: creation({ nodePools: names }) }, 409);
  });

  test("a body with a few random changes is accepted or refused completely", async () => {
    const addons = { a: { enabled: true, customValues: { b: "c" } } };
    const taints = [{ effect: "NoExecute", key: "a", value: "b" }];
    const ranges = { clusterPodSubnet: { ipRange: "10.0.0.0/16" }, serviceSubnet: "10.1.0.0/16" };
    const rich = () => ({ ...withPool({ labels: { a: "b" }, taints, minSize: 1, maxSize: 1 }), addons, ...ranges });
    const odd = fc.constantFrom<unknown>(null, 2 ** 53, 1.5, -0, "\ud800", "x".repeat(5_000));
    const change = fc.record({
      kind: fc.constantFrom("remove", "replace", "rename", "double"),
      inPool: fc.boolean(),
      at: fc.nat(99),
      name: fc.oneof(fc.string({ unit: character }), fc.constantFrom("__proto__", "constructor", "name", "\ud800")),
      value: fc.oneof(fc.jsonValue({ stringUnit: character }), odd),
    });
    let count = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        let body: Json = rich();
        for (const { kind, inPool, at, name, value } of changes) {
          const changed = (object: object) => {
            const entries = Object.entries(object);
            const [key, present] = entries[at % Math.max(1, entries.length)] ?? ["", undefined];
            const others = entries.filter(([each]) => each !== key);
            if (kind === "remove") return Object.fromEntries(others);
            if (kind === "rename") return Object.fromEntries([...others, [name, present]]);
            return Object.fromEntries([...others, [key, kind === "replace" ? value : [present, present]]]);
          };
          if (!inPool) body = changed(body);
          else if (Object.hasOwn(body, "nodePools") && Array.isArray(body.nodePools)) {
            body.nodePools = body.nodePools.map((each: unknown) =>
              typeof each === "object" ? changed(each ?? {}) : each,
            );
          }
        }
        const { status } = await send("POST", tenant.path(FUZZED), { body });
        expect([200, 400, 409, 413, 415]).toContain(status);
        if (status === 200) count++;
      }),
      { numRuns: RUNS },
    );
    expect((await send("GET", tenant.path(FUZZED))).body.totalElements).toBe(count);
  });
});

describe("a body of members and tokens with values of any type", () => {
  const value = fc.oneof(
    fc.jsonValue({ stringUnit: character }),
    fc.constantFrom<unknown>(null, "", "\ud800", "x".repeat(5_000), "none", "admin", "__proto__", 2 ** 53, -0),
    fc.constantFrom<unknown>(
      ["0.0.0.0/0"],
      ["::ffff:0:0/96"],
      [["10.0.0.0/8"]],
      "2026-02-30T25:61:61Z",
      "+275760-09-13T00:00:00Z",
    ),
  );
  const names = "email expiresAt kubernetesRole memberIdentity name role sources username __proto__ constructor".split(
    " ",
  );
  const body = fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 6 });

  test("such a body is accepted or refused completely", async () => {
    const { user } = await tenant.person("viewer");
    const members = `/api/v1/organisations/${tenant.slug}/members`;
    const paths: [method: string, path: string][] = [
      ["POST", members],
      ["PATCH", `${members}/${user}`],
      ["POST", `/api/v1/orgs/${tenant.slug}/environments/${ACCEPTED}/members/${user}`],
      ["POST", "/api/v1/tokens"],
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), body, async ([method, path], entries) => {
        const valid = { email: `a-${++made}@b`, name: "n", role: "viewer" };
        const { status } = await send(method, path, { body: { ...valid, ...Object.fromEntries(entries) } });
        expect([200, 400, 409]).toContain(status);
      }),
      { numRuns: RUNS },
    );
  });
});

test("the hostile requests of this file caused no defect and no partial write", async () => {
  expect(world.logs.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  await expectInvariants(world.services, tenant.slug);
  const keys: string[] = [];
  for await (const { pk, sk } of world.table.scan()) keys.push(`${pk.split("#")[0]} ${sk.split("#")[0]}`);
  const [clusters, pointers, events] = ["ORG CLUSTER", "CLUSTER CLUSTER", "CLUSTER EVENT"].map(
    (kind) => keys.filter((key) => key === kind).length,
  );
  expect({ pointers, events }).toEqual({ pointers: clusters, events: clusters });
});
