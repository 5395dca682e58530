import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Cluster } from "#core/cluster/entity.ts";
import { clusterItem } from "#core/cluster/store/items.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { clustersOf, eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { changeReferences } from "#test/support/references.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

const STATES = ["new", "provisioning", "provisioned", "starting", "started", "stopping", "stopped", "unknown"] as const;
const SPARE = "5f1f2f8e-9ce3-4d6c-9d3b-6a1d6a0e0001";

let now = Date.parse("2026-11-23T10:00:00.000Z");
let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(now) });
});

beforeEach(async () => {
  now += 60_000;
  tenant = await world.tenant();
});

const at = (environment = "production") => tenant.path(environment, "one");
const get = (path = at()) => world.send("GET", path, { token: tenant.admin });
const patch = (body: unknown, token = tenant.admin) => {
  now += 1_000;
  return world.send("PATCH", at(), { token, body });
};
const revisionOf = ({ headers }: TestResponse) => Number(/^"(\d+)\./.exec(headers.get("etag") ?? "")?.[1]);

/** Creates the cluster "one". */
async function create(more: Record<string, unknown> = {}): Promise<Json> {
  const response = await world.send("POST", tenant.path("production"), {
    token: tenant.admin,
    body: tenant.creation(more),
  });
  expect(response.status, response.text).toBe(200);
  return response.body;
}

/** Writes the cluster "one" as the reconciler does. Live states only: deleting is counted, and requested by PATCH. */
async function bring(state: Partial<Cluster>): Promise<void> {
  const [cluster] = await clustersOf(world.services, tenant.slug);
  if (cluster === undefined) throw new Error("cluster not found");
  const written = new Transaction().put(
    "cluster",
    clusterItem({ ...cluster, ...state, revision: cluster.revision + 1 }),
  );
  expect(await commit(world.table, written, deadlineIn())).toEqual([]);
}

/** Changes the account's credentials in the database, because no operation adds credentials yet. */
const setCredentials = (credentials: unknown) =>
  changeReferences(world.table, tenant.slug, ["accounts", tenant.account.identity, "credentials"], credentials);

const addSpare = () => {
  const [main] = tenant.account.credentials;
  return setCredentials([main, { ...main, identity: SPARE, displayName: "spare" }]);
};

async function expectUnchanged(before: TestResponse): Promise<void> {
  const present = await get();
  expect(present.body).toEqual(before.body);
  expect(present.headers.get("etag")).toBe(before.headers.get("etag"));
}

describe("changing a cluster by PATCH", () => {
  const RANGES = [{ cidr: "10.1.0.0/16", description: "office" }];
  const ADDONS = { "cert-manager": { enabled: true, customValues: { b: "2", a: "1" } }, constructor: {} };
  const rows: [string, (of: Tenant) => Record<string, unknown>, string, unknown][] = [
    ["addons", () => ({ addons: ADDONS }), "addons", ADDONS],
    ["credentials", () => ({ cloudCredentialsIdentity: SPARE.toUpperCase() }), "cloudCredentials.identity", SPARE],
    ["cni", () => ({ cni: "calico" }), "cni", "calico"],
    ["protection", () => ({ deleteProtection: true }), "deleteProtection", true],
    ["upgrades", () => ({ enableAutoUpgrade: true }), "autoUpgrade", true],
    ["availability", () => ({ enableHighAvailability: true }), "highlyAvailable", true],
    ["encryption", () => ({ enableNetworkEncryption: true }), "enableNetworkEncryption", true],
    [
      "ranges as documented",
      () => ({ ipWhitelist: [{ cidr: { ipRange: "10.1.0.0/16" }, description: "office" }] }),
      "ipWhitelist",
      RANGES,
    ],
    ["ranges as texts", () => ({ ipWhitelist: RANGES }), "ipWhitelist", RANGES],
    ["the profile", () => ({ podSecurityStandardsProfile: "restricted" }), "podSecurityStandardsProfile", "restricted"],
    ["the channel", () => ({ updateChannel: "v1.34" }), "updateChannel.name", "v1.34"],
    ["the version", () => ({ version: "v1.35.0-u-ame.1" }), "version", "v1.35.0-u-ame.1"],
    [
      "the schedule",
      ({ schedule }) => ({ maintenanceScheduleIdentity: schedule.identity }),
      "maintenanceSchedule.name",
      "weekend",
    ],
  ];

  test.each(rows)(
    "a PATCH of %s is stored, returned and logged once; repeating it changes nothing",
    async (_, bodyOf, shown, value) => {
      const { identity, createdAt } = await create();
      await addSpare();
      const body = bodyOf(tenant);
      const response = await patch(body);
      expect(response.status, response.text).toBe(200);
      expect(response.body).toHaveProperty(shown, value);
      expect(response.body).toMatchObject({ createdAt, modifiedAt: new Date(now).toISOString(), status: "new" });
      expect(revisionOf(response)).toBe(2);
      await expectUnchanged(response);
      const [, event, ...others] = await eventsOf(world.services, identity);
      expect(others).toEqual([]);
      expect(event).toMatchObject({ type: "cluster.updated", at: response.body.modifiedAt });
      const [change, ...more] = event?.changes ?? [];
      expect(more).toEqual([]);
      expect(change?.path).toBe(Object.keys(body)[0]);
      expect(change?.from).not.toEqual(change?.to);
      const again = await patch(body);
      expect([again.status, again.body]).toEqual([200, response.body]);
      expect(again.headers.get("etag")).toBe(response.headers.get("etag"));
      expect(await eventsOf(world.services, identity)).toHaveLength(2);
      await expectInvariants(world.services, tenant.slug);
    },
  );

  test("a PATCH of all properties is one event and one revision", async () => {
    const { identity } = await create();
    await addSpare();
    const bodies = rows.filter(([name]) => name !== "ranges as texts").map(([, bodyOf]) => bodyOf(tenant));
    const response = await patch(Object.assign({}, ...bodies, { environmentSlug: "staging" }));
    expect(response.status, response.text).toBe(200);
    expect(revisionOf(response)).toBe(2);
    for (const [, , shown, value] of rows) expect(response.body).toHaveProperty(shown, value);
    expect(response.body.environmentSlug).toEqual({ slugValue: "staging" });
    expect(await eventsOf(world.services, identity)).toHaveLength(2);
    expect((await get()).status).toBe(404);
    expect((await get(at("staging"))).body).toEqual(response.body);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a PATCH with null and with immutable fields changes nothing and warns of the immutable fields", async () => {
    await create();
    const before = await get();
    const response = await patch({ version: null, addons: null, status: null, name: "other", region: "eu-west-2" });
    expect([response.status, response.body]).toEqual([200, before.body]);
    expect(response.headers.get("warning")).toMatch(/^299 .*name, region/);
    expect((await patch({})).headers.get("warning")).toBeNull();
    await expectUnchanged(before);
  });

  test("a PATCH replaces addons and ranges completely", async () => {
    await create({
      addons: { a: { enabled: true }, b: {} },
      ipWhitelist: [{ cidr: "10.1.0.0/16", description: "office" }],
    });
    expect((await patch({ addons: { a: {} } })).body.addons).toEqual({ a: {} });
    expect((await patch({ addons: {}, ipWhitelist: [] })).body).toMatchObject({ addons: {}, ipWhitelist: [] });
  });

  test("a PATCH of schedule and channel with the empty text clears them, and the schedule's counter decreases", async () => {
    await create({ maintenanceScheduleIdentity: tenant.schedule.identity, updateChannel: "v1.34" });
    await expectInvariants(world.services, tenant.slug);
    const response = await patch({ maintenanceScheduleIdentity: "", updateChannel: "" });
    expect(response.status, response.text).toBe(200);
    expect(response.body).not.toHaveProperty("maintenanceSchedule");
    expect(response.body).not.toHaveProperty("updateChannel");
    await expectInvariants(world.services, tenant.slug);
    const again = await patch({ maintenanceScheduleIdentity: "", updateChannel: "" });
    expect([again.status, revisionOf(again)]).toEqual([200, 2]);
  });

  test.each([
    ["addons", { addons: { x: { customValues: { v: "x".repeat(1_025) } } } }, "addons.x.customValues.v"],
    [
      "addons of more than 12 KB",
      {
        addons: Object.fromEntries(
          Array.from({ length: 13 }, (_, n) => [n, { customValues: { v: "x".repeat(1_000) } }]),
        ),
      },
      "addons",
    ],
    ["101 addons", { addons: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [n, {}])) }, "addons"],
    ["unknown credentials", { cloudCredentialsIdentity: SPARE }, "cloudCredentialsIdentity"],
    ["cni", { cni: "flannel" }, "cni"],
    ["host bits", { ipWhitelist: [{ cidr: "10.1.0.1/16", description: "" }] }, "ipWhitelist[0].cidr"],
    [
      "host bits in an object",
      { ipWhitelist: [{ cidr: { ipRange: "10.1.0.1/16" }, description: "" }] },
      "ipWhitelist[0].cidr.ipRange",
    ],
    [
      "a range of loopback",
      { ipWhitelist: [{ cidr: { ipRange: "127.0.0.0/8" }, description: "" }] },
      "ipWhitelist[0].cidr.ipRange",
    ],
    [
      "a range twice",
      { ipWhitelist: ["2001:db8::/32", "2001:DB8::/32"].map((cidr) => ({ cidr, description: "" })) },
      "ipWhitelist[1].cidr",
    ],
    ["an empty range", { ipWhitelist: [{ cidr: "", description: "" }] }, "ipWhitelist[0].cidr"],
    ["an unknown schedule", { maintenanceScheduleIdentity: SPARE }, "maintenanceScheduleIdentity"],
    ["a channel", { updateChannel: "stable" }, "updateChannel"],
    ["an unknown version", { version: "v1.34.4-u-ame.9" }, "version"],
    ["part of a version", { version: "1.35" }, "version"],
    ["status", { status: "started" }, "status"],
    ["an unknown environment", { environmentSlug: "nowhere" }, "environmentSlug"],
    ["an environment that is not a text", { environmentSlug: 7 }, "environmentSlug"],
    ["a switch", { deleteProtection: "true" }, "deleteProtection"],
  ])("a PATCH with %s is refused, and the rest of the request is not applied", async (_, wrong, path) => {
    await create();
    const before = await get();
    const response = await patch({ enableAutoUpgrade: true, ...wrong });
    expect(response.status, response.text).toBe(400);
    expect(response.body.details.map((detail: string) => detail.split(": ")[0])).toEqual([path]);
    expect(response.body.message).toBe(response.body.details[0]);
    await expectUnchanged(before);
  });

  test("a PATCH with several errors lists each of them", async () => {
    await create();
    const wrong = { cni: "x", version: "1", updateChannel: "y", cloudCredentialsIdentity: SPARE, environmentSlug: "z" };
    const response = await patch({ ...wrong, maintenanceScheduleIdentity: SPARE });
    expect(response.status).toBe(400);
    const paths = response.body.details.map((detail: string) => detail.split(": ")[0]).toSorted();
    expect(paths).toEqual([...Object.keys(wrong), "maintenanceScheduleIdentity"].toSorted());
  });

  test("a PATCH with credentials of another account of the organisation is refused", async () => {
    await create({ cloudAccountIdentity: tenant.byonAccount.identity, region: "europe" });
    const [{ identity } = { identity: "" }] = tenant.account.credentials;
    const response = await patch({ cloudCredentialsIdentity: identity });
    expect([response.status, response.body.details]).toEqual([400, [expect.stringContaining(identity)]]);
  });
});

