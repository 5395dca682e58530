import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { findLiterals } from "#core/shared/literals.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
});

/** Sends a creation whose JSON holds some text in place of the value of a member. @returns the details of its refusal */
async function refused(members: Record<string, string>, pool: Record<string, string> = {}): Promise<string[]> {
  const text = (object: Record<string, string>) =>
    `{${Object.entries(object)
      .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
      .join()}}`;
  const own = Object.entries(tenant.creation({})).map(([name, value]): [string, string] => [
    name,
    JSON.stringify(value),
  ]);
  const nodePools = `[${text({ name: '"web"', nodeSize: '"t3.medium"', ...pool })}]`;
  const raw = text({ ...Object.fromEntries(own), nodePools, ...members });
  const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, raw });
  expect(response.status, response.text).toBe(400);
  expect(response.body.message.startsWith(response.body.details[0])).toBe(true);
  return response.body.details;
}

describe("a number in a message", () => {
  test.each([
    "9007199254740993",
    "1e400",
    "-1e400",
    "-0.0",
    "1.0",
    "1E2",
    "0.30000000000000000000001",
    "123456789012345678901234567890",
    "1e-400",
  ])("a message shows the number %s as sent if a property must not be a number", async (number) => {
    expect(await refused({ description: number })).toEqual([`description: ${number} is not allowed: must be a string`]);
    expect(await refused({ addons: `{"a.b: c":{"enabled":${number}},"d":{"enabled":1.50}}` })).toEqual([
      `addons.a.b: c.enabled: ${number} is not allowed: must be true or false`,
      "addons.d.enabled: 1.50 is not allowed: must be true or false",
    ]);
    expect(await refused({ ipWhitelist: `["10.0.0.0/8",{"cidr":${number}}]` })).toContainEqual(
      expect.stringContaining(`ipWhitelist[1].cidr: ${number} is not allowed: must be an object`),
    );
    const whole = await world.send("POST", tenant.path("production"), { token: tenant.admin, raw: ` ${number}\n` });
    expect(whole.body.details).toEqual([`The body, ${number}, is not allowed: must be an object`]);
  });

  test.each(["9007199254740993", "1e400", "1001.0", "0.10", "-1.0", "1e3000"])(
    "a message shows the number %s as sent if it is not a valid size of a pool",
    async (number) => {
      const [first, ...others] = await refused({}, { minSize: number });
      expect([first?.startsWith(`nodePools[0].minSize: ${number} is not allowed: `), others]).toEqual([true, []]);
    },
  );

  test("a message shows both sizes of a pool as sent if maxSize is less than minSize", async () => {
    expect(await refused({}, { autoScaling: "true", minSize: "3.0", maxSize: "20e-1" })).toEqual([
      "nodePools[0].maxSize: 20e-1 is not allowed: must be at least minSize, which is 3.0",
    ]);
  });

  test("a message shows the first 64 digits of a very long number, and its length", async () => {
    const number = "9".repeat(5_000);
    const [detail] = await refused({}, { minSize: number });
    expect(detail).toContain(`nodePools[0].minSize: ${"9".repeat(64)}… (5000 characters) is not allowed: `);
  });

  test("a message shows the last number of a property that was sent twice", async () => {
    expect(
      await refused({ addons: '{"a":{"enabled":1.0,"enabled":2}, "a":{"enabled":3.50, "\\u0065nabled":4.0}}' }),
    ).toEqual(["addons.a.enabled: 4.0 is not allowed: must be true or false"]);
    expect(await refused({}, { minSize: '1.5,"minSize":-2.0' })).toEqual([
      "nodePools[0].minSize: -2.0 is not allowed: must be at least 0",
    ]);
  });

  test("a message does not show a number from a text that looks like the property", async () => {
    const text = JSON.stringify('{"minSize":1.0} minSize is 1 ');
    expect(await refused({}, { name: text, minSize: "1.0" })).toEqual([
      `nodePools[0].name: ${text} is not allowed: must be 1 to 25 characters: a-z, 0-9 and -`,
    ]);
  });

  test("messages about a changed pool and about pageable show numbers as sent", async () => {
    const name = "changed";
    const body = tenant.creation({ name, nodePools: [{ name: "web", nodeSize: "t3.medium", minSize: 2 }] });
    expect((await world.send("POST", tenant.path("production"), { token: tenant.admin, body })).status).toBe(200);
    const pools = `${tenant.path("production", name)}/pools`;
    const [{ id }] = (await world.send("GET", pools, { token: tenant.admin })).body;
    const raw = '{"autoScaling":true,"maxSize":1.0}';
    const changed = await world.send("PUT", `${pools}/${id}`, { token: tenant.admin, raw });
    expect(changed.body.message).toBe("maxSize: 1.0 is not allowed: must be at least minSize, which is 2");

    const pageable = encodeURIComponent('{"pageNumber":9007199254740993,"pageSize":1e400,"sort":[true,1.0,{}]}');
    const list = await world.send("GET", `${tenant.path("production")}?pageable=${pageable}`, { token: tenant.admin });
    expect(list.status).toBe(400);
    expect(list.body.details.map((detail: string) => detail.split(" is not allowed")[0])).toEqual([
      "pageable.pageNumber: 9007199254740993",
      "pageable.pageSize: 1e400",
      "pageable.sort: true",
      "pageable.sort: 1.0",
      "pageable.sort: an object",
    ]);
  });
});

