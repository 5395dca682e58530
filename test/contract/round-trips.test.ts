import { beforeAll, describe, expect, test } from "vitest";
import { finishDeletion } from "#test/support/deletion.ts";
import { roundTripsOf } from "#test/support/faults.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;
let nodePool: number;
let cluster: string;
let upgrade: string;
const upgrades = (...rest: string[]) => [`/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`, ...rest].join("/");
/** Id of a silence of the observability tenant "web". */
let silence: string;
let person: string;
let token: string;

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  for (let number = 0; number < 40; number++) {
    const nodePools = number === 0 ? [{ name: "web", nodeSize: "t3.medium" }] : [];
    await world.send("POST", tenant.path(number % 2 === 0 ? "production" : "staging"), {
      token: tenant.admin,
      body: tenant.creation({ name: `c${number}`, nodePools }),
    });
  }
  const pools = await world.send("GET", `${tenant.path("production", "c0")}/pools`, { token: tenant.admin });
  nodePool = pools.body[0].id;
  cluster = (await world.send("GET", tenant.path("production", "c6"), { token: tenant.admin })).body.identity;
  const body = { clusterIdentity: cluster, version: "v1.35.1-u-ame.1" };
  upgrade = (await world.send("POST", upgrades(), { token: tenant.admin, body })).body.identity;
  const organisation = `/api/v1/orgs/${tenant.slug}`;
  await world.send("POST", `${organisation}/monitoring`, { token: tenant.admin, body: { name: "web" } });
  const silenced = { comment: "c", endsAt: "2099-01-01T00:00:00Z", matchers: [{ name: "a", value: "b" }] };
  const made = await world.send("POST", `${organisation}/observability/web/silences`, {
    token: tenant.admin,
    body: silenced,
  });
  silence = made.body.id;
  person = (await tenant.person("viewer")).user;
  token = (await world.send("POST", "/api/v1/tokens", { token: tenant.admin, body: { name: "own" } })).body.identity;
  // Parallel calls must overlap reliably, so that the test can distinguish them from sequential calls.
  world.wire.latencyMs = 15;
});

/** Sends a request and counts its database round trips. */
async function costOf(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  world.wire.spans.length = 0;
  const { status, text } = await world.send(method, path, { token: tenant.admin, body, headers });
  return { status, text, roundTrips: roundTripsOf(world.wire.spans), calls: world.wire.spans.length };
}

