import { randomUUID } from "node:crypto";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { setMember } from "#core/admin/members.ts";
import { cloudProfiles } from "#core/catalogue/index.ts";
import { memberEntity } from "#core/tenancy/member.ts";
import { regenerateClientTokens } from "#test/support/faults.ts";
import { clustersOf, eventsOf, expectInvariants, organisationEventsOf } from "#test/support/invariants.ts";
import { makeWorld, type RequestOptions, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

const START = Date.parse("2026-11-23T10:00:00.123Z");
const HOUR = 60 * 60 * 1_000;

let now = START;
let world: World;
let tenant: Tenant;
let key: string;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(now) });
});

beforeEach(async () => {
  now = START;
  tenant = await world.tenant();
  key = randomUUID();
});

afterEach(() => {
  Object.assign(world.wire, { conflicts: false, latencyMs: 0, fault: () => undefined });
});

const at = (environment = "production", ...rest: string[]) => [tenant.path(environment), ...rest].join("/");
const POOL = { name: "web", nodeSize: "t3.medium" };

/** Sends a POST with the idempotency key. */
const post = (path: string, body: unknown, more: RequestOptions = {}, by: World = world) =>
  by.send("POST", path, {
    token: tenant.admin,
    body,
    ...more,
    headers: { "idempotency-key": key, ...more.headers },
  });
const create = (more: RequestOptions = {}, body: Record<string, unknown> = {}) =>
  post(at(), tenant.creation(body), more);
const summarize = ({ status, body, headers }: TestResponse) => ({
  status,
  body,
  etag: headers.get("etag"),
  location: headers.get("location"),
});
const isReplayed = ({ headers }: TestResponse) => headers.get("idempotency-replayed");
const count = async () => (await clustersOf(world.services, tenant.slug)).length;

/** Identity of the cluster that an operation needs. */
let prepared: string;

const OPERATIONS: [string, () => string, unknown][] = [
  ["the creation of a cluster", () => at(), undefined],
  ["a move", () => tenant.path("one/move"), { currentEnvironment: "production", newEnvironment: "staging" }],
  ["the inheritance of Prometheus rules", () => at("production", "one", "prometheus-rules-inheritance"), false],
  [
    "the request of an upgrade",
    () => `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`,
    () => ({ clusterIdentity: prepared, version: "v1.35.0-u-ame.1" }),
  ],
  ["the creation of a pool", () => at("production", "one", "pools"), POOL],
  [
    "the addition of a member",
    () => `/api/v1/organisations/${tenant.slug}/members`,
    { email: "eve@example.com", role: "admin" },
  ],
  ["the creation of an environment", () => `/api/v1/orgs/${tenant.slug}/environments`, { name: "spare" }],
  ["the creation of an observability tenant", () => `/api/v1/orgs/${tenant.slug}/monitoring`, { name: "spare" }],
  [
    "the replacement of an Alertmanager configuration",
    () => `/api/v1/orgs/${tenant.slug}/monitoring/web/alertmanager`,
    { ruleFiles: { "a.yaml": "a: b" } },
  ],
  [
    "the creation of a silence",
    () => `/api/v1/orgs/${tenant.slug}/observability/web/silences`,
    { comment: "c", endsAt: "2099-01-01T00:00:00Z", matchers: [{ name: "a", value: "b" }] },
  ],
  [
    "the creation of a maintenance schedule",
    () => `/api/v1/organisations/${tenant.slug}/maintenance-schedule`,
    { name: "spare" },
  ],
  [
    "the creation of a cloud account",
    () => `/api/v1/orgs/${tenant.slug}/cloud-accounts`,
    { displayName: "spare", cloudProfile: cloudProfiles[0]?.identity },
  ],
  [
    "the creation of credentials",
    () => `/api/v1/orgs/${tenant.slug}/cloud-accounts/${tenant.account.identity}/credentials/aws`,
    { displayName: "spare", credentials: { accessKeyId: "id of retries", accessKeySecret: "secret of retries" } },
  ],
];

/** Returns all events of the tenant and of its only cluster. */
async function eventsOfTenant() {
  const [cluster] = await clustersOf(world.services, tenant.slug);
  const own = cluster === undefined ? [] : await eventsOf(world.services, cluster.identity);
  return [...own, ...(await organisationEventsOf(world.services, tenant.slug))];
}

