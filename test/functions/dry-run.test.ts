import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Cluster } from "#core/cluster/entity.ts";
import { clusterItem } from "#core/cluster/store/items.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import type { WireItem } from "#core/table/dynamodb-json.ts";
import { type Key, keyText, totalKey } from "#core/table/keys.ts";
import { BATCH_WRITE_ITEMS, batchWrite, scanRaw } from "#core/table/raw-scan.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { clustersOf } from "#test/support/invariants.ts";
import { tenantCopy } from "#test/support/tenants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;
/** Returns the pools of the cluster "one". */
let web: Json;
let jobs: Json;
/** Identity of the cluster "one", and of its scheduled upgrade. */
let cluster: string;
let upgrade: string;
const upgrades = (...rest: string[]) => [`/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`, ...rest].join("/");
/** Member with another role in production. */
let person: string;
/** The only admin. */
let admin: string;
let personEmail: string;

const at = (environment = "production", ...rest: string[]) => [tenant.path(environment, "one"), ...rest].join("/");
const environments = (...rest: string[]) => [`/api/v1/orgs/${tenant.slug}/environments`, ...rest].join("/");
const members = (...rest: string[]) => [`/api/v1/organisations/${tenant.slug}/members`, ...rest].join("/");
const schedules = (...rest: string[]) =>
  [`/api/v1/organisations/${tenant.slug}/maintenance-schedule`, ...rest].join("/");
const accounts = (...rest: string[]) => [`/api/v1/orgs/${tenant.slug}/cloud-accounts`, ...rest].join("/");
const credentials = () =>
  accounts(tenant.account.identity, "credentials", tenant.account.primaryCloudCredentialsIdentity ?? "");
const KEYS = { accessKeyId: "id of dry runs", accessKeySecret: "secret of dry runs" };
const send = (method: string, path: string, body?: unknown, token = tenant.admin) =>
  world.send(method, path, { token, body });
const monitoring = (...rest: string[]) => [`/api/v1/orgs/${tenant.slug}/monitoring`, ...rest].join("/");
const silences = (...rest: string[]) => [`/api/v1/orgs/${tenant.slug}/observability/web/silences`, ...rest].join("/");
const SILENCE = {
  comment: "c",
  startsAt: "2098-01-01T00:00:00Z",
  endsAt: "2099-01-01T00:00:00Z",
  matchers: [{ name: "a", value: "b" }],
};
let silence: string;
/** Sends the same request as a dry run. */
const rehearse = (method: string, path: string, body?: unknown, token = tenant.admin) =>
  send(method, `${path}?dryRun=true`, body, token);

/** Items of the organisation before each test. */
let items: WireItem[];

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  const nodePools = [
    { name: "web", nodeSize: "t3.medium", minSize: 3 },
    { name: "jobs", nodeSize: "t3.medium", minSize: 2, upgradeStrategy: "REPLACE_MINOR_INPLACE_PATCH" },
    { name: "still", nodeSize: "t3.medium", upgradeStrategy: "INPLACE" },
  ];
  const made = await send("POST", tenant.path("production"), tenant.creation({ nodePools }));
  expect(made.status).toBe(200);
  cluster = made.body.identity;
  upgrade = (await send("POST", upgrades(), UPGRADE())).body.identity;
  expect((await send("POST", monitoring(), { name: "web" })).status).toBe(200);
  silence = (await send("POST", silences(), SILENCE)).body.id;
  person = (await tenant.person("viewer", { production: "developer" })).user;
  personEmail = (await send("GET", members(person))).body.email.email;
  admin = (await send("GET", `/api/v1/organisations/${tenant.slug}/me`)).body.memberIdentity;
  [web, jobs] = (await send("GET", at("production", "pools"))).body;
  items = [];
  for await (const item of scanRaw(world.table)) items.push(item);
});

beforeEach(async () => {
  // A table of its own for each test, because each reads all of its items.
  world = await makeWorld();
  for (let start = 0; start < items.length; start += BATCH_WRITE_ITEMS) {
    await batchWrite(world.table, items.slice(start, start + BATCH_WRITE_ITEMS));
  }
  tenant = tenantCopy(world.services, tenant);
});

/** Returns all items of the table, because a write can change any of them. */
async function everything(): Promise<Map<string, unknown>> {
  const items = new Map<string, unknown>();
  for await (const item of world.table.scan()) items.set(keyText(item as Key), item);
  return items;
}

