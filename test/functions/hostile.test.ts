import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { CreateCluster } from "#core/cluster/schema.ts";
import { CreateNodePool } from "#core/node-pool/schema.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type Answer, type Json, makeWorld, type Sending, type Tenant, type World } from "#test/support/world.ts";

/** What may be accepted goes to production; staging stays empty, because all that is sent there must be refused. */
const [ACCEPTED, REFUSED, FUZZED] = ["production", "staging", "fuzzed"];
const LIMIT = 256 * 1024;

/** Any character: ASCII as often as all others. */
const character = fc
  .oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));

let world: World;
let tenant: Tenant;
let made = 0;
/** How many clusters are where none should be: each is told of once, by the test that made it. */
let strays = 0;

beforeAll(async () => {
  world = await makeWorld({ trustedProxies: ["127.0.0.0/8"] });
  tenant = await world.tenant([ACCEPTED, REFUSED, FUZZED]);
});

/** Sends a request; whatever it is, the answer is no 5xx, its headers are headers and its errors have the one shape. */
async function send(method: string, path: string, sending: Sending = {}): Promise<Answer> {
  const answer = await world.send(method, path, { token: tenant.admin, ...sending });
  const told = `${method} ${path.slice(0, 200)} ${JSON.stringify(sending).slice(0, 300)}: ${answer.text.slice(0, 300)}`;
  expect(answer.status, told).toBeLessThan(500);
  expect([...answer.headers].flat().filter((text) => !/^[\x20-\x7e]*$/.test(text))).toEqual([]);
  expect(answer.headers.get("x-request-id")).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
  if (answer.status < 400 || method === "HEAD") return answer;
  expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
  const { message, details, ...others } = answer.body;
  expect(others).toEqual({});
  expect(details.length).toBeGreaterThan(0);
  const texts: unknown[] = [message, ...details];
  const isText = (text: unknown) => typeof text === "string" && text !== "" && text.isWellFormed();
  expect(texts.filter((text) => !isText(text))).toEqual([]);
  expect(message.startsWith(details[0]), told).toBe(true);
  return answer;
}

const creation = (more: object = {}) => tenant.creation({ name: `c-${++made}`, ...more });
/** A creation whose last property is given as text: JSON that no object could be made to write. */
const raw = (name: string, json: string) =>
  `${JSON.stringify(creation()).slice(0, -1)},${JSON.stringify(name)}:${json}}`;
const pool = (more: object = {}) => ({ name: "pool", nodeSize: "t3.medium", ...more });
const withPool = (more: object) => creation({ nodePools: [pool(more)] });
/** An object with one property of any name, `__proto__` too. */
const named = <T>(name: string, value: T): Record<string, T> => Object.fromEntries([[name, value]]);

async function accepted(sending: Sending): Promise<Answer> {
  const answer = await send("POST", tenant.path(ACCEPTED), sending);
  expect(answer.status, `${JSON.stringify(sending).slice(0, 300)}: ${answer.text.slice(0, 300)}`).toBe(200);
  return answer;
}

/** Sends what must be refused, and looks whether anything came to be all the same. */
async function refused(sending: Sending, status = 400): Promise<Answer> {
  const answer = await send("POST", tenant.path(REFUSED), sending);
  const before = strays;
  strays = (await send("GET", `${tenant.path(REFUSED)}?size=1`)).body.totalElements;
  expect(answer.status, `${JSON.stringify(sending).slice(0, 300)}: ${answer.text.slice(0, 300)}`).toBe(status);
  expect(strays).toBe(before);
  return answer;
}