describe("a PATCH with the stored value", () => {
  const ECHO = {
    addons: { x: { customValues: { a: "1", b: "2" }, enabled: true }, y: {} },
    cni: "cilium",
    deleteProtection: false,
    enableAutoUpgrade: false,
    enableHighAvailability: false,
    enableNetworkEncryption: false,
    ipWhitelist: [{ cidr: "10.1.0.0/16", description: "office" }],
    podSecurityStandardsProfile: "privileged",
    updateChannel: "v1.34",
    version: "v1.34.4-u-ame.2",
  };

  test.each([...STATES, "deleting"] as const)(
    "a PATCH with the stored value is neither a change nor an error while %s",
    async (status) => {
      const schedule = { maintenanceScheduleIdentity: tenant.schedule.identity };
      await create({ addons: ECHO.addons, ipWhitelist: ECHO.ipWhitelist, updateChannel: "v1.34", ...schedule });
      if (status === "deleting") await patch({ status });
      else await bring({ status });
      const before = await get();
      const addons = { y: {}, x: { enabled: true, customValues: { b: "2", a: "1" } } };
      const response = await patch({ ...ECHO, ...schedule, addons, environmentSlug: "production" });
      expect([response.status, response.body]).toEqual([200, before.body]);
      await expectUnchanged(before);
    },
  );

  test("a PATCH with a stored reference that was removed since is accepted", async () => {
    await create();
    await addSpare();
    expect((await patch({ cloudCredentialsIdentity: SPARE })).status).toBe(200);
    await setCredentials(tenant.account.credentials);
    const response = await patch({ cloudCredentialsIdentity: SPARE });
    expect([response.status, revisionOf(response)]).toEqual([200, 2]);
  });
});