/** Sets the cluster "one" to a state that only the reconciler sets. */
async function bring(state: Partial<Cluster>): Promise<void> {
  const [cluster] = await clustersOf(world.services, tenant.slug);
  if (cluster === undefined) throw new Error("cluster not found");
  const item = clusterItem({ ...cluster, ...state, revision: cluster.revision + 1 });
  expect(await commit(world.table, new Transaction().put("cluster", item), deadlineIn())).toEqual([]);
}

const UPGRADE = () => ({ clusterIdentity: cluster, version: "v1.35.0-u-ame.1" });
const moving = { currentEnvironment: "production", newEnvironment: "staging" };
/** Every write, with its request and the response properties that the server generates. */
const WRITES: [string, () => [method: string, path: string, body?: unknown], string[]][] = [
  [
    "creation",
    () => ["POST", tenant.path("staging"), tenant.creation({ nodePools: [{ name: "a", nodeSize: "t3.medium" }] })],
    ["identity", "createdAt", "modifiedAt"],
  ],
  ["change", () => ["PATCH", at(), { cni: "calico", version: "v1.35.0-u-ame.1" }], ["modifiedAt"]],
  ["move by PATCH", () => ["PATCH", at(), { environmentSlug: "staging" }], ["modifiedAt"]],
  ["deletion", () => ["PATCH", at(), { status: "deleting" }], ["modifiedAt"]],
  ["move by POST", () => ["POST", tenant.path("one/move"), moving], ["modifiedAt"]],
  ["rules", () => ["POST", at("production", "prometheus-rules-inheritance"), false], []],
  [
    "new pool",
    () => ["POST", at("production", "pools"), { name: "new", nodeSize: "t3.medium", autoScaling: true, maxSize: 4 }],
    ["id", "identity", "createdAt", "modifiedAt"],
  ],
  ["changed pool", () => ["PUT", at("production", "pools", `${web.id}`), { minSize: 7 }], ["modifiedAt"]],
  ["scheduled upgrade", () => ["POST", upgrades(), UPGRADE()], ["identity", "createdAt", "modifiedAt"]],
  ["cancelled upgrade", () => ["DELETE", upgrades(upgrade)], ["modifiedAt"]],
  ["removed pool", () => ["DELETE", at("production", "pools", `${web.id}`)], []],
  [
    "new environment",
    () => ["POST", environments(), { name: "New & Spare", type: "demo" }],
    ["id", "identity", "createdAt", "modifiedAt"],
  ],
  ["changed environment", () => ["PATCH", environments("production"), { name: "Other" }], ["modifiedAt"]],
  [
    "new member",
    () => ["POST", members(), { email: "eve@example.com", role: "admin", username: "Eve" }],
    ["memberIdentity", "createdAt", "modifiedAt"],
  ],
  ["changed member", () => ["PATCH", members(person), { role: "admin", username: "Bob" }], ["modifiedAt"]],
  ["removed member", () => ["DELETE", members(person)], []],
  [
    "member's role in an environment",
    () => ["POST", environments("staging", "members", person), { role: "none", kubernetesRole: "edit" }],
    ["modifiedAt"],
  ],
  ["removal of a member's role in an environment", () => ["DELETE", environments("production", "members", person)], []],
  ["deleted environment", () => ["DELETE", environments("staging")], []],
  [
    "new observability tenant",
    () => ["POST", monitoring(), { name: "New & Spare", ipWhiteList: "192.0.2.0/24" }],
    ["id", "identity", "createdAt", "modifiedAt"],
  ],
  ["changed observability tenant", () => ["PATCH", monitoring("web"), { name: "Other" }], ["modifiedAt"]],
  ["deleted observability tenant", () => ["DELETE", monitoring("web")], []],
  [
    "replaced configuration",
    () => ["POST", monitoring("web", "alertmanager"), { ruleFiles: { "a.yaml": "a: b" } }],
    [],
  ],
  ["new silence", () => ["POST", silences(), SILENCE], ["id"]],
  ["expired silence", () => ["DELETE", silences(silence)], []],
  ["new schedule", () => ["POST", schedules(), { name: "nightly" }], ["identity"]],
  ["changed schedule", () => ["PATCH", schedules(tenant.schedule.identity), { name: "other", windows: [] }], []],
  ["deleted schedule", () => ["DELETE", schedules(tenant.schedule.identity)], []],
  [
    "new cloud account",
    () => ["POST", accounts(), { displayName: "New", cloudProfile: tenant.account.cloudProfile }],
    ["identity"],
  ],
  ["changed cloud account", () => ["PATCH", accounts(tenant.account.identity), { enabled: false }], []],
  ["deleted cloud account", () => ["DELETE", accounts(tenant.byonAccount.identity)], []],
  [
    "new credentials",
    () => ["POST", accounts(tenant.account.identity, "credentials", "aws"), { displayName: "New", credentials: KEYS }],
    ["identity", "createdAt"],
  ],
  ["changed credentials", () => ["PUT", credentials(), { credentials: KEYS }], []],
  ["deleted credentials", () => ["DELETE", credentials()], []],
];

