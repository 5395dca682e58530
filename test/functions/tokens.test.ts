import { randomUUID } from "node:crypto";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TokenUse } from "#core/access/token-use.ts";
import { checkTable } from "#core/admin/integrity/check.ts";
import { createToken, listTokens, revokeToken } from "#core/admin/personal-tokens.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { DAY_MS } from "#core/shared/time.ts";
import { keyText, tokenKey, userTokenCountKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { tokenCountEntity } from "#core/tenancy/member.ts";
import { hashToken, parseToken } from "#core/tenancy/token.ts";
import { expectError } from "#test/support/errors.ts";
import { type Fault, regenerateClientTokens } from "#test/support/faults.ts";
import {
  type Json,
  makeWorld,
  type RequestOptions,
  type Tenant,
  type TestResponse,
  type World,
} from "#test/support/world.ts";

const TOKENS = "/api/v1/tokens";
const START = Date.parse("2026-11-23T10:00:00.123Z");
let now = START;
let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(now) });
});

beforeEach(async () => {
  now = START;
  tenant = await world.tenant();
});

afterEach(() => {
  Object.assign(world.wire, { fault: () => undefined, conflicts: false });
});

const send = (method: string, path: string, body?: unknown, more: RequestOptions = {}, by = world) =>
  by.send(method, path, { token: tenant.admin, ...(body === undefined ? {} : { body }), ...more });

/** Creates a token that must be accepted. */
async function create(body: object = {}, more: RequestOptions = {}, by = world): Promise<Json> {
  const response = await send("POST", TOKENS, { name: "ci", ...body }, more, by);
  expect(response.status, response.text).toBe(200);
  return response.body;
}

const list = async (more: RequestOptions = {}): Promise<Json[]> =>
  (await send("GET", TOKENS, undefined, more)).body.content;
const own = () => `/api/v1/organisations/${tenant.slug}/me`;
const statusWith = async (token: string, more: RequestOptions = {}) =>
  (await world.send("GET", own(), { token, ...more })).status;
const user = () => parseToken(tenant.admin)?.user ?? "";

/** Reads the stored number of the admin's tokens. */
async function counted(): Promise<number> {
  const key = userTokenCountKey(user());
  const item = (await world.table.get([key])).get(keyText(key));
  return item === undefined ? 0 : tokenCountEntity.read(item).tokens;
}