describe.each(OPERATIONS)("a retry of %s", (name, path, body) => {
  const isCreation = name === "the creation of a cluster";
  const sent = () => (isCreation ? tenant.creation() : typeof body === "function" ? body() : body);
  const prepare = async () => {
    if (isCreation) return;
    prepared = (await world.send("POST", at(), { token: tenant.admin, body: tenant.creation() })).body.identity;
    const body = { name: "web" };
    await world.send("POST", `/api/v1/orgs/${tenant.slug}/monitoring`, { token: tenant.admin, body });
  };

  test.runIf(isCreation)("a retry returns the first response's warnings", async () => {
    const first = await post(path(), { ...tenant.creation(), odd: 1 });
    expect(first.headers.get("warning")).toContain("odd");
    const repeat = await post(path(), { ...tenant.creation(), odd: 1 });
    expect([isReplayed(repeat), repeat.headers.get("warning")]).toEqual(["true", first.headers.get("warning")]);
  });

  test("a retry returns the first response, and changes nothing", async () => {
    await prepare();
    const first = await post(path(), sent());
    expect(first.status, first.text).toBe(200);
    expect(isReplayed(first)).toBeNull();
    expect(first.headers.get("etag")).not.toBeNull();
    now += 24 * HOUR - 2_000;
    const [cluster] = await clustersOf(world.services, tenant.slug);
    const events = await eventsOfTenant();
    const second = await post(path(), sent());
    expect(summarize(second)).toEqual(summarize(first));
    expect(isReplayed(second)).toBe("true");
    expect(await eventsOfTenant()).toEqual(events);
    expect(await clustersOf(world.services, tenant.slug)).toEqual([cluster]);
    await expectInvariants(world.services, tenant.slug);
  });

  test.each([1, 4])("a request that is sent ten times concurrently to %i processes happens once", async (servers) => {
    await prepare();
    const before = await eventsOfTenant();
    const processes = Array.from({ length: servers }, () => world.sibling());
    for (const { wire } of processes) Object.assign(wire, { conflicts: true, latencyMs: 5 });
    const responses = await Promise.all(
      Array.from({ length: 10 }, (_, number) => post(path(), sent(), {}, processes[number % servers])),
    );
    const [first] = responses.filter((response) => isReplayed(response) === null);
    expect(responses.map(({ status, text }) => (status === 200 ? 200 : text))).toEqual(Array(10).fill(200));
    expect(responses.map((response) => isReplayed(response)).toSorted()).toEqual(
      [null, ...Array(9).fill("true")].toSorted(),
    );
    for (const response of responses)
      expect(summarize(response)).toEqual(first === undefined ? undefined : summarize(first));
    expect(first?.status).toBe(200);
    expect(await clustersOf(world.services, tenant.slug)).toHaveLength(1);
    expect(await eventsOfTenant()).toHaveLength(before.length + 1);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a retry after a lost response returns the first response, also when the database forgot the transaction", async () => {
    await prepare();
    const forgetful = world.sibling();
    let attempts = 0;
    forgetful.wire.fault = ({ operation }) =>
      operation === "TransactWriteItems" && ++attempts === 1 ? "after" : undefined;
    regenerateClientTokens(forgetful.table);
    const response = await post(path(), sent(), {}, forgetful);
    expect([attempts, response.status], response.text).toEqual([2, 200]);
    expect(summarize(await post(path(), sent()))).toEqual(summarize(response));
    await expectInvariants(world.services, tenant.slug);
  });
});

test("a retry returns the first response when the first request commits between the retry's reads", async () => {
  await world.send("POST", at(), { token: tenant.admin, body: tenant.creation() });
  const path = at("production", "one", "pools");
  const slow = world.sibling();
  let reached = () => {};
  let goOn = () => {};
  const hasReached = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const mayGoOn = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  // The cluster is read together with the stored response of the key; the query reads its pools.
  slow.table.client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        if (commandName === "QueryCommand") {
          reached();
          await mayGoOn;
        }
        return next(args);
      },
    { step: "initialize" },
  );
  const repeat = post(path, POOL, {}, slow);
  await hasReached;
  const first = await post(path, POOL);
  goOn();
  expect([first.status, isReplayed(first)]).toEqual([200, null]);
  expect(summarize(await repeat)).toEqual(summarize(first));
});