describe.each(WRITES)("a dry run of a %s", (name, request, drawn) => {
  const without = (body: Json) =>
    Object.fromEntries(
      Object.entries(body ?? {}).flatMap(([property, value]) => {
        if (drawn.includes(property)) return [];
        // The transition time of a condition is the time of the request.
        const timeless = (condition: Json) => ({ ...condition, lastTransitionTime: undefined });
        return [[property, property === "conditions" ? (value as Json[]).map(timeless) : value]];
      }),
    );

  test("a dry run returns the response of the write, and changes nothing", async () => {
    const before = await everything();
    const dry = await rehearse(...request());
    expect(dry.status, dry.text).toBe(200);
    expect(await everything()).toEqual(before);
    expect([dry.headers.get("location"), dry.headers.get("etag")]).toEqual([null, null]);
    const { consequences, ...rest } = dry.body;
    expect(Array.isArray(consequences)).toBe(true);
    const real = await send(...request());
    expect(real.status, real.text).toBe(request()[0] === "DELETE" && name !== "cancelled upgrade" ? 204 : 200);
    expect(without(rest)).toEqual(without(real.body));
    expect(await everything()).not.toEqual(before);
  });

  test("a dry run requires the same role, and refuses an unknown token, a bad flag and an unknown cluster", async () => {
    const [method, path, body] = request();
    const { token } = await tenant.person("viewer");
    expect((await rehearse(method, path, body, token)).status).toBe(403);
    expect((await rehearse(method, path, body, "nonsense")).status).toBe(401);
    const before = await everything();
    for (const query of ["dryRun=1", "dryRun=", "dryRun=true&dryRun=true", "dryRun=true&dryRun=false"]) {
      const response = await send(method, `${path}?${query}`, body);
      expect([query, response.status, response.body.message]).toEqual([query, 400, expect.stringContaining("dryRun")]);
    }
    expect(await everything()).toEqual(before);
    expect((await send(method, `${path}?dryRun=false`, body)).status).toBe(
      request()[0] === "DELETE" && name !== "cancelled upgrade" ? 204 : 200,
    );
    expect(await everything()).not.toEqual(before);
  });
});

test.each(WRITES.filter(([, , drawn]) => drawn.includes("identity")))(
  "a dry run of a %s shows no generated values",
  async (_, request, drawn) => {
    const { body } = await rehearse(...request());
    expect(body.name ?? body.displayName ?? body.toClusterVersion).toBeDefined();
    expect(drawn.filter((property) => Object.hasOwn(body, property))).toEqual([]);
  },
);