describe("sequential database round trips per request", () => {
  const budgets: [name: string, path: () => string, roundTrips: number][] = [
    ["a cluster", () => tenant.path("production", "c0"), 1],
    ["a cluster with details", () => `${tenant.path("production", "c0")}?includeDetails=true`, 2],
    ["a cluster with compute", () => `${tenant.path("production", "c0")}?show-compute=true`, 1],
    ["node pools", () => `${tenant.path("production", "c0")}/pools`, 2],
    ["a node pool", () => `${tenant.path("production", "c0")}/pools/${nodePool}`, 2],
    ["a cluster's events", () => `${tenant.path("production", "c0")}/events`, 2],
    ["an environment", () => `/api/v1/orgs/${tenant.slug}/environments/production`, 1],
    [
      "credentials",
      () => {
        const { identity, primaryCloudCredentialsIdentity } = tenant.account;
        return `/api/v1/orgs/${tenant.slug}/cloud-accounts/${identity}/credentials/${primaryCloudCredentialsIdentity}`;
      },
      1,
    ],
    ["environments", () => `/api/v1/orgs/${tenant.slug}/environments`, 1],
    ["observability tenants", () => `/api/v1/orgs/${tenant.slug}/monitoring`, 1],
    ["an observability tenant", () => `/api/v1/orgs/${tenant.slug}/monitoring/web`, 1],
    ["an Alertmanager configuration", () => `/api/v1/orgs/${tenant.slug}/monitoring/web/alertmanager`, 1],
    ["silences", () => `/api/v1/orgs/${tenant.slug}/observability/web/silences`, 1],
    ["alerts", () => `/api/v1/orgs/${tenant.slug}/alerts`, 1],
    ["alerts of a tenant", () => `/api/v1/orgs/${tenant.slug}/alerts/web`, 1],
    ["the caller's membership", () => `/api/v1/organisations/${tenant.slug}/me`, 1],
    ["a member", () => `/api/v1/organisations/${tenant.slug}/members/${person}`, 1],
    ["members", () => `/api/v1/organisations/${tenant.slug}/members`, 1],
    ["members of an environment", () => `/api/v1/orgs/${tenant.slug}/environments/production/members`, 1],
    ["the caller's tokens", () => "/api/v1/tokens", 2],
    ["an organisation's events", () => `/api/v1/organisations/${tenant.slug}/events`, 1],
    ["a scheduled upgrade", () => upgrades(upgrade), 1],
    ["a page of scheduled upgrades", () => `${upgrades()}?statuses=REQUESTED`, 1],
    ["a page of an organisation", () => `${tenant.path()}?pageSize=7&pageNumber=3`, 2],
    ["a page of an organisation, descending", () => `${tenant.path()}?pageSize=7&pageNumber=3&sortDirection=DESC`, 2],
    ["a full page of an environment", () => `${tenant.path("production")}?pageSize=1000`, 2],
    ["a page with compute and details", () => `${tenant.path()}?show-compute=true&includeDetails=true`, 3],
  ];

  test.each(budgets)("reading %s makes the expected number of round trips", async (_, path, roundTrips) => {
    const cost = await costOf("GET", path());
    expect(cost.status, cost.text).toBe(200);
    expect(cost.roundTrips).toBe(roundTrips);
  });

  test("creating a cluster makes two round trips", async () => {
    const cost = await costOf("POST", tenant.path("production"), tenant.creation({ name: "new" }));
    expect(cost.status, cost.text).toBe(200);
    expect(cost.roundTrips).toBe(2);
    expect(cost.calls).toBeLessThanOrEqual(4);
  });

  const MOVE = { currentEnvironment: "staging", newEnvironment: "production" };
  const NEW = { name: "new", nodeSize: "t3.medium" };
  const KEY = { "idempotency-key": "once" };
  const KEY_2 = { "idempotency-key": "once for environments" };
  const NEWER = { version: "v1.35.1-u-ame.1" };
  const writes: [
    name: string,
    method: string,
    path: () => string,
    body: unknown,
    roundTrips: number,
    headers?: object,
  ][] = [
    ["changing a cluster", "PATCH", () => tenant.path("production", "c0"), { enableAutoUpgrade: true }, 2],
    ["changing its version, which reads its node pools", "PATCH", () => tenant.path("production", "c0"), NEWER, 3],
    [
      "changing it to its present values",
      "PATCH",
      () => tenant.path("production", "c0"),
      { enableAutoUpgrade: true },
      1,
    ],
    ["changing rules", "POST", () => `${tenant.path("production", "c0")}/prometheus-rules-inheritance`, false, 2],
    ["moving a cluster by PATCH", "PATCH", () => tenant.path("production", "c2"), { environmentSlug: "staging" }, 2],
    ["moving a cluster by POST", "POST", () => tenant.path("c1", "move"), MOVE, 2],
    ["requesting a deletion", "PATCH", () => tenant.path("production", "c4"), { status: "deleting" }, 2],
    ["creating a node pool", "POST", () => `${tenant.path("production", "c0")}/pools`, NEW, 3, KEY],
    [
      "repeating the creation with the same idempotency key",
      "POST",
      () => `${tenant.path("production", "c0")}/pools`,
      NEW,
      1,
      KEY,
    ],
    ["changing a pool", "PUT", () => `${tenant.path("production", "c0")}/pools/${nodePool}`, { minSize: 3 }, 3],
    ["cancelling a scheduled upgrade", "DELETE", () => upgrades(upgrade), undefined, 2],
    [
      "requesting an upgrade, which reads the cluster of an identity",
      "POST",
      upgrades,
      () => ({ clusterIdentity: cluster, version: "v1.35.1-u-ame.1" }),
      3,
    ],
    ["removing a pool", "DELETE", () => `${tenant.path("production", "c0")}/pools/${nodePool}`, undefined, 3],
  ];

  const MEMBERS = () => `/api/v1/organisations/${tenant.slug}/members`;
  const IN_ENVIRONMENT = () => `/api/v1/orgs/${tenant.slug}/environments/staging/members/${person}`;
  const TOKEN = { name: "another" };
  const EVE = { email: "eve@example.com", role: "admin" };
  writes.push(
    ["adding a member", "POST", MEMBERS, EVE, 2, { "idempotency-key": "once for members" }],
    ["repeating the addition of a member", "POST", MEMBERS, EVE, 1, { "idempotency-key": "once for members" }],
    ["making a member an admin", "PATCH", () => `${MEMBERS()}/${person}`, { role: "admin" }, 2],
    ["changing a member to the present values", "PATCH", () => `${MEMBERS()}/${person}`, { role: "admin" }, 1],
    ["setting roles in an environment", "POST", IN_ENVIRONMENT, { role: "none" }, 2],
    ["removing roles in an environment", "DELETE", IN_ENVIRONMENT, undefined, 2],
    ["removing a member", "DELETE", () => `${MEMBERS()}/${person}`, undefined, 2],
    ["creating a token", "POST", () => "/api/v1/tokens", TOKEN, 2, { "idempotency-key": "once for tokens" }],
    ["deleting a token", "DELETE", () => `/api/v1/tokens/${token}`, undefined, 2],
  );

  const SPARE = () => `/api/v1/orgs/${tenant.slug}/environments/spare`;
  writes.push(
    ["creating an environment", "POST", () => `/api/v1/orgs/${tenant.slug}/environments`, { name: "spare" }, 2, KEY_2],
    [
      "repeating the creation of an environment with the same idempotency key",
      "POST",
      () => `/api/v1/orgs/${tenant.slug}/environments`,
      { name: "spare" },
      1,
      KEY_2,
    ],
    ["changing an environment", "PATCH", SPARE, { purpose: "tests" }, 2],
    ["changing an environment to its present values", "PATCH", SPARE, { purpose: "tests" }, 1],
    ["deleting an environment", "DELETE", SPARE, undefined, 2],
  );

  const TENANTS = () => `/api/v1/orgs/${tenant.slug}/monitoring`;
  const CONFIGURATION = () => `${TENANTS()}/web/alertmanager`;
  const SILENCES = () => `/api/v1/orgs/${tenant.slug}/observability/web/silences`;
  const SILENCE = { comment: "c", endsAt: "2099-01-01T00:00:00Z", matchers: [{ name: "a", value: "b" }] };
  const RULES = { ruleFiles: { "a.yaml": "groups: []" } };
  writes.push(
    ["creating an observability tenant", "POST", TENANTS, { name: "other" }, 2],
    ["changing an observability tenant", "PATCH", () => `${TENANTS()}/other`, { name: "Other" }, 2],
    ["deleting an observability tenant", "DELETE", () => `${TENANTS()}/other`, undefined, 2],
    ["replacing an Alertmanager configuration", "POST", CONFIGURATION, RULES, 2, { "idempotency-key": "rules" }],
    ["replacing an Alertmanager configuration by itself", "POST", CONFIGURATION, RULES, 1],
    ["creating a silence", "POST", SILENCES, SILENCE, 2],
    ["expiring a silence", "DELETE", () => `${SILENCES()}/${silence}`, undefined, 2],
    ["expiring an expired silence", "DELETE", () => `${SILENCES()}/${silence}`, undefined, 1],
  );

  const SCHEDULES = () => `/api/v1/organisations/${tenant.slug}/maintenance-schedule`;
  const ACCOUNTS = () => `/api/v1/orgs/${tenant.slug}/cloud-accounts`;
  const ACCOUNT = () => `${ACCOUNTS()}/${tenant.account.identity}`;
  const CREDENTIALS = () => `${ACCOUNT()}/credentials/${tenant.account.primaryCloudCredentialsIdentity}`;
  const SECRETS = { credentials: { accessKeyId: "id of round trips", accessKeySecret: "secret of round trips" } };
  const PROFILE = "341fed3e-efef-44e9-b347-5bc1d078810f";
  writes.push(
    ["creating a schedule", "POST", SCHEDULES, { name: "nightly" }, 2],
    ["changing a schedule", "PATCH", () => `${SCHEDULES()}/${tenant.schedule.identity}`, { windows: [] }, 2],
    [
      "changing a schedule to its present values",
      "PATCH",
      () => `${SCHEDULES()}/${tenant.schedule.identity}`,
      { windows: [] },
      1,
    ],
    ["deleting a schedule", "DELETE", () => `${SCHEDULES()}/${tenant.schedule.identity}`, undefined, 2],
    ["creating an account", "POST", ACCOUNTS, { displayName: "new", cloudProfile: PROFILE }, 2],
    ["changing an account", "PATCH", ACCOUNT, { displayName: "other" }, 2],
    ["changing an account to its present values", "PATCH", ACCOUNT, { displayName: "other", enabled: true }, 1],
    ["creating credentials", "POST", () => `${ACCOUNT()}/credentials/aws`, { displayName: "new", ...SECRETS }, 2],
    ["replacing secrets", "PUT", CREDENTIALS, SECRETS, 2],
    ["deleting credentials", "DELETE", CREDENTIALS, undefined, 2],
    ["deleting an account", "DELETE", () => `${ACCOUNTS()}/${tenant.byonAccount.identity}`, undefined, 2],
  );

  test.each(writes)(
    "%s makes the expected number of round trips",
    async (_, method, path, body, roundTrips, headers = {}) => {
      const sent = typeof body === "function" ? body() : body;
      const cost = await costOf(method, path(), sent, { ...headers });
      expect(cost.status, cost.text).toBeLessThan(205);
      expect(cost.roundTrips).toBe(roundTrips);
    },
  );

  test("creating a cluster whose bucket is full makes one more round trip, to read its keys", async () => {
    const small = await makeWorld({ pageIndex: { bucket: 2, chunk: 64 } });
    const where = await small.tenant();
    for (const name of ["a", "b"]) {
      await small.send("POST", where.path("production"), { token: where.admin, body: where.creation({ name }) });
    }
    small.wire.latencyMs = 15;
    small.wire.spans.length = 0;
    const body = where.creation({ name: "c" });
    const response = await small.send("POST", where.path("production"), { token: where.admin, body });
    expect(response.status, response.text).toBe(200);
    expect(roundTripsOf(small.wire.spans)).toBe(3);
  });

  test("undeleting a cluster makes the expected number of round trips", async () => {
    const path = tenant.path("staging", "gone");
    expect((await costOf("POST", tenant.path("staging"), tenant.creation({ name: "gone" }))).status).toBe(200);
    expect((await costOf("PATCH", path, { status: "deleting" })).status).toBe(200);
    await finishDeletion(world.services, tenant.slug, "staging", "gone");
    const cost = await costOf("POST", `${path}/undelete`, {});
    expect(cost.status, cost.text).toBe(200);
    expect(cost.roundTrips).toBe(2);
    expect(cost.calls).toBeLessThanOrEqual(5);
  });

  test("a request with an invalid token makes the expected number of round trips", async () => {
    const stranger = await makeWorld();
    const other = await stranger.tenant();
    world.wire.spans.length = 0;
    const response = await world.send("GET", tenant.path("production", "c0"), { token: other.admin });
    expect(response.status).toBe(401);
    expect(roundTripsOf(world.wire.spans)).toBe(1);
    world.wire.spans.length = 0;
    expect((await world.send("GET", tenant.path("production", "c0"), { token: "ame_nothing" })).status).toBe(401);
    expect(world.wire.spans).toEqual([]);
  });
});

test("no request scans the table", async () => {
  world.wire.spans.length = 0;
  await world.send("GET", tenant.path(), { token: tenant.admin });
  await world.send("GET", tenant.path("production"), { token: tenant.admin });
  expect(new Set(world.wire.spans.map(({ operation }) => operation))).toEqual(new Set(["BatchGetItem", "Query"]));
});
