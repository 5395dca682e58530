import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { CreateCluster } from "#core/cluster/schema.ts";
import { CreateNodePool } from "#core/node-pool/schema.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type Answer, type Json, makeWorld, type Sending, type Tenant, type World } from "#test/support/world.ts";

/** Whatever may be accepted goes to production; staging stays empty, because all that is sent there must be refused. */
const [ACCEPTED, REFUSED] = ["production", "staging"];
const LIMIT = 256 * 1024;

let world: World;
let tenant: Tenant;
let made = 0;

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant([ACCEPTED, REFUSED]);
});

/** Sends a request; whatever it is, the answer is no 5xx, its headers are headers and its errors have the one shape. */
async function send(method: string, path: string, sending: Sending = {}): Promise<Answer> {
  const answer = await world.send(method, path, { token: tenant.admin, ...sending });
  expect(answer.status, `${method} ${path.slice(0, 200)} ${answer.text}`).toBeLessThan(500);
  const headers = [...answer.headers].flat();
  expect(headers.filter((text) => !/^[\x20-\x7e]*$/.test(text))).toEqual([]);
  expect(headers.join("").length).toBeLessThan(8_192);
  expect(answer.headers.get("x-request-id")).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
  if (answer.status >= 400 && method !== "HEAD") {
    expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
    const { message, details, ...others } = answer.body;
    expect(others).toEqual({});
    expect(details.length).toBeGreaterThan(0);
    for (const text of [message, ...details])
      expect(typeof text === "string" && text !== "" && text.isWellFormed()).toBe(true);
    expect(message.startsWith(details[0])).toBe(true);
  }
  return answer;
}

/** A creation nobody has sent before, as JSON without its closing brace. */
const openCreation = () => JSON.stringify(creation()).slice(0, -1);
const creation = (more: Record<string, unknown> = {}) => tenant.creation({ name: `c-${++made}`, ...more });
const post = (environment: string, sending: Sending) => send("POST", tenant.path(environment), sending);

async function accepted(sending: Sending): Promise<Answer> {
  const answer = await post(ACCEPTED, sending);
  expect(answer.status, answer.text).toBe(200);
  return answer;
}

/** Sends what must be refused, and looks whether anything came to be all the same. */
async function refused(sending: Sending, status = 400): Promise<Answer> {
  const answer = await post(REFUSED, sending);
  expect(answer.status, answer.text).toBe(status);
  expect((await send("GET", tenant.path(REFUSED))).body.totalElements).toBe(0);
  return answer;
}

const json = (name: string, source: string) => `${openCreation()},${JSON.stringify(name)}:${source}}`;
const pool = (more: Record<string, unknown> = {}) => ({ name: "pool", nodeSize: "t3.medium", ...more });
/** An object with one property of any name, `__proto__` too. */
const named = <T>(name: string, value: T): Record<string, T> => Object.fromEntries([[name, value]]);