describe("dry runs of invalid requests", () => {
  const refusals: [string, number, () => [method: string, path: string, body?: unknown]][] = [
    ["a taken slug", 409, () => ["POST", tenant.path("production"), tenant.creation()]],
    ["too many pools", 409, () => ["POST", tenant.path("staging"), tenant.creation({ nodePools: pools(51) })]],
    ["a malformed creation", 400, () => ["POST", tenant.path("staging"), { cni: "x" }]],
    ["another state", 409, () => ["PATCH", at(), { status: "stopping" }]],
    ["an unreachable version", 400, () => ["PATCH", at(), { version: "v1.33.4-u-ame.1" }]],
    ["an unknown environment", 400, () => ["PATCH", at(), { environmentSlug: "nowhere" }]],
    ["a missing cluster", 404, () => ["PATCH", at("staging"), {}]],
    [
      "a move from an unknown environment",
      404,
      () => ["POST", tenant.path("one/move"), { ...moving, currentEnvironment: "nowhere" }],
    ],
    ["a move of a missing cluster", 404, () => ["POST", tenant.path("two/move"), moving]],
    ["invalid rules", 400, () => ["POST", at("production", "prometheus-rules-inheritance"), 7]],
    [
      "an upgrade to the present version",
      400,
      () => ["POST", upgrades(), { ...UPGRADE(), version: "v1.34.3-u-ame.1" }],
    ],
    ["an upgrade of an unknown cluster", 400, () => ["POST", upgrades(), { ...UPGRADE(), clusterIdentity: upgrade }]],
    ["a missing upgrade", 404, () => ["DELETE", upgrades(cluster)]],
    ["a pool's taken name", 409, () => ["POST", at("production", "pools"), { name: "web", nodeSize: "t3.medium" }]],
    ["a changed pool name", 409, () => ["PUT", at("production", "pools", `${web.id}`), { name: "other" }]],
    ["a pool's sizes", 400, () => ["PUT", at("production", "pools", `${web.id}`), { minSize: 1, maxSize: 2 }]],
    ["a taken slug of an environment", 409, () => ["POST", environments(), { name: "Production" }]],
    ["a malformed environment", 400, () => ["POST", environments(), { name: "_", type: "x" }]],
    ["a malformed change of an environment", 400, () => ["PATCH", environments("staging"), { type: "x" }]],
    ["a deletion of an environment with clusters", 409, () => ["DELETE", environments("production")]],
    ["a missing environment", 404, () => ["DELETE", environments("nowhere")]],
    ["a taken slug of an observability tenant", 409, () => ["POST", monitoring(), { name: "Web" }]],
    ["a missing observability tenant", 404, () => ["DELETE", monitoring("nowhere")]],
    ["a malformed configuration", 400, () => ["POST", monitoring("web", "alertmanager"), { alertManagerConfig: "{" }]],
    ["a malformed silence", 400, () => ["POST", silences(), { ...SILENCE, comment: "" }]],
    ["a missing silence", 404, () => ["DELETE", silences(tenant.identity)]],
    ["a malformed schedule", 400, () => ["POST", schedules(), { name: "" }]],
    ["a taken name of an account", 409, () => ["PATCH", accounts(tenant.account.identity), { displayName: "Taken" }]],
    ["a deletion of an account with clusters", 409, () => ["DELETE", accounts(tenant.account.identity)]],
    ["credentials without a secret", 400, () => ["PUT", credentials(), { credentials: { accessKeyId: "a" } }]],
    ["a missing pool", 404, () => ["DELETE", at("production", "pools", "7")]],

    ["a taken e-mail address", 409, () => ["POST", members(), { email: personEmail.toUpperCase(), role: "viewer" }]],
    ["a malformed member", 400, () => ["POST", members(), { email: "x", role: "owner" }]],
    ["the last admin", 409, () => ["DELETE", members(admin)]],
    ["another role of the last admin", 409, () => ["PATCH", members(admin), { role: "viewer" }]],
    ["a missing member", 404, () => ["DELETE", members(tenant.identity)]],
    ["no role in an environment", 400, () => ["POST", environments("staging", "members", person), {}]],
    ["a missing role in an environment", 404, () => ["DELETE", environments("staging", "members", person)]],
    ["a malformed token", 400, () => ["POST", "/api/v1/tokens", { name: "", expiresAt: "2020-01-01T00:00:00Z" }]],
    ["a missing token", 404, () => ["DELETE", `/api/v1/tokens/${tenant.identity}`]],
    ["a missing pool", 404, () => ["DELETE", at("production", "pools", "7")]],
  ];
  const pools = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ name: `p${at}`, nodeSize: "t3.medium" }));

  test.each(refusals)("a dry run of %s returns the same error as the request", async (_, status, request) => {
    const taken = { displayName: "Taken", cloudProfile: tenant.account.cloudProfile };
    expect((await send("POST", accounts(), taken)).status).toBe(200);
    const dry = await rehearse(...request());
    const real = await send(...request());
    expect([dry.status, dry.body]).toEqual([status, real.body]);
    expect(real.status).toBe(status);
  });

  test.each<[string, () => [path: string, body: unknown], string, number]>([
    ["clusters", () => [tenant.path("staging"), tenant.creation()], "clusters", 100_000],
    ["environments", () => [environments(), { name: "one more" }], "environments", 1_000],
    ["tenants", () => [monitoring(), { name: "one more" }], "observabilityTenants", 50],
    ["members", () => [members(), { email: "one@more", role: "viewer" }], "members", 1_000],
  ])("a dry run beyond the organisation's limit of %s returns the same error as the request", async (_, ...rest) => {
    const [request, counter, most] = rest;
    await world.table.client.send(
      new UpdateCommand({
        TableName: world.table.name,
        Key: totalKey(tenant.slug),
        UpdateExpression: "SET #counter = :most",
        ExpressionAttributeNames: { "#counter": counter },
        ExpressionAttributeValues: { ":most": most },
      }),
    );
    const [path, body] = request();
    const real = await send("POST", path, body);
    expect([real.status, real.body.message]).toEqual([409, expect.stringContaining("Limit reached")]);
    const dry = await rehearse("POST", path, body);
    expect([dry.status, dry.body]).toEqual([409, real.body]);
  });
});