describe("a text in a message", () => {
  test("a message shows an identity in upper case as sent", async () => {
    const identity = "ABCDEF00-0000-4000-8000-00000000ABCD";
    const details = await refused({ cloudAccountIdentity: JSON.stringify(identity) });
    expect(details).toEqual([
      `cloudAccountIdentity: "${identity}" is not allowed: must be a cloud account of the organisation`,
    ]);
  });

  test("a message shows half of a surrogate pair as its escape, in values and names", async () => {
    expect(await refused({ region: '"\\ud800x"' })).toContainEqual(
      expect.stringContaining('region: "\\ud800x" is not allowed'),
    );
    expect(await refused({}, { labels: '{"\\udc00":"a"}' })).toContainEqual(
      expect.stringContaining('nodePools[0].labels.\\udc00: "\\udc00" is not allowed'),
    );
  });

  test("a message shows the first 64 characters of a long text, and its length", async () => {
    const [detail] = await refused({ region: JSON.stringify("😀".repeat(70)) });
    expect(detail).toContain(`region: "${"😀".repeat(64)}"… (70 characters) is not allowed`);
    expect((await refused({ region: JSON.stringify("😀".repeat(64)) }))[0]).toContain(
      `"${"😀".repeat(64)}" is not allowed`,
    );
  });
});

describe("a value of a request's query or path in a message", () => {
  const get = (path: string) => world.send("GET", path, { token: tenant.admin });

  test.each([
    ["%ff", '"%ff"'],
    ["%FFa%20b", '"%FFa%20b"'],
    ["%zz", '"%zz"'],
    ["%c3%a9", '"é"'],
    ["%EF%BF%BD", '"\ufffd"'],
    ["a=b%26", '"a=b&"'],
  ])("a message shows the query value %s as %s", async (sent, shown) => {
    const { status, body } = await get(`${tenant.path("production")}?x&pageSize=${sent}`);
    expect([status, body.message]).toEqual([400, expect.stringContaining(`pageSize: ${shown} is not allowed`)]);
  });

  test("a message shows the start of a long path segment or header, and its length", async () => {
    const long = "9".repeat(150);
    const account = await get(`/api/v1/orgs/${tenant.slug}/cloud-accounts/${long}`);
    expect(account.body.message).toContain(`"${"9".repeat(64)}"… (150 characters)`);
    const path = await get(`/${"p".repeat(300)}`);
    expect(path.body.message).toBe(`Unknown path "/${"p".repeat(199)}"… (301 characters).`);
    const type = `text/${"x".repeat(150)}`;
    const posted = await world.send("POST", tenant.path("production"), {
      token: tenant.admin,
      raw: "{}",
      headers: { "content-type": type },
    });
    expect([posted.status, posted.body.message]).toEqual([
      415,
      expect.stringContaining(`"${type.slice(0, 100)}"… (155 characters)`),
    ]);
  });
});

/** The text of a number, as the engine's own parser gives it. */
class Source {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

describe("findLiterals", () => {
  test("findLiterals returns each number that JavaScript writes in another way, by its path", () => {
    const literal = fc.oneof(
      fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => `${JSON.stringify(value)}`),
      fc.constantFrom("1.0", "-0", "1e400", "9007199254740993", "true", "null", '"x"', '"\\"]},{[:"'),
    );
    // Without escapes, which V8 may misread (core/shared/json.ts).
    const name = fc.constantFrom("a", "b", "}", "e,", ":[");
    const { json } = fc.letrec<{ json: string }>((tie) => ({
      json: fc.oneof(
        { maxDepth: 4 },
        literal,
        fc.array(tie("json"), { maxLength: 3 }).map((each) => `[ ${each.join(" , ")}]`),
        fc
          .array(fc.tuple(name, tie("json")), { maxLength: 3 })
          .map((each) => `{${each.map(([own, value]) => `"${own}" : ${value}`).join(",\n")} }`),
      ),
    }));
    fc.assert(
      fc.property(json, (text) => {
        const found = findLiterals(text);
        const visit = (value: unknown, path: string): void => {
          if (value instanceof Source) {
            const isPlain = String(Number(value.text)) === value.text;
            expect(found.get(path)).toBe(isPlain ? undefined : value.text);
          } else if (Array.isArray(value)) for (const [at, each] of value.entries()) visit(each, `${path}[${at}]`);
          else if (typeof value === "object" && value !== null) {
            for (const [own, each] of Object.entries(value)) visit(each, path === "" ? own : `${path}.${own}`);
          }
        };
        const sources = (_: string, value: unknown, context?: { source?: string }) =>
          typeof value === "number" ? new Source(context?.source ?? "") : value;
        visit(JSON.parse(text, sources), "");
      }),
      { numRuns: 1_000 },
    );
  });

  test.each([
    ["deep", `${'{"a":['.repeat(40_000)}1.0${"]}".repeat(40_000)}`],
    ["many", `[${"1.0,".repeat(60_000)}1.0]`],
    ["one long text", `["${"\\n".repeat(128_000)}",1.0]`],
  ])("findLiterals reads a large body without an error: %s", (kind, text) => {
    const found = findLiterals(text);
    expect(found.size).toBe(kind === "deep" ? 0 : kind === "many" ? 60_001 : 1);
  });
});