describe("a value of the wrong type", () => {
  const VALUES = [null, true, 0, "", "x", [], {}, [[]], { a: { b: { c: [null] } } }];
  const [SWITCH, BLANK] = [
    ["null", "true"],
    ["null", '""'],
  ];
  /** What of it is right after all, as JSON. */
  const RIGHT: Record<keyof CreateCluster, string[]> = {
    addons: ["null", "{}", '{"a":{"b":{"c":[null]}}}'],
    cloudAccountIdentity: [],
    clusterPodSubnet: BLANK,
    cni: BLANK,
    description: ["null", '""', '"x"'],
    enableAutoUpgrade: SWITCH,
    enableHA: SWITCH,
    enableHighAvailability: SWITCH,
    enableMultiAvailabilityZones: SWITCH,
    enableNATGateway: SWITCH,
    enableNetworkEncryption: SWITCH,
    enablePodSecurityStandards: SWITCH,
    ipWhitelist: ["null", "[]"],
    maintenanceScheduleIdentity: BLANK,
    name: ['"x"'],
    nodePools: ["[]"],
    podSecurityStandardsProfile: BLANK,
    region: [],
    serviceSubnet: BLANK,
    updateChannel: BLANK,
    version: [],
  };
  const RIGHT_IN_POOL: Record<keyof CreateNodePool, string[]> = {
    annotations: ["null", "{}"],
    autoScaling: SWITCH,
    availabilityZone: BLANK,
    enableNodeAutoReplacement: SWITCH,
    enableNodeReboots: SWITCH,
    labels: ["null", "{}"],
    maxSize: ["null", "0"],
    minSize: ["null", "0"],
    name: ['"x"'],
    nodeSize: [],
    taints: ["null", "[]"],
    upgradeStrategy: BLANK,
  };

  async function tryAll(right: readonly string[], path: string, body: (value: unknown) => unknown): Promise<void> {
    for (const value of VALUES) {
      if (right.includes(JSON.stringify(value))) await accepted({ body: body(value) });
      else {
        const { details } = (await refused({ body: body(value) })).body;
        expect(details.filter((detail: string) => !detail.startsWith(path))).toEqual([]);
      }
    }
  }

  test.each(Object.keys(CreateCluster.entries) as (keyof CreateCluster)[])("is refused as %s", async (name) => {
    await tryAll(RIGHT[name], name, (value) => creation({ [name]: value }));
  });

  test.each(Object.keys(CreateNodePool.entries) as (keyof CreateNodePool)[])(
    "is refused as a pool's %s",
    async (name) => {
      await tryAll(RIGHT_IN_POOL[name], `nodePools[0].${name}`, (value) =>
        creation({ nodePools: [pool({ [name]: value })] }),
      );
    },
  );

  test.each(VALUES)("is refused as the whole body: %j", async (body) => {
    await refused({ raw: JSON.stringify(body) });
  });

  test.each([
    "1e400",
    "-1e400",
    "-1",
    "1.5",
    "9007199254740993",
    "1e-400",
    "9".repeat(10_000),
    `0.${"9".repeat(10_000)}`,
  ])("is no size: %.20s", async (number) => {
    const pools = (size: string) => `[{"name":"p","nodeSize":"t3.medium",${size}}]`;
    const wrong = Number(number) !== 0 && Number(number) !== 1;
    for (const name of ["minSize", "maxSize"]) {
      const raw = json("nodePools", pools(`"${name}":${number}`));
      await (wrong ? refused({ raw }) : accepted({ raw }));
      await refused({ raw: json("description", number) });
    }
  });

  test("is not minus zero, which is zero", async () => {
    const answer = await accepted({ raw: json("nodePools", '[{"name":"p","nodeSize":"t3.medium","minSize":-0}]') });
    const pools = await send("GET", `${tenant.path(ACCEPTED, answer.body.slug.slugValue)}/pools`);
    expect(pools.text).toContain('"minSize":0,');
  });
});