describe("creating a token", () => {
  test("a new token acts as its user, is returned once, and is stored as its hash only", async () => {
    const response = await send("POST", TOKENS, { name: "Terraform", expiresAt: "2027-01-31T12:00:00+01:00" });
    expect(response.status, response.text).toBe(200);
    const { token, ...record } = response.body;
    expect(record).toEqual({
      identity: parseToken(token)?.tokenId,
      name: "Terraform",
      createdAt: new Date(now).toISOString(),
      expiresAt: "2027-01-31T11:00:00.000Z",
      sources: [],
    });
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("location")).toBe(`http://localhost${TOKENS}/${record.identity}`);
    expect((await world.send("GET", own(), { token })).body.memberIdentity).toBe(user());
    expect(await list()).toContainEqual(record);
    const stored: string[] = [];
    for await (const item of world.table.scan()) stored.push(JSON.stringify(item));
    expect(stored.filter((item) => item.includes(token))).toEqual([]);
    expect(stored.filter((item) => item.includes(hashToken(token)))).toHaveLength(1);
  });

  test("a token expires after one year if no time is given, and is then refused but still listed", async () => {
    const { token, expiresAt, identity } = await create();
    expect(Date.parse(expiresAt) - now).toBe(365 * DAY_MS);
    now += 365 * DAY_MS - 1;
    expect(await statusWith(token)).toBe(200);
    now = START + 365 * DAY_MS;
    expect(await statusWith(token)).toBe(401);
    const { token: fresh } = await createToken(world.services, { user: user(), name: "fresh" });
    expect((await list({ token: fresh })).map((each) => each.identity)).toContain(identity);
  });

  test("all problems are reported at once, and nothing is created", async () => {
    const body = { name: "", expiresAt: "tomorrow", sources: ["10.0.0.1/8", 5, "224.0.0.0/4"] };
    const response = await send("POST", `${TOKENS}?dryRun=maybe`, body);
    expect(response.status).toBe(400);
    const paths = response.body.details.map((detail: string) => detail.split(": ")[0]);
    expect(paths.toSorted()).toEqual(["dryRun", "expiresAt", "name", "sources[0]", "sources[1]", "sources[2]"]);
    const past = new Date(now - 1).toISOString();
    const late = new Date(now + 3_650 * DAY_MS + 1).toISOString();
    for (const expiresAt of [past, new Date(now).toISOString(), late, "2027-13-01T00:00:00Z", "2027-01-31", 7]) {
      expectError(await send("POST", TOKENS, { name: "x", expiresAt }), 400, /^expiresAt: /);
    }
    await create({ expiresAt: new Date(now + 3_650 * DAY_MS).toISOString() });
    for (const name of [undefined, "x".repeat(65), "\ud800", {}]) {
      expectError(await send("POST", TOKENS, { name }), 400, /^name: /);
    }
    const many = Array.from({ length: 51 }, (_, at) => `10.0.${at}.0/24`);
    expectError(await send("POST", TOKENS, { name: "x", sources: many }), 400, /^sources: /);
    expect(await counted()).toBe(1);
  });

  test("unknown properties are named, and refused by a strict request", async () => {
    const body = { name: "x", scopes: ["all"] };
    expect((await send("POST", TOKENS, body)).headers.get("warning")).toContain("scopes");
    const strict = { headers: { prefer: "handling=strict" } };
    expectError(await send("POST", TOKENS, body, strict), 400, /^scopes: unknown property/);
  });

  test("a token with sources is refused from elsewhere, and creates only tokens within its sources", async () => {
    const { token } = await create({ sources: ["192.0.2.0/24", "2001:db8::/32"] });
    expect([await statusWith(token, { peer: "192.0.2.9" }), await statusWith(token)]).toEqual([200, 403]);
    const as = { token, peer: "192.0.2.9" };
    for (const sources of [undefined, [], null]) {
      expectError(
        await send("POST", TOKENS, { name: "x", sources }, as),
        400,
        /^sources: is required: .*192\.0\.2\.0\/24/,
      );
    }
    const wide = ["192.0.2.0/25", "192.0.0.0/16", "198.51.100.0/24", "::/0", "2001:db8:1::/48"];
    const refused = await send("POST", TOKENS, { name: "x", sources: wide }, as);
    expect(refused.body.details.map((detail: string) => detail.split(": ")[0])).toEqual([
      "sources[1]",
      "sources[2]",
      "sources[3]",
    ]);
    const narrower = await create({ sources: ["192.0.2.0/24", "192.0.2.9/32", "2001:db8:1::/48"] }, as);
    expect(await statusWith(narrower.token, { peer: "192.0.2.9" })).toBe(200);
  });

  test("a dry run makes all checks, returns no token and creates nothing", async () => {
    const response = await send("POST", `${TOKENS}?dryRun=true`, { name: "x", sources: ["10.0.0.0/8"] });
    const { expiresAt } = response.body;
    expect(response.body).toEqual({ name: "x", expiresAt, sources: ["10.0.0.0/8"], consequences: [] });
    expect(response.headers.get("location")).toBeNull();
    expect([await counted(), (await list()).length]).toEqual([0, 1]);
  });

  test("a user has at most 50 tokens, also with concurrent creations, and an operator's tokens do not count", async () => {
    for (let at = 0; at < 48; at++) await create({ name: `t${at}` });
    await createToken(world.services, { user: user(), name: "by an operator" });
    const all = await Promise.all(
      Array.from({ length: 5 }, () => send("POST", TOKENS, { name: "x" }, {}, world.sibling())),
    );
    expect(all.map(({ status }) => status).toSorted()).toEqual([200, 200, 409, 409, 409]);
    expect(all.find(({ status }) => status === 409)?.body.message).toContain("at most 50 personal access tokens");
    expect([await counted(), (await list({})).length]).toEqual([50, 50]);
    const full = await send("GET", `${TOKENS}?pageSize=100`);
    expect(full.body.totalElements).toBe(52);
    expectError(await send("POST", `${TOKENS}?dryRun=true`, { name: "x" }), 409, /at most 50/);
    const mine = full.body.content.find((each: Json) => each.name === "t0");
    expect((await send("DELETE", `${TOKENS}/${mine.identity}`)).status).toBe(204);
    await create();
    expect((await checkTable(world.services)).contradictions).toEqual([]);
  });

  test("concurrent first creations are all counted", async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => create({}, {}, world.sibling())));
    expect([new Set(all.map(({ token }) => token)).size, await counted()]).toEqual([4, 4]);
  });
});