describe("two concurrent PATCHes of a cluster", () => {
  test("two concurrent PATCHes both succeed, and no change is lost", async () => {
    await create();
    const bodies = [
      { enableAutoUpgrade: true },
      { cni: "calico" },
      { deleteProtection: true },
      { updateChannel: "v1.35" },
    ];
    const processes = [world, world.sibling(), world.sibling(), world];
    const responses = await Promise.all(
      bodies.map((body, number) => (processes[number] ?? world).send("PATCH", at(), { token: tenant.admin, body })),
    );
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(responses.map(revisionOf).toSorted()).toEqual([2, 3, 4, 5]);
    const { body } = await get();
    expect(body).toMatchObject({ autoUpgrade: true, cni: "calico", deleteProtection: true });
    expect(body.updateChannel.name).toBe("v1.35");
  });
});

describe("roles that may change a cluster", () => {
  const asked: [string, Record<string, unknown>, number][] = [
    ["viewer", {}, 403],
    ["viewer", { cni: "calico" }, 403],
    ["developer", { cni: "calico" }, 200],
    ["developer", { status: "starting" }, 200],
    ["developer", { deleteProtection: false, environmentSlug: "production" }, 200],
    ["developer", { status: "deleting" }, 403],
    ["developer", { status: "deleting", cni: "nonsense" }, 403],
    ["developer", { environmentSlug: "staging" }, 403],
    ["developer", { environmentSlug: "nowhere" }, 403],
    ["admin", { environmentSlug: "staging", status: "starting" }, 200],
    ["admin", { status: "deleting" }, 200],
    ["billing-admin", {}, 403],
  ];
  test.each(asked)("a PATCH by %s with %j returns %i", async (role, body, status) => {
    await create();
    const { token } = await tenant.person(role as "viewer");
    const response = await patch(body, token);
    expect(response.status, response.text).toBe(status);
    if (status === 403) expect(revisionOf(await get())).toBe(1);
  });

  test("a PATCH by a developer with a status that only an admin may request is refused, also when it changes nothing", async () => {
    await create();
    expect((await patch({ status: "deleting" })).status).toBe(200);
    const { token } = await tenant.person("developer");
    expect((await patch({ status: "deleting" }, token)).status).toBe(403);
    expect((await patch({ status: "deleting" })).status).toBe(200);
  });
});