describe("an idempotency key", () => {
  test.each<[string, () => Promise<TestResponse>]>([
    ["body", () => create({}, { name: "two" })],
    ["body with the same meaning", () => create({ raw: JSON.stringify(tenant.creation(), null, 1) })],
    ["path", () => post(at("staging"), tenant.creation())],
    ["query", () => post(`${at()}?x=1`, tenant.creation())],
    ["organisation's path", () => post(tenant.path("one/move"), tenant.creation())],
    [
      "method",
      () =>
        world.send("PATCH", at("production", "one"), {
          token: tenant.admin,
          body: { cni: "calico" },
          headers: { "idempotency-key": key },
        }),
    ],
  ])("an idempotency key with another %s is refused", async (_, send) => {
    const first = await create();
    expect(first.status, first.text).toBe(200);
    const response = await send();
    expect(response.status, response.text).toBe(422);
    expect(response.body.message).toContain("Idempotency-Key");
    expect(isReplayed(response)).toBeNull();
    expect(await count()).toBe(1);
  });

  test("an idempotency key can be reused after 24 hours, also for another request", async () => {
    await create();
    now += 24 * HOUR;
    const again = await create();
    expect([again.status, again.body.message]).toEqual([409, expect.stringContaining('"one"')]);
    const other = await create({}, { name: "two" });
    expect([other.status, isReplayed(other)]).toEqual([200, null]);
    now += 23 * HOUR;
    const replay = await create({}, { name: "two" });
    expect([summarize(replay), isReplayed(replay)]).toEqual([summarize(other), "true"]);
    expect(await count()).toBe(2);
  });

  test("an idempotency key is not consumed by a failed request", async () => {
    expect((await create({}, { cni: "nonsense" })).status).toBe(400);
    expect((await create({ token: (await tenant.person("viewer")).token })).status).toBe(403);
    await world.send("POST", at(), { token: tenant.admin, body: tenant.creation() });
    expect((await create()).status).toBe(409);
    const response = await create({}, { name: "two" });
    expect([response.status, isReplayed(response)]).toEqual([200, null]);
  });

  test("the response of a request that changed nothing is stored too, and later changes do not affect the retry", async () => {
    await world.send("POST", at(), { token: tenant.admin, body: tenant.creation() });
    const path = at("production", "one", "prometheus-rules-inheritance");
    const first = await post(path, true);
    expect([first.status, isReplayed(first)]).toEqual([200, null]);
    expect((await world.send("POST", path, { token: tenant.admin, body: false })).status).toBe(200);
    const repeat = await post(path, true);
    expect([summarize(repeat), isReplayed(repeat)]).toEqual([summarize(first), "true"]);
    const { body } = await world.send("GET", at("production", "one"), { token: tenant.admin });
    expect(body.environmentPrometheusRules).toBe(false);
  });

  test("a dry run neither consumes an idempotency key nor returns a stored response", async () => {
    const dry = await post(`${at()}?dryRun=true`, tenant.creation());
    expect(dry.status).toBe(200);
    const first = await create();
    expect([first.status, isReplayed(first)]).toEqual([200, null]);
    const again = await post(`${at()}?dryRun=true`, tenant.creation());
    expect([again.status, isReplayed(again)]).toEqual([409, null]);
  });

  test("an idempotency key belongs to one token", async () => {
    const first = await create();
    const { token } = await tenant.person("admin");
    expect((await create({ token })).status).toBe(409);
    const other = await create({ token }, { name: "two" });
    expect([other.status, isReplayed(other)]).toEqual([200, null]);
    expect(summarize(await create())).toEqual(summarize(first));
  });

  test("a retry returns the first response after the cluster was deleted and its slug reused", async () => {
    const first = await create();
    await world.send("PATCH", at("production", "one"), { token: tenant.admin, body: { status: "deleting" } });
    await world.send("POST", at(), { token: tenant.admin, body: tenant.creation() });
    const repeat = await create();
    expect([summarize(repeat), isReplayed(repeat)]).toEqual([summarize(first), "true"]);
    expect(await count()).toBe(2);
  });

  test("a retry is refused without the required role, and while the environment does not exist", async () => {
    const { token, user } = await tenant.person("developer");
    expect((await create({ token })).status).toBe(200);
    const members = await world.table.query({ pk: `ORG#${tenant.slug}`, prefix: `MEMBER#${user}` });
    const emails = members.map((item) => memberEntity.read(item).email);
    expect(emails).toHaveLength(1);
    await setMember(world.services, tenant.slug, { email: emails[0], role: "viewer" });
    const refused = await create({ token });
    expect([refused.status, isReplayed(refused)]).toEqual([403, null]);
  });

  test.each([
    ["an empty text", ""],
    ["256 characters", "x".repeat(256)],
    ["not ASCII", "clé"],
    ["a tab", "a\tb"],
  ])("the idempotency key %s is refused", async (_, wrong) => {
    key = wrong;
    const response = await create();
    expect([response.status, response.body.details]).toEqual([400, [expect.stringContaining("Idempotency-Key")]]);
    expect(await count()).toBe(0);
  });

  test.each([["x".repeat(255)], ["a key: with, everything! ~"]])("the idempotency key %s is accepted", async (good) => {
    key = good;
    expect((await create()).status).toBe(200);
    expect(isReplayed(await create())).toBe("true");
  });
});