describe("a creation that is repeated", () => {
  const headers = () => ({ headers: { "idempotency-key": "once" } });

  test("a repetition gets a 409 with the identity of the token, and creates nothing", async () => {
    const { identity, token } = await create({}, headers());
    const again = await send("POST", TOKENS, { name: "ci" }, headers());
    expectError(again, 409, new RegExp(`created the token ${identity}, which is shown only once`));
    expect([again.headers.get("idempotency-replayed"), again.text.includes(token)]).toEqual([null, false]);
    expectError(await send("POST", TOKENS, { name: "other" }, headers()), 422, /used for another request/);
    expect(await counted()).toBe(1);
    now += DAY_MS + 1_000;
    await create({}, headers());
  });

  test("of concurrent repetitions one returns the token", async () => {
    const all = await Promise.all(
      Array.from({ length: 5 }, () => send("POST", TOKENS, { name: "ci" }, headers(), world.sibling())),
    );
    expect(all.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409, 409]);
    expect(await counted()).toBe(1);
  });

  test.each<Fault>(["before", "after"])(
    "a creation of which each call fails once (%s the call) returns the token, also with an idempotency key",
    async (fault) => {
      for (const more of [{}, headers()]) {
        for (const position of [0, 1]) {
          tenant = await world.tenant();
          const forgetful = world.sibling();
          regenerateClientTokens(forgetful.table);
          let calls = 0;
          forgetful.wire.fault = () => (calls++ === position ? fault : undefined);
          const { token, identity } = await create({}, more, forgetful);
          expect([await statusWith(token), await counted()]).toEqual([200, 1]);
          expect((await list()).filter((each) => each.identity === identity)).toHaveLength(1);
        }
      }
    },
  );

  test.each<Fault>(["before", "after", "throttle"])(
    "a creation and a deletion of which one call fails permanently (%s the call) happen completely or not at all",
    async (fault) => {
      const once = await makeWorld({ maxAttempts: 1, clock: () => new Date(now) });
      tenant = await once.tenant();
      for (const position of [0, 1]) {
        const { identity } = await create({}, {}, once);
        for (const [method, path, body] of [
          ["POST", TOKENS, { name: "x" }],
          ["DELETE", `${TOKENS}/${identity}`],
        ] as const) {
          let calls = 0;
          once.wire.fault = () => (calls++ === position ? fault : undefined);
          expect((await send(method, path, body, {}, once)).status).toBe(503);
          once.wire.fault = () => undefined;
          expect((await checkTable(once.services)).contradictions).toEqual([]);
        }
      }
    },
  );
});