describe("a value of the wrong type", () => {
  const NESTED = { a: { b: { c: [null] } } };
  const VALUES = [null, true, 0, "", "x", [], {}, [[]], NESTED];

  /** Whether a value is right after all: null and often "" are as if the property were left out. */
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

  test.each(Object.keys(CreateCluster.entries))("is refused as %s", async (name) => {
    await tryAll(name, name, (value) => creation({ [name]: value }));
  });

  test.each(Object.keys(CreateNodePool.entries))("is refused as a pool's %s", async (name) => {
    await tryAll(name, `nodePools[0].${name}`, (value) => withPool({ [name]: value }));
  });

  test.each(VALUES)("is refused as the whole body: %j", async (value) => {
    await refused({ raw: JSON.stringify(value) });
  });

  test("is refused as a number, however it is spelled", async () => {
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

describe("a name or a text", () => {
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

  test.each([...INHERITED, ...STRANGE, "x".repeat(63)])("is kept for an add-on: %j", async (name) => {
    const { cluster } = await readBack({ addons: named(name, { enabled: true, customValues: named(name, "value") }) });
    expect(Object.keys(cluster.addons)).toEqual([name]);
    expect(Object.entries(cluster.addons[name].customValues)).toEqual([[name, "value"]]);
  });

  test.each(INHERITED.slice(1))("is kept for a label: %s", async (name) => {
    const labelled = pool({ labels: named(name, "a"), annotations: named(name, "b") });
    const { pools } = await readBack({ nodePools: [labelled] });
    expect(Object.entries(pools[0].labels)).toEqual([[name, "a"]]);
    expect(Object.entries(pools[0].annotations)).toEqual([[name, "b"]]);
  });

  test("is kept where V8 mistakes it for what somebody else has sent", async () => {
    for (const name of ["\\", "\n", '"', "\u0000"]) {
      const addons = { h: { enabled: true }, [name]: { customValues: { h: "", [name]: "value" } } };
      const { cluster } = await readBack({ addons });
      expect(Object.keys(cluster.addons)).toEqual(["h", name]);
      expect(Object.keys(cluster.addons[name].customValues)).toEqual(["h", name]);
      const path = tenant.path(ACCEPTED, cluster.slug.slugValue);
      const [made] = (await send("GET", `${path}/events`)).body.content;
      const told = made.changes.find((change: Json) => change.path === "addons");
      expect(Object.keys(told.to)).toEqual(["h", name]);
    }
  });

  test("of any kind is kept where text is free", async () => {
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

  test.each([...HALVES, "x".repeat(64), `${"x".repeat(63)}😀`])("is refused for an add-on: %j", async (name) => {
    await refused({ body: creation({ addons: named(name, {}) }) });
    await refused({ body: creation({ addons: { a: { customValues: named(name, "value") } } }) });
  });

  test("with half a surrogate pair is refused as a value", async () => {
    for (const text of HALVES) {
      for (const name of ["description", "region", "version", "updateChannel", "name", "cni"]) {
        await refused({ body: creation({ [name]: text }) });
      }
      await refused({ body: creation({ addons: { a: { customValues: { b: text } } } }) });
      await refused({ body: withPool({ annotations: { a: text } }) });
    }
  });

  test("that is no name of Kubernetes, or no cluster's, is refused, however long it is", async () => {
    const long = ["a".repeat(100_000), "a.".repeat(50_000), "a-/".repeat(30_000), "-".repeat(100_000)];
    for (const name of [...STRANGE.filter((each) => each !== "1"), "__proto__", ...HALVES, "x".repeat(64), ...long]) {
      await refused({ body: withPool({ labels: named(name, "a") }) });
      await refused({ body: withPool({ taints: [{ effect: "NoExecute", key: name }] }) });
      await refused({ body: creation({ name: `${name}_` }) });
    }
  });

  test.each([...INHERITED, ...STRANGE, "\ud800", "%", "x".repeat(99), "é".repeat(99)])(
    "of a property nobody knows is warned of in a header that it cannot break: %j",
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

  test("that was sent twice has what was sent last, and of very many a warning names ten", async () => {
    const twice = `{"name":1,"addons":{"a":{"enabled":false},"a":{"enabled":true}},${raw("__proto__", "1").slice(1)}`;
    expect((await accepted({ raw: twice })).body.addons).toEqual({ a: { enabled: true } });
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, number) => [`p${number}`, 0]));
    expect((await accepted({ body: creation(many) })).headers.get("warning")).toMatch(/, p9, and 19990 more"$/);
  });
});

describe("a body", () => {
  const padded = (bytes: number) => JSON.stringify(creation()).padEnd(bytes);
  const stream = (text: string) => new Blob([text]).stream();

  test("of 256 KiB is taken and one byte more is not, with a content length, without one, and with a wrong one", async () => {
    for (const length of [undefined, `${LIMIT}`, "1", "x"]) {
      const headers: Record<string, string> = length === undefined ? {} : { "content-length": length };
      await accepted({ raw: padded(LIMIT), headers });
      await refused({ raw: padded(LIMIT + 1), headers }, 413);
      await accepted({ raw: stream(padded(LIMIT)), headers });
      await refused({ raw: stream(padded(LIMIT + 1)), headers }, 413);
    }
    await refused({ raw: "{}", headers: { "content-length": `${LIMIT + 1}` } }, 413);
  });

  test("that has no end is read no further than its limit", async () => {
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

  test("that breaks off is refused", async () => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("the client went away")) });
    await refused({ raw: broken });
  });

  test("that is not JSON in UTF-8 is refused, whatever it says of itself", async () => {
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

  test("that is nested deeply is judged like any other", async () => {
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

  test("with very many mistakes is told of a thousand", async () => {
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
      expect(details.join().length).toBeLessThan(300_000);
      expect(message).toMatch(/^.{1,500} \(and \d+ more\)$/);
    }
    const names = Array.from({ length: 5_000 }, (_, number) => pool({ name: `p${number}` }));
    await refused({ body: creation({ nodePools: names }) }, 409);
  });

  test("made of a good one by a few random changes is accepted or refused, never half", async () => {
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
      { numRuns: 300 },
    );
    expect((await send("GET", tenant.path(FUZZED))).body.totalElements).toBe(count);
  });
});

test("nothing of all this was a defect, and nothing is left behind half written", async () => {
  expect(world.logs.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  await expectInvariants(world.services, tenant.slug);
  const keys: string[] = [];
  for await (const { pk, sk } of world.table.scan()) keys.push(`${pk.split("#")[0]} ${sk.split("#")[0]}`);
  const [clusters, pointers, events] = ["ORG CLUSTER", "CLUSTER CLUSTER", "CLUSTER EVENT"].map(
    (kind) => keys.filter((key) => key === kind).length,
  );
  expect({ pointers, events }).toEqual({ pointers: clusters, events: clusters });
});
