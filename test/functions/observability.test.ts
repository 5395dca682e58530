import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkTable } from "#core/admin/integrity/check.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { alertmanagerKey, keyText, observabilityTenantKey, silencesKey, totalKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { expectError } from "#test/support/errors.ts";
import { expectInvariants, organisationEventsOf } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

const START = Date.parse("2026-11-23T10:00:00.123Z");
const HOUR = 60 * 60_000;
const DAY = 24 * HOUR;

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

const org = () => `/api/v1/orgs/${tenant.slug}`;
const monitoring = (...rest: string[]) => [`${org()}/monitoring`, ...rest].join("/");
const alertmanager = (slug = "web") => monitoring(slug, "alertmanager");
const silences = (...rest: string[]) => [`${org()}/observability/web/silences`, ...rest].join("/");
type Headers = Record<string, string>;
const send = (method: string, path: string, body?: unknown, headers: Headers = {}, by = world, token = tenant.admin) =>
  by.send(method, path, { token, body, headers });
const get = (path: string, headers: Headers = {}) => send("GET", path, undefined, headers);
const at = (ms: number) => new Date(now + ms).toISOString();

/** Sends a request that must succeed. */
async function ok(method: string, path: string, body?: unknown): Promise<Json> {
  const response = await send(method, path, body);
  expect(response.status, response.text).toBeLessThan(205);
  return response.body;
}

const lastEvent = async () => (await organisationEventsOf(world.services, tenant.slug)).at(-1);
const pathsOf = (details: string[]) => details.map((detail) => detail.split(": ")[0]).toSorted();
const MATCHERS = [{ name: "alertname", value: "Down" }];
const silence = (more: object = {}) => ({ comment: "maintenance", endsAt: at(HOUR), matchers: MATCHERS, ...more });