describe("listing and deleting tokens", () => {
  test("tokens are listed by their creation in pages, only those of the caller", async () => {
    for (const name of ["a", "b", "c"]) {
      now += 1_000;
      await create({ name });
    }
    const page = (await send("GET", `${TOKENS}?pageSize=2&pageNumber=1`)).body;
    expect(page.content.map(({ name }: Json) => name)).toEqual(["b", "c"]);
    expect([page.totalElements, page.last]).toEqual([4, true]);
    const down = (await send("GET", `${TOKENS}?sortDirection=DESC`)).body;
    expect([down.content[0].name, down.sort[0].property]).toEqual(["c", "createdAt"]);
    const { token } = await tenant.person("admin");
    expect((await list({ token })).map(({ name }) => name)).toEqual(["test"]);
  });

  test("a deleted token is refused by the next request, and is in no list", async () => {
    const { token, identity } = await create();
    expect(await statusWith(token)).toBe(200);
    expect((await send("DELETE", `${TOKENS}/${identity.toUpperCase()}`)).status).toBe(204);
    expect(await statusWith(token)).toBe(401);
    expect((await list()).map((each) => each.identity)).not.toContain(identity);
    expectError(await send("DELETE", `${TOKENS}/${identity}`), 404, /no such personal access token/);
    expect(await counted()).toBe(0);
    expect((await checkTable(world.services)).contradictions).toEqual([]);
  });

  test("a token can delete itself", async () => {
    const { token, identity } = await create();
    expect((await world.send("DELETE", `${TOKENS}/${identity}`, { token })).status).toBe(204);
    expect(await statusWith(token)).toBe(401);
  });

  test("a token of another user, an unknown one and a text that is none are a 404 without the text", async () => {
    const { token } = await tenant.person("admin");
    const { identity } = await create({}, { token });
    for (const text of [identity, randomUUID(), "mine", "%23", token]) {
      const response = await send("DELETE", `${TOKENS}/${text}`);
      expectError(response, 404, /^You have no such personal access token\.$/);
    }
    expect(await statusWith(token)).toBe(200);
  });

  test("an operator's token can be deleted, and an operator can revoke a user's token, which is then not counted", async () => {
    const { record, token } = await createToken(world.services, { user: user(), name: "by an operator" });
    expect((await send("DELETE", `${TOKENS}/${record.tokenId}`)).status).toBe(204);
    expect([await statusWith(token), await counted()]).toEqual([401, 0]);
    const mine = await create();
    await revokeToken(world.services, mine.identity);
    await revokeToken(world.services, mine.identity);
    expect([await statusWith(mine.token), await counted()]).toEqual([401, 0]);
    const names = (await listTokens(world.services, user())).map(({ name }) => name);
    expect(names.toSorted()).toEqual(["by an operator", "test"]);
    expect((await checkTable(world.services)).contradictions).toEqual([]);
  });

  test("a dry run of a deletion deletes nothing, and two concurrent deletions count once", async () => {
    const { token, identity } = await create();
    const dry = await send("DELETE", `${TOKENS}/${identity}?dryRun=true`);
    expect([dry.status, dry.body, await statusWith(token)]).toEqual([200, { consequences: [] }, 200]);
    const both = await Promise.all(
      [1, 2].map(() => send("DELETE", `${TOKENS}/${identity}`, undefined, {}, world.sibling())),
    );
    expect(both.map(({ status }) => status).toSorted()).toEqual([204, 404]);
    expect(await counted()).toBe(0);
  });

  test.each<Fault>(["before", "after"])(
    "a deletion of the request's own token of which each call fails once (%s the call) happens once",
    async (fault) => {
      for (const position of [0, 1]) {
        const { token, identity } = await create();
        const forgetful = world.sibling();
        regenerateClientTokens(forgetful.table);
        let calls = 0;
        forgetful.wire.fault = () => (calls++ === position ? fault : undefined);
        const response = await send("DELETE", `${TOKENS}/${identity}`, undefined, { token }, forgetful);
        expect([position, response.status, await statusWith(token)], response.text).toEqual([position, 204, 401]);
      }
      expect(await counted()).toBe(0);
    },
  );

  test("the order of errors is that of the contract", async () => {
    const long = `?x=${"y".repeat(4_096)}`;
    const refusals: [() => Promise<TestResponse>, number][] = [
      [() => send("PUT", `${TOKENS}${long}`, {}), 405],
      [() => send("POST", `${TOKENS}${long}`, {}, { token: "ame_x" }), 401],
      [
        () => send("POST", `${TOKENS}${long}`, undefined, { raw: "{]", headers: { "content-type": "text/plain" } }),
        415,
      ],
      [() => send("POST", `${TOKENS}${long}`, undefined, { raw: "{]" }), 400],
      [() => send("POST", `${TOKENS}${long}`, { name: "" }), 400],
      [() => send("DELETE", `${TOKENS}/x${long}`), 404],
      [() => send("DELETE", `${TOKENS}/`), 404],
    ];
    for (const [request, status] of refusals) expect((await request()).status).toBe(status);
  });

  test("the check of the table finds a wrong number of tokens", async () => {
    await create();
    const add = (by: number) =>
      new Transaction().update("count", userTokenCountKey(user()), "ADD #tokens :by", { values: { ":by": by } });
    expect(await commit(world.table, add(1), deadlineIn())).toEqual([]);
    const { contradictions } = await checkTable(world.services);
    expect(contradictions).toEqual([{ where: `user ${user()}: tokens`, text: "is 2, should be 1" }]);
    expect(await commit(world.table, add(-1), deadlineIn())).toEqual([]);
  });
});