describe("a name", () => {
  const INHERITED = [
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "hasOwnProperty",
    "valueOf",
    "__defineGetter__",
  ];
  const STRANGE = [
    "",
    " ",
    "é",
    "e\u0301",
    "😀",
    "\u202e",
    "\ufeff",
    "\uffff",
    "\u0000",
    "a\r\nx-evil: 1",
    '"',
    "\\",
    ",",
    "a#b",
    "1",
    "{}",
  ];
  const entries = (value: Json) => Object.entries(value);

  async function readBack(sent: Record<string, unknown>): Promise<{ cluster: Json; pools: Json }> {
    const { body } = await accepted({ body: creation(sent) });
    const path = tenant.path(ACCEPTED, body.slug.slugValue);
    const cluster = (await send("GET", path)).body;
    expect(cluster).toEqual(body);
    return { cluster, pools: (await send("GET", `${path}/pools`)).body };
  }

  test.each([...INHERITED, ...STRANGE, "x".repeat(63)])("of an add-on comes back as it was sent: %j", async (name) => {
    const { cluster } = await readBack({ addons: named(name, { enabled: true, customValues: named(name, "value") }) });
    expect(entries(cluster.addons).map(([each]) => each)).toEqual([name]);
    expect(entries(cluster.addons[name].customValues)).toEqual([[name, "value"]]);
  });

  test.each(INHERITED.filter((name) => !name.startsWith("_")))(
    "of a label comes back as it was sent: %s",
    async (name) => {
      const { pools } = await readBack({
        nodePools: [pool({ labels: named(name, "a"), annotations: named(name, "b") })],
      });
      expect(entries(pools[0].labels)).toEqual([[name, "a"]]);
      expect(entries(pools[0].annotations)).toEqual([[name, "b"]]);
    },
  );

  test.each([
    ...STRANGE.filter((name) => name !== "1"),
    "__proto__",
    "x".repeat(64),
    "\ud800",
    "a".repeat(100_000),
    "a.".repeat(50_000),
    "a-/".repeat(30_000),
  ])("that Kubernetes does not allow is refused as a label: %.40j", async (name) => {
    await refused({ body: creation({ nodePools: [pool({ labels: named(name, "a") })] }) });
    await refused({ body: creation({ nodePools: [pool({ taints: [{ effect: "NoExecute", key: name }] })] }) });
  });

  test.each(["\ud800", "\udc00x", "x".repeat(64), `${"x".repeat(63)}😀`, "y".repeat(200_000)])(
    "of an add-on is refused: %.70j",
    async (name) => {
      await refused({ body: creation({ addons: named(name, {}) }) });
      await refused({ body: creation({ addons: { a: { customValues: named(name, "value") } } }) });
    },
  );

  test.each([...INHERITED, ...STRANGE, "\ud800", "%", "x".repeat(200_000), "é".repeat(100_000)])(
    "of a property nobody knows is warned of in one header that it cannot break: %.40j",
    async (name) => {
      const places = [
        named(name, 1),
        { nodePools: [{ ...pool(), ...named(name, 1) }] },
        { addons: named('é\r\n"', named(name, 1)) },
      ];
      for (const place of places) {
        const warning = (await accepted({ body: creation(place) })).headers.get("warning") ?? "";
        expect(warning).toMatch(/^299 - "Ignored, because unknown: [^",\\]*"$/);
        expect(warning.length).toBeLessThan(120);
      }
      await refused({ body: { ...creation({ nodePools: 1 }), ...named(name, 1) } });
    },
  );

  test("that was sent twice has the value that was sent last, and all others are warned of by number", async () => {
    const raw = `{"name":1,"addons":{"a":{"enabled":false},"a":{"enabled":true}},"__proto__":1,"__proto__":2,${openCreation().slice(1)}}`;
    expect((await accepted({ raw })).body.addons).toEqual({ a: { enabled: true } });
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, number) => [`p${number}`, 0]));
    expect((await accepted({ body: creation(many) })).headers.get("warning")).toMatch(/p9, and 19990 more"$/);
  });

  test("or text of any kind that may be kept comes back as it was sent", async () => {
    const word = (most: number) => fc.string({ unit: "binary", maxLength: most });
    const name = fc
      .oneof(word(30), fc.constantFrom(...STRANGE, "toString"))
      .filter((each) => !INHERITED.slice(0, 3).includes(each));
    const addon = fc.record(
      { enabled: fc.boolean(), customValues: fc.dictionary(name, word(50), { maxKeys: 3 }) },
      { requiredKeys: [] },
    );
    const sent = fc.record({
      description: word(99),
      addons: fc.dictionary(name, addon, { maxKeys: 4 }),
      note: word(50),
    });
    await fc.assert(
      fc.asyncProperty(sent, async ({ description, addons, note }) => {
        const ipWhitelist = [{ cidr: "10.0.0.0/8", description: note }];
        const { cluster, pools } = await readBack({
          description,
          addons,
          ipWhitelist,
          nodePools: [pool({ annotations: { note } })],
        });
        expect(cluster).toMatchObject({ description, ipWhitelist });
        expect(cluster.addons).toEqual({ ...addons });
        expect(pools[0].annotations).toEqual({ note });
      }),
      { numRuns: 60 },
    );
  });

  test.each(["description", "region", "version", "updateChannel"])(
    "with half a surrogate pair is refused as %s",
    async (name) => {
      for (const text of ["\ud800", "a\udfffb", "\ude00\ud83d"]) await refused({ body: creation({ [name]: text }) });
    },
  );

  test.each([..."é😀\u0000\n\t_./\"'<>", "\ud800", "ａ", "a\u0301", "x".repeat(64), "x".repeat(200_000), "&- &", "-"])(
    "of a cluster is refused: %.40j",
    async (name) => {
      await refused({ body: creation({ name }) });
    },
  );
});