describe("observability tenants", () => {
  test("a new tenant is returned with its slug, an entity tag and its location, and is listed", async () => {
    const body = { name: "Web & Shop", ipWhiteList: "192.0.2.0/24, 2001:db8::/32" };
    const response = await send("POST", monitoring(), body);
    expect(response.status, response.text).toBe(200);
    expect(response.body).toEqual({
      ...body,
      available: true,
      createdAt: at(0),
      customer: tenant.slug,
      id: expect.any(Number),
      identity: expect.stringMatching(/^[0-9a-f-]{36}$/),
      modifiedAt: at(0),
      slug: "web-shop",
    });
    expect(response.headers.get("location")).toBe(`http://localhost${monitoring("web-shop")}`);
    const found = await get(monitoring("web-shop"));
    expect([found.body, found.headers.get("etag")]).toEqual([response.body, response.headers.get("etag")]);
    await ok("POST", monitoring(), { name: "A", ipWhiteList: null });
    const page = await get(`${monitoring()}?pageSize=1&sortDirection=DESC`);
    expect([page.body.content, page.body.totalElements]).toEqual([[response.body], 2]);
    expect((await get(monitoring("a"))).body.ipWhiteList).toBe("");
    const { type, changes } = (await lastEvent()) ?? {};
    const { identity } = (await get(monitoring("a"))).body;
    expect([type, changes]).toEqual([
      "observability-tenant.created",
      [{ path: "observabilityTenants[a]", to: { identity, name: "A", ipWhiteList: "" } }],
    ]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("all problems are reported at once, and nothing is created", async () => {
    const body = { name: "a_b", ipWhiteList: "192.0.2.1/24,mars, ::/0" };
    const response = await send("POST", `${monitoring()}?dryRun=maybe`, body);
    expect([response.status, pathsOf(response.body.details)]).toEqual([400, ["dryRun", "ipWhiteList", "name"]]);
    expect(response.text).toMatch(/192\.0\.2\.1\/24.*mars/);
    for (const name of [undefined, "", "x".repeat(64), "-", "é", 5]) {
      expectError(await send("POST", monitoring(), { name }), 400, /^name/);
    }
    for (const ipWhiteList of ["192.0.2.1", ",", Array(101).fill("192.0.2.0/24").join(), 7, ["192.0.2.0/24"]]) {
      expectError(await send("POST", monitoring(), { name: "a", ipWhiteList }), 400, /^ipWhiteList/);
    }
    expect((await get(monitoring())).body.totalElements).toBe(0);
  });

  test("unknown properties are named, and refused by a strict request", async () => {
    const response = await send("POST", monitoring(), { name: "a", colour: "blue" });
    expect(response.headers.get("warning")).toContain("colour");
    const strict = await send("POST", monitoring(), { name: "b", colour: "blue" }, { prefer: "handling=strict" });
    expectError(strict, 400, /^colour: unknown property/);
  });

  test("a name whose slug is used returns 409", async () => {
    await ok("POST", monitoring(), { name: "Web & Shop" });
    expectError(
      await send("POST", monitoring(), { name: "web-shop" }),
      409,
      /"web-shop" is already used.*"Web & Shop"/,
    );
  });

  test("concurrent creations do not exceed 50 tenants, and a deletion makes room for one", async () => {
    await ok("POST", monitoring(), { name: "old" });
    await world.table.client.send(
      new UpdateCommand({
        TableName: world.table.name,
        Key: totalKey(tenant.slug),
        UpdateExpression: "SET observabilityTenants = :most",
        ExpressionAttributeValues: { ":most": 49 },
      }),
    );
    const all = await Promise.all(
      ["a", "b", "c"].map((name) => send("POST", monitoring(), { name }, {}, world.sibling())),
    );
    expect(all.map(({ status }) => status).toSorted()).toEqual([200, 409, 409]);
    expectError(await send("POST", monitoring(), { name: "d" }), 409, /at most 50 observability tenants/);
    await ok("DELETE", monitoring("old"));
    await ok("POST", monitoring(), { name: "d" });
  });

  test("a change changes what it names, keeps the slug, and its event has the values", async () => {
    const { identity, createdAt } = await ok("POST", monitoring(), { name: "web", ipWhiteList: "192.0.2.0/24" });
    now += HOUR;
    const changed = await send("PATCH", monitoring("web"), { name: "Shop" });
    expect(changed.body).toMatchObject({ identity, createdAt, slug: "web", name: "Shop", ipWhiteList: "192.0.2.0/24" });
    expect(changed.body.modifiedAt).toBe(at(0));
    expect((await lastEvent())?.changes).toEqual([{ path: "observabilityTenants[web].name", from: "web", to: "Shop" }]);
    const again = await send("PATCH", monitoring("web"), { name: "Shop", ipWhiteList: "192.0.2.0/24" });
    expect([again.body, again.headers.get("etag")]).toEqual([changed.body, changed.headers.get("etag")]);
    expect((await ok("PATCH", monitoring("web"), { ipWhiteList: "" })).ipWhiteList).toBe("");
    expectError(
      await send("PATCH", monitoring("web"), { name: "_", ipWhiteList: "x" }),
      400,
      /^ipWhiteList.*and 1 more|^name/,
    );
  });

  test("If-Match refuses a write with another entity tag, also that of a deleted tenant with the slug", async () => {
    const first = await send("POST", monitoring(), { name: "web" });
    const old = { "if-match": first.headers.get("etag") ?? "" };
    expect((await get(monitoring("web"), { "if-none-match": old["if-match"] })).status).toBe(304);
    await ok("DELETE", monitoring("web"));
    await ok("POST", monitoring(), { name: "web" });
    for (const [method, body] of [["PATCH", { name: "b" }], ["DELETE"]] as const) {
      expectError(await send(method, monitoring("web"), body, old), 412, /^If-Match/);
    }
    expect((await send("PATCH", monitoring("web"), { name: "b" }, { "if-match": "*" })).status).toBe(200);
  });

  test("a deletion removes configuration and silences, so that a later tenant with the slug has none", async () => {
    await ok("POST", monitoring(), { name: "web" });
    await ok("POST", alertmanager(), { alertManagerConfig: "a: b" });
    await ok("POST", silences(), silence());
    expect((await send("DELETE", monitoring("web"))).status).toBe(204);
    expect((await lastEvent())?.type).toBe("observability-tenant.deleted");
    const keys = [observabilityTenantKey, alertmanagerKey, silencesKey].map((key) => key(tenant.slug, "web"));
    expect((await world.table.get(keys)).size).toBe(0);
    for (const path of [monitoring("web"), alertmanager(), silences(), `${org()}/alerts/web`]) {
      expectError(await get(path), 404, /There is no observability tenant "web"/);
    }
    expectError(await send("DELETE", monitoring("web")), 404, /no observability tenant/);
    await ok("POST", monitoring(), { name: "web" });
    expect(await ok("GET", alertmanager())).toEqual({ alertManagerConfig: "", ruleFiles: {}, templateFiles: {} });
    expect(await ok("GET", silences())).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("writes during a deletion leave nothing over", async () => {
    for (let round = 0; round < 5; round++) {
      await ok("POST", monitoring(), { name: "web" });
      const others = [() => send("POST", alertmanager(), { ruleFiles: { a: "" } }, {}, world.sibling())];
      others.push(() => send("POST", silences(), silence(), {}, world.sibling()));
      const [removal, ...rest] = await Promise.all([
        send("DELETE", monitoring("web")),
        ...others.map((other) => other()),
      ]);
      expect(removal?.status).toBe(204);
      for (const { status } of rest) expect([200, 404]).toContain(status);
      const keys = [alertmanagerKey, silencesKey].map((key) => key(tenant.slug, "web"));
      expect((await world.table.get(keys)).size).toBe(0);
    }
  });

  test("a malformed slug and an empty segment return 404", async () => {
    for (const slug of ["Web", "a_b", "x".repeat(64), "a%2Fb", "%20"]) {
      expectError(await get(monitoring(slug)), 404, /Invalid tenant slug in the path/);
    }
    expect((await get(`${monitoring()}/`)).status).toBe(404);
    expect((await get(`${org()}/observability//silences`)).status).toBe(404);
  });
});

describe("the Alertmanager configuration", () => {
  beforeEach(async () => {
    await ok("POST", monitoring(), { name: "web" });
  });

  const WHOLE = {
    alertManagerConfig: "route:\n  receiver: team\n",
    ruleFiles: { "b.yaml": "groups: []\n", "a.yaml": "groups: [] # ü\n" },
    templateFiles: { "t.tmpl": "{{ define }} is no template and no YAML: {" },
  };

  test("the configuration of a new tenant is empty, and has an entity tag", async () => {
    const response = await get(alertmanager());
    expect(response.text).toBe('{"alertManagerConfig":"","ruleFiles":{},"templateFiles":{}}');
    expect(response.headers.get("etag")).toMatch(/^"0-[0-9a-f]{8}"$/);
  });

  test("a configuration is written whole: what is absent or null becomes empty", async () => {
    const written = await send("POST", alertmanager(), WHOLE);
    expect([written.status, written.body]).toEqual([200, WHOLE]);
    const found = await get(alertmanager());
    expect([found.body, found.headers.get("etag")]).toEqual([WHOLE, written.headers.get("etag")]);
    expect(Object.keys(found.body.ruleFiles)).toEqual(["b.yaml", "a.yaml"]);
    const { ruleFiles } = WHOLE;
    const emptied = { alertManagerConfig: "", ruleFiles, templateFiles: {} };
    expect(await ok("POST", alertmanager(), { ruleFiles, templateFiles: null })).toEqual(emptied);
    expect(await ok("POST", alertmanager(), {})).toEqual({ alertManagerConfig: "", ruleFiles: {}, templateFiles: {} });
  });

  test("events name the changed files with their sizes, and contain no content", async () => {
    await ok("POST", alertmanager(), WHOLE);
    await ok("POST", alertmanager(), {
      ...WHOLE,
      alertManagerConfig: "route:\n  receiver: main\n",
      ruleFiles: { "a.yaml": "groups: [] # ü\n", "c.yaml": "x" },
    });
    const { type, changes } = (await lastEvent()) ?? {};
    const path = "observabilityTenants[web].alertmanager";
    expect([type, changes]).toEqual([
      "alertmanager.updated",
      [
        { path: `${path}.alertManagerConfig`, from: { bytes: 24 }, to: { bytes: 24 } },
        { path: `${path}.ruleFiles[b.yaml]`, from: { bytes: 11 } },
        { path: `${path}.ruleFiles[c.yaml]`, to: { bytes: 1 } },
      ],
    ]);
    const events = await get(`/api/v1/organisations/${tenant.slug}/events`);
    expect(events.text).not.toMatch(/receiver|groups/);
  });

  test("a dry run names the changed members, whatever the names of files are", async () => {
    const dryRun = async (body: unknown) => (await ok("POST", `${alertmanager()}?dryRun=true`, body)).consequences;
    const templateFiles = { "x.alertmanager.ruleFiles": "" };
    expect(await dryRun({ templateFiles })).toEqual([{ property: "templateFiles", effect: "inPlace", nodePools: [] }]);
    expect((await dryRun(WHOLE)).map(({ property }: Json) => property)).toEqual(Object.keys(WHOLE));
    await ok("POST", alertmanager(), { templateFiles });
    const path = "observabilityTenants[web].alertmanager.templateFiles[x.alertmanager.ruleFiles]";
    expect((await lastEvent())?.changes).toEqual([{ path, to: { bytes: 0 } }]);
  });

  test("the same configuration again is no change", async () => {
    const first = await send("POST", alertmanager(), WHOLE);
    const events = await organisationEventsOf(world.services, tenant.slug);
    const second = await send("POST", alertmanager(), WHOLE);
    expect([second.body, second.headers.get("etag")]).toEqual([first.body, first.headers.get("etag")]);
    expect(await organisationEventsOf(world.services, tenant.slug)).toEqual(events);
  });

  test("of two writers with the same entity tag the second gets a 412", async () => {
    const etag = (await get(alertmanager())).headers.get("etag") ?? "";
    const write = (name: string) =>
      send("POST", alertmanager(), { ruleFiles: { [name]: "" } }, { "if-match": etag }, world.sibling());
    const both = await Promise.all([write("a"), write("b")]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 412]);
    const { ruleFiles } = (await get(alertmanager())).body;
    expect(Object.keys(ruleFiles)).toHaveLength(1);
    expect((await get(alertmanager(), { "if-none-match": etag })).status).toBe(200);
  });

  test("all problems are reported at once: names of files, contents, and YAML with its line", async () => {
    const response = await send("POST", alertmanager(), {
      alertManagerConfig: "a: 1\nb: {",
      ruleFiles: { "../a": "", "b.yaml": "a: 1\na: 2", "": "" },
      templateFiles: { "c.tmpl": 7, __proto__x: "", ok: "{" },
    });
    expect(response.status).toBe(400);
    expect(pathsOf(response.body.details)).toEqual([
      "alertManagerConfig",
      "ruleFiles.",
      "ruleFiles.../a",
      "ruleFiles.b.yaml",
      "templateFiles.__proto__x",
      "templateFiles.c.tmpl",
    ]);
    expect(response.text).toMatch(/line 2/);
    for (const ruleFiles of [[], "a", { a: null, b: {} }, { a: "\ud800" }]) {
      expectError(await send("POST", alertmanager(), { ruleFiles }), 400, /^ruleFiles/);
    }
    const many = Object.fromEntries(Array.from({ length: 51 }, (_, number) => [`f${number}`, ""]));
    expectError(await send("POST", alertmanager(), { templateFiles: many }), 400, /templateFiles.*at most 50/);
    expect((await get(alertmanager())).headers.get("etag")).toMatch(/^"0-/);
  });

  test("names that JavaScript's objects have are names of files", async () => {
    const ruleFiles = JSON.parse('{"constructor": "a: b", "toString": "c: d"}');
    expect((await ok("POST", alertmanager(), { ruleFiles })).ruleFiles).toEqual(ruleFiles);
    expect((await get(alertmanager())).body.ruleFiles).toEqual(ruleFiles);
  });

  test("a body of 256 KiB is stored with its idempotency record, and a larger one returns 413", async () => {
    const empty = JSON.stringify({ templateFiles: { a: "" } });
    const whole = JSON.stringify({ templateFiles: { a: "é".repeat(131_000 - empty.length) } });
    const raw = whole.padEnd(256 * 1_024 - (Buffer.byteLength(whole) - whole.length));
    expect(Buffer.byteLength(raw)).toBe(256 * 1_024);
    const sending = { token: tenant.admin, raw, headers: { "idempotency-key": "large" } };
    for (const replayed of [null, "true"]) {
      const response = await world.send("POST", alertmanager(), sending);
      expect([response.status, response.headers.get("idempotency-replayed")], response.text).toEqual([200, replayed]);
      expect(response.body.templateFiles.a).toBe(JSON.parse(whole).templateFiles.a);
    }
    expect((await world.send("POST", alertmanager(), { ...sending, raw: `${raw} ` })).status).toBe(413);
  });
});

describe("silences", () => {
  beforeEach(async () => {
    await ok("POST", monitoring(), { name: "web" });
  });

  test("a new silence is active, has its defaults, and names the user", async () => {
    const response = await send("POST", silences(), silence());
    expect(response.status, response.text).toBe(200);
    const { email } = (await get("/api/v1/memberships")).body.content[0];
    expect(response.body).toEqual({
      comment: "maintenance",
      createdBy: email.email,
      endsAt: at(HOUR),
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      matchers: [{ ...MATCHERS[0], isRegex: false, isEqual: true }],
      startsAt: at(0),
      status: { state: "active" },
    });
    expect(response.headers.get("location")).toBe(`http://localhost${silences(response.body.id)}`);
    expect((await get(silences())).body).toEqual([response.body]);
    expect(await lastEvent()).toMatchObject({
      type: "silence.created",
      changes: [{ path: `observabilityTenants[web].silences[${response.body.id}]`, to: { comment: "maintenance" } }],
    });
  });

  test("the state follows the clock, and an expired silence disappears after five days", async () => {
    await ok("POST", silences(), silence({ startsAt: at(HOUR), endsAt: at(2 * HOUR) }));
    const states = async () => (await get(silences())).body.map((each: Json) => each.status.state);
    expect(await states()).toEqual(["pending"]);
    for (const [later, state] of [
      [HOUR - 1, "pending"],
      [1, "active"],
      [HOUR - 1, "active"],
      [1, "expired"],
    ] as const) {
      now += later;
      expect(await states()).toEqual([state]);
    }
    now += 5 * DAY - 1;
    expect(await states()).toEqual(["expired"]);
    now += 1;
    expect(await states()).toEqual([]);
    const key = silencesKey(tenant.slug, "web");
    const item = (await world.table.get([key])).get(keyText(key));
    expect(item?.ttl).toBe(Math.floor(now / 1_000));
    // The database has not removed the item yet.
    await ok("POST", silences(), silence());
    expect(await states()).toEqual(["active"]);
  });

  test("active silences are listed before pending and expired ones, and those that end first come first", async () => {
    for (const [comment, from, to] of [
      ["pending", 2, 3],
      ["late", 0, 5],
      ["early", 0, 4],
      ["gone", 0, 1],
    ] as const) {
      await ok("POST", silences(), silence({ comment, startsAt: at(from * HOUR), endsAt: at(to * HOUR) }));
    }
    now += HOUR;
    const listed = (await get(silences())).body.map((each: Json) => each.comment);
    expect(listed).toEqual(["early", "late", "pending", "gone"]);
  });

  test("times are accepted in every form of RFC 3339, and a past start counts as the present time", async () => {
    for (const startsAt of ["0001-01-01T00:00:00Z", at(-DAY), null, undefined]) {
      expect((await ok("POST", silences(), silence({ startsAt }))).startsAt).toBe(at(0));
    }
    const times = { startsAt: "2026-12-01T01:30:00.123456789+01:30", endsAt: "2028-02-29T23:59:59-00:00" };
    expect(await ok("POST", silences(), silence(times))).toMatchObject({
      startsAt: "2026-12-01T00:00:00.123Z",
      endsAt: "2028-02-29T23:59:59.000Z",
    });
  });

  test.each([
    ["0001-01-01T00:00:00Z", /^endsAt: "0001-01-01T00:00:00Z" is not allowed: the zero time means that no end was set/],
    ["2026-11-23T10:00:00.123Z", /^endsAt.*must be after the present time, 2026-11-23T10:00:00.123Z/],
    ["2026-02-30T00:00:00Z", /^endsAt.*existing day/],
    ["2027-02-29T00:00:00Z", /^endsAt.*existing day/],
    ["2099-01-01", /^endsAt.*must be a date and time with an offset/],
    ["2099-01-01T00:00:00", /^endsAt.*must be a date and time with an offset/],
    ["2099-01-01T24:00:00Z", /^endsAt.*must be a date and time with an offset/],
    ["tomorrow", /^endsAt.*must be a date and time with an offset/],
    [4_070_908_800, /^endsAt.*must be a string/],
    [undefined, /^endsAt: is required/],
  ])("the end %j is refused", async (endsAt, message) => {
    expectError(await send("POST", silences(), silence({ endsAt })), 400, message);
  });

  test("an end that is not after the start is refused", async () => {
    for (const endsAt of [at(HOUR), at(HOUR - 1)]) {
      expectError(
        await send("POST", silences(), silence({ startsAt: at(HOUR), endsAt })),
        400,
        /^endsAt.*after startsAt/,
      );
    }
  });

  test("all problems are reported at once, and nothing is created", async () => {
    const response = await send("POST", silences(), {
      comment: " \n",
      startsAt: "now",
      endsAt: "0001-01-01T00:00:00Z",
      matchers: [{ name: "1a", value: "x" }, { name: "b", value: "(?=x)", isRegex: true }, { isEqual: "yes" }],
    });
    expect(response.status).toBe(400);
    expect(pathsOf(response.body.details)).toEqual([
      "comment",
      "endsAt",
      "matchers[0].name",
      "matchers[1].value",
      "matchers[2].isEqual",
      "matchers[2].name",
      "matchers[2].value",
      "startsAt",
    ]);
    for (const matchers of [[], undefined, {}, Array(21).fill(MATCHERS[0])]) {
      expectError(await send("POST", silences(), silence({ matchers })), 400, /^matchers/);
    }
    expect((await get(silences())).body).toEqual([]);
  });

  test.each([
    [[{ value: "" }], false],
    [[{ value: "x" }], true],
    [[{ value: "x", isEqual: false }], false],
    [[{ value: "", isEqual: false }], true],
    [[{ value: "x*", isRegex: true }], false],
    [[{ value: "x+", isRegex: true }], true],
    [[{ value: "x|", isRegex: true }], false],
    [[{ value: "x+", isRegex: true, isEqual: false }], false],
    [[{ value: ".*", isRegex: true, isEqual: false }], true],
    [[{ value: "" }, { value: ".*", isRegex: true }], false],
    [[{ value: "" }, { value: "x" }], true],
  ])("the matchers %j are accepted: %j, because one must not match an empty label", async (given, isAccepted) => {
    const matchers = given.map((matcher) => ({ name: "a", ...matcher }));
    const response = await send("POST", silences(), silence({ matchers }));
    if (isAccepted) expect(response.status, response.text).toBe(200);
    else expectError(response, 400, /^matchers: at least one matcher must not match an empty label/);
  });

  test("a silence that is too large as a whole is refused", async () => {
    const matchers = Array.from({ length: 4 }, () => ({ name: "a", value: "x".repeat(700) }));
    expectError(await send("POST", silences(), silence({ matchers })), 400, /3072/);
  });

  test("a tenant can have 100 silences that have not expired; one more displaces an expired one", async () => {
    const first = await ok("POST", silences(), silence({ comment: "first" }));
    for (let number = 1; number < 100; number++) await ok("POST", silences(), silence({ endsAt: at(DAY + number) }));
    const both = await Promise.all([1, 2].map(() => send("POST", silences(), silence(), {}, world.sibling())));
    expect(both.map(({ status }) => status)).toEqual([409, 409]);
    expectError(both[0] as never, 409, /at most 100 silences/);
    await ok("DELETE", silences(first.id));
    expect((await get(silences())).body).toHaveLength(100);
    const last = await ok("POST", silences(), silence({ comment: "last", endsAt: at(2 * DAY) }));
    const listed = (await get(silences())).body;
    expect(listed).toHaveLength(100);
    expect(listed.map(({ id }: Json) => id)).toContain(last.id);
    expect(listed.map(({ id }: Json) => id)).not.toContain(first.id);
  });

  test("100 silences of the largest size fit into their item", async () => {
    const matchers = [1, 2].map(() => ({ name: "a", value: '"'.repeat(600) }));
    const largest = silence({ matchers, comment: "é".repeat(120) });
    for (let number = 0; number < 100; number++) await ok("POST", silences(), largest);
    expect((await get(silences())).body).toHaveLength(100);
  });

  test("concurrent creations all succeed", async () => {
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, number) =>
        send("POST", silences(), silence({ comment: `${number}` }), {}, world.sibling()),
      ),
    );
    expect(all.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect((await get(silences())).body).toHaveLength(8);
  });

  test("a deletion ends an active silence now, and a pending one without a beginning", async () => {
    const active = await ok("POST", silences(), silence());
    const pending = await ok("POST", silences(), silence({ startsAt: at(HOUR), endsAt: at(2 * HOUR) }));
    now += 1_000;
    for (const { id } of [active, pending]) {
      expect((await send("DELETE", silences(id.toUpperCase()))).status).toBe(204);
    }
    const listed = new Map((await get(silences())).body.map((each: Json) => [each.id, each]));
    expect(listed.get(active.id)).toEqual({ ...active, endsAt: at(0), status: { state: "expired" } });
    expect(listed.get(pending.id)).toEqual({
      ...pending,
      startsAt: at(0),
      endsAt: at(0),
      status: { state: "expired" },
    });
    const path = `observabilityTenants[web].silences[${pending.id}].endsAt`;
    const event = await lastEvent();
    expect([event?.type, event?.changes]).toEqual(["silence.expired", [{ path, from: pending.endsAt, to: at(0) }]]);
    const events = await organisationEventsOf(world.services, tenant.slug);
    now += 1_000;
    expect((await send("DELETE", silences(active.id))).status).toBe(204);
    expect(await organisationEventsOf(world.services, tenant.slug)).toEqual(events);
  });

  test("a deletion with another entity tag returns 412, and an unknown id returns 404", async () => {
    const made = await send("POST", silences(), silence());
    const path = silences(made.body.id);
    expectError(await send("DELETE", path, undefined, { "if-match": '"9-x"' }), 412, /^If-Match/);
    for (const id of [tenant.identity, "1", "x".repeat(300)]) {
      expectError(await send("DELETE", silences(id)), 404, /There is no silence/);
    }
    const etag = made.headers.get("etag") ?? "";
    expect((await send("DELETE", path, undefined, { "if-match": etag })).status).toBe(204);
    expectError(await send("DELETE", path, undefined, { "if-match": etag }), 412, /^If-Match/);
  });
});

describe("alerts", () => {
  test("alerts of an organisation and of a tenant are an empty array", async () => {
    await ok("POST", monitoring(), { name: "web" });
    for (const path of [`${org()}/alerts`, `${org()}/alerts/web`]) {
      const response = await get(path);
      expect([response.status, response.text]).toEqual([200, "[]"]);
    }
    expectError(await get(`${org()}/alerts/other`), 404, /no observability tenant "other"/);
  });
});

describe("access to observability", () => {
  const requests = (): [method: string, path: string, role: string, body?: unknown][] => [
    ["GET", monitoring(), "viewer"],
    ["GET", monitoring("web"), "viewer"],
    ["GET", alertmanager(), "viewer"],
    ["GET", silences(), "viewer"],
    ["GET", `${org()}/alerts`, "viewer"],
    ["GET", `${org()}/alerts/web`, "viewer"],
    ["POST", monitoring(), "developer", { name: "other" }],
    ["PATCH", monitoring("web"), "developer", { name: "Web" }],
    ["POST", alertmanager(), "developer", {}],
    ["POST", silences(), "developer", silence()],
    ["DELETE", silences(tenant.identity), "developer"],
    ["DELETE", monitoring("web"), "developer"],
  ];

  test("a viewer reads, a developer also writes, a billing-admin does neither", async () => {
    await ok("POST", monitoring(), { name: "web" });
    const people = { developer: "", viewer: "", "billing-admin": "" };
    for (const role of Object.keys(people) as (keyof typeof people)[]) people[role] = (await tenant.person(role)).token;
    for (const [method, path, role, body] of requests()) {
      const as = (token: string) => send(method, path, body, {}, world, token);
      expectError(await as(people["billing-admin"]), 403, /requires the role/);
      if (role === "developer") expectError(await as(people.viewer), 403, /requires the role developer/);
      else expect((await as(people.viewer)).status).toBe(200);
      // The silence in the path does not exist.
      expect([200, 204, 404]).toContain((await as(people.developer)).status);
    }
  });

  test("another organisation's member sees and changes nothing", async () => {
    await ok("POST", monitoring(), { name: "web" });
    const { admin } = await world.tenant();
    for (const [method, path, , body] of requests()) {
      expectError(await send(method, path, body, {}, world, admin), 403, /not a member/);
    }
    expect((await get(monitoring())).body.totalElements).toBe(1);
  });

  test("a tenant of one organisation is not found in another", async () => {
    await ok("POST", monitoring(), { name: "web" });
    tenant = await world.tenant();
    for (const [method, path, , body] of requests()) {
      if (path.includes("web")) expectError(await send(method, path, body), 404, /no observability tenant/);
    }
  });
});

describe("the check of the table", () => {
  test("a wrong counter and an item of a missing tenant are found", async () => {
    const own = await makeWorld();
    tenant = await own.tenant();
    const by = (method: string, path: string, body: unknown) => send(method, path, body, {}, own);
    await by("POST", monitoring(), { name: "web" });
    await by("POST", alertmanager(), { ruleFiles: { a: "" } });
    await by("POST", silences(), { ...silence(), endsAt: "2099-01-01T00:00:00Z" });
    expect((await checkTable(own.services)).contradictions).toEqual([]);
    const removal = new Transaction().delete("tenant", observabilityTenantKey(tenant.slug, "web"));
    expect(await commit(own.table, removal, deadlineIn())).toEqual([]);
    const where = (await checkTable(own.services)).contradictions.map((each) => each.where);
    expect(where.toSorted()).toEqual([
      `item OBSERVABILITY#${tenant.slug}#web ALERTMANAGER`,
      `item OBSERVABILITY#${tenant.slug}#web SILENCES`,
      `organisation ${tenant.slug}: totals`,
    ]);
  });
});