describe("the last use of a token", () => {
  let using: World;

  beforeAll(async () => {
    using = await makeWorld({ clock: () => new Date(now), tokenUse: new TokenUse() });
  });

  const updates = () => using.wire.spans.filter(({ operation }) => operation === "UpdateItem").length;
  const usedAt = async (identity: string) => {
    const item = (await using.table.get([tokenKey(identity)])).get(keyText(tokenKey(identity)));
    return (item as { lastUsedAt?: string } | undefined)?.lastUsedAt;
  };
  const get = (token: string) => using.send("GET", tenant.path(), { token });

  beforeEach(async () => {
    tenant = await using.tenant();
    using.wire.spans.length = 0;
  });

  afterEach(() => {
    using.wire.fault = () => undefined;
  });

  test("a use is recorded with the first request, then once a day, and is shown in the list", async () => {
    const { token, identity } = await create({}, {}, using);
    const before = updates();
    expect(await usedAt(identity)).toBeUndefined();
    await get(token);
    expect([updates(), await usedAt(identity)]).toEqual([before + 1, new Date(START).toISOString()]);
    now += DAY_MS - 1;
    await get(token);
    expect([updates(), await usedAt(identity)]).toEqual([before + 1, new Date(START).toISOString()]);
    now += 1;
    await get(token);
    expect([updates(), await usedAt(identity)]).toEqual([before + 2, new Date(now).toISOString()]);
    const { content } = (await using.send("GET", TOKENS, { token })).body;
    const shown = content.find((each: Json) => each.identity === identity);
    expect(shown).toMatchObject({ lastUsedAt: new Date(now).toISOString() });
  });

  test("many concurrent requests of a token send one update, and requests without authorization none", async () => {
    await Promise.all(Array.from({ length: 20 }, () => get(tenant.admin)));
    expect(updates()).toBe(1);
    using.wire.spans.length = 0;
    const { token, identity } = await create({ expiresAt: new Date(now + 1_000).toISOString() }, {}, using);
    now += 2_000;
    expect((await get(token)).status).toBe(401);
    expect(await usedAt(identity)).toBeUndefined();
  });

  test("a request succeeds although its use cannot be recorded, and the next request records it", async () => {
    using.wire.fault = ({ operation }) => (operation === "UpdateItem" ? "before" : undefined);
    expect((await get(tenant.admin)).status).toBe(200);
    const { tokenId = "" } = parseToken(tenant.admin) ?? {};
    expect(await usedAt(tokenId)).toBeUndefined();
    using.wire.fault = () => undefined;
    await get(tenant.admin);
    expect(await usedAt(tokenId)).toBe(new Date(now).toISOString());
  });

  test("a use does not recreate the record of a token that disappeared", async () => {
    const { tokenId = "" } = parseToken(tenant.admin) ?? {};
    const services = { ...using.services };
    await new TokenUse().record(services, { tokenId: randomUUID() });
    await new TokenUse().record(services, { tokenId });
    expect(await usedAt(tokenId)).toBe(new Date(now).toISOString());
    expect((await checkTable(services)).contradictions).toEqual([]);
  });
});