describe("the inheritance of the environment's Prometheus rules", () => {
  const inherit = (body: unknown, token = tenant.admin) => {
    now += 1_000;
    return world.send("POST", `${at()}/prometheus-rules-inheritance`, { token, body });
  };

  test.each([
    ["bare", false, true],
    ["in an object", { environmentPrometheusRules: false }, { environmentPrometheusRules: true }],
  ])(
    "the inheritance of Prometheus rules is set by a body sent %s, and the response has a message",
    async (_, off, on) => {
      const { identity } = await create();
      const { token } = await tenant.person("developer");
      const response = await inherit(off, token);
      expect([response.status, response.body]).toEqual([200, { message: expect.stringContaining("one") }]);
      const changed = await get();
      expect(changed.body).toMatchObject({
        environmentPrometheusRules: false,
        modifiedAt: new Date(now).toISOString(),
      });
      expect(revisionOf(changed)).toBe(2);
      expect((await inherit(off)).status).toBe(200);
      await expectUnchanged(changed);
      expect(await eventsOf(world.services, identity)).toHaveLength(2);
      const back = await inherit(on);
      expect([back.status, back.body.message === response.body.message]).toEqual([200, false]);
      expect((await get()).body.environmentPrometheusRules).toBe(true);
    },
  );

  test.each([["true"], [1], [null], [{}], [[]], [{ environmentPrometheusRules: "no" }]])(
    "the inheritance of Prometheus rules cannot be %j",
    async (body) => {
      await create();
      expect((await inherit(body)).status).toBe(400);
      expect((await get()).body.environmentPrometheusRules).toBe(true);
    },
  );

  test("the inheritance of Prometheus rules is refused for viewers, missing clusters and deleting clusters", async () => {
    expect((await inherit(false)).status).toBe(404);
    await create();
    const { token } = await tenant.person("viewer");
    expect((await inherit(false, token)).status).toBe(403);
    await patch({ status: "deleting" });
    const refused = await inherit(false);
    expect([refused.status, refused.body.message]).toEqual([409, expect.stringContaining("deleting")]);
    expect((await inherit(true)).status).toBe(200);
  });
});