describe("consequences of a dry run", () => {
  const ids = () => ({ web: { identity: web.identity, nodes: 3 }, jobs: { identity: jobs.identity, nodes: 2 } });
  type Consequence = { property: string; effect: string; nodePools: { identity: string; nodes: number }[] };
  const consequencesOf = async (body: unknown): Promise<Consequence[]> =>
    (await rehearse("PATCH", at(), body)).body.consequences;
  const rolled = (consequences: Consequence[], property: string) =>
    consequences
      .filter((each) => each.property === property && each.effect === "rollsNodes")
      .flatMap((each) => each.nodePools);

  test("a dry run that changes nothing has no consequences", async () => {
    expect(await consequencesOf({})).toEqual([]);
    expect(await consequencesOf({ cni: "cilium", status: "starting" })).toEqual([]);
    expect((await rehearse("PUT", at("production", "pools", `${web.id}`), { minSize: 3 })).body.consequences).toEqual(
      [],
    );
  });

  test("consequences name each changed property with its effect", async () => {
    const body = { addons: { a: {} }, deleteProtection: true, enableAutoUpgrade: true, updateChannel: "v1.34" };
    const consequences = await consequencesOf(body);
    expect(consequences.map(({ property }) => property).toSorted()).toEqual(Object.keys(body).toSorted());
    expect(consequences.every(({ effect, nodePools }) => effect === "inPlace" && nodePools.length === 0)).toBe(true);
  });

  test("a minor version affects pools that are replaced at minors, a build only pools that are always replaced", async () => {
    await bring({ version: "v1.34.4-u-ame.1" });
    expect(rolled(await consequencesOf({ version: "v1.35.0-u-ame.1" }), "version")).toEqual([ids().web, ids().jobs]);
    expect(rolled(await consequencesOf({ version: "v1.34.4-u-ame.2" }), "version")).toEqual([ids().web]);
    const named = (await consequencesOf({ version: "v1.34.4-u-ame.2" })).flatMap(({ nodePools }) => nodePools);
    expect(named.map(({ nodes }) => nodes).toSorted()).toEqual([1, 2, 3]);
  });

  test("a scheduled upgrade affects the pools that the change of version affects", async () => {
    const { consequences } = (await rehearse("POST", upgrades(), UPGRADE())).body;
    expect(rolled(consequences, "version")).toEqual([ids().web, ids().jobs]);
  });

  test("stopping and deleting affect every live pool, starting none", async () => {
    await send("DELETE", at("production", "pools", `${jobs.id}`));
    await bring({ status: "started" });
    for (const status of ["stopping", "deleting"]) {
      const nodes = rolled(await consequencesOf({ status }), "status");
      expect(nodes.map((each) => each.nodes).toSorted()).toEqual([1, 3]);
      expect(nodes).toContainEqual(ids().web);
    }
    await bring({ status: "stopped", desiredStatus: "stopping" });
    expect(await consequencesOf({ status: "starting" })).toEqual([
      { property: "status", effect: "inPlace", nodePools: [] },
    ]);
  });

  test.each([
    [{ nodeSize: "m5.large" }, ["nodeSize"], ["rollsNodes"]],
    [{ taints: [{ key: "k", effect: "NoSchedule" }] }, ["taints"], ["rollsNodes"]],
    [{ minSize: 4 }, ["maxSize", "minSize"], ["inPlace", "inPlace"]],
    [{ upgradeStrategy: "INPLACE" }, ["upgradeStrategy"], ["inPlace"]],
  ])("consequences of changing a pool by %j name %j with the effects %j", async (body, properties, effects) => {
    const { consequences } = (await rehearse("PUT", at("production", "pools", `${web.id}`), body)).body;
    const sorted = (consequences as Consequence[]).toSorted((one, other) => (one.property < other.property ? -1 : 1));
    expect(sorted.map(({ property }) => property)).toEqual(properties);
    expect(sorted.map(({ effect }) => effect)).toEqual(effects);
    expect(sorted.every(({ nodePools }) => nodePools[0]?.identity === web.identity)).toBe(true);
  });

  test("removing a pool affects its nodes; removing a pool in deletion affects none", async () => {
    const path = at("production", "pools", `${web.id}`);
    const [consequence, ...others] = (await rehearse("DELETE", path)).body.consequences;
    expect([consequence.effect, consequence.nodePools, others]).toEqual(["rollsNodes", [ids().web], []]);
    await send("DELETE", path);
    expect((await rehearse("DELETE", path)).body).toEqual({ consequences: [] });
  });
});
