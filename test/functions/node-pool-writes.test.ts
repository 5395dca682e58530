import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { clusterItem } from "#core/cluster/store/items.ts";
import { nodePoolItem, nodePoolsOf } from "#core/node-pool/items.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { clustersOf, eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

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

const at = () => tenant.path("production", "one");
const pools = (id: unknown = "") => `${at()}/pools${id === "" ? "" : `/${id}`}`;
const send = (method: string, path: string, body?: unknown, headers = {}, token = tenant.admin) => {
  now += 1_000;
  return world.send(method, path, { token, body, headers });
};
const web = (more: Record<string, unknown> = {}) => ({ name: "web", nodeSize: "t3.medium", ...more });
const add = (more: Record<string, unknown> = {}) => send("POST", pools(), web(more));
const list = async (): Promise<Json[]> => (await send("GET", pools())).body;
const shown = () => send("GET", `${at()}?show-compute=true`);
const revision = async () => Number((await shown()).headers.get("etag")?.match(/\d+/)?.[0]);

/** Creates the cluster "one". @returns its identity */
async function create(nodePools: unknown[] = [], more: Record<string, unknown> = {}): Promise<string> {
  const response = await send("POST", tenant.path("production"), tenant.creation({ nodePools, ...more }));
  expect(response.status, response.text).toBe(200);
  return response.body.identity;
}

function expectPaths(response: TestResponse, paths: readonly string[]): void {
  expect(response.status, response.text).toBe(400);
  expect(response.body.details.map((detail: string) => detail.split(": ")[0])).toEqual(paths);
}

/** Asserts that the cluster counts its live pools: only t3.medium, 2 cores and 4096 MiB each. */
async function expectNodes(nodes: number): Promise<void> {
  expect((await shown()).body).toMatchObject({ cpu: 2 * nodes, memory: 4096 * nodes });
  await expectInvariants(world.services, tenant.slug);
}

describe("creating a node pool", () => {
  test("creating a pool returns it with every default, location and tag, and updates counters and events", async () => {
    const identity = await create();
    const response = await add({ minSize: 3 });
    expect(response.status, response.text).toBe(200);
    const at = new Date(now).toISOString();
    expect(response.body).toEqual({
      ...{ annotations: {}, autoScaling: false, enableNodeAutoReplacement: true, enableNodeReboots: false },
      ...{ id: expect.any(Number), identity: expect.stringMatching(/^[0-9a-f-]{36}$/), labels: {}, taints: [] },
      ...{ maxSize: 3, minSize: 3, name: "web", nodeSize: "t3.medium", provisionStatus: "ACCEPTED" },
      ...{ securityUpdatesOnJoin: "OFF", upgradeStrategy: "REPLACE", createdAt: at, modifiedAt: at },
    });
    expect(response.headers.get("etag")).toBe('"1"');
    expect(response.headers.get("location")).toBe(`http://localhost${pools(response.body.id)}`);
    expect((await send("GET", pools(response.body.id))).body).toEqual(response.body);
    expect((await shown()).body.modifiedAt).toBe(at);
    expect(await revision()).toBe(2);
    const [, event] = await eventsOf(world.services, identity);
    expect(event).toMatchObject({ type: "node-pool.created", at });
    await expectNodes(3);
  });

  test.each([
    [{ name: undefined }, ["name"]],
    [{ name: "Web", nodeSize: "huge", minSize: -1 }, ["name", "minSize", "nodeSize"]],
    [{ availabilityZone: "mars", minSize: 2, maxSize: 3 }, ["availabilityZone", "maxSize"]],
    [{ labels: { "cluster.x-k8s.io/x": "" } }, ["labels.cluster.x-k8s.io/x"]],
    [{ annotations: { n: "x".repeat(4_096) } }, ["annotations"]],
  ])("creating a pool with %j is refused and names each of %j", async (more, paths) => {
    await create();
    const response = await add(more);
    expect(response.status, response.text).toBe(400);
    expect(response.body.details.map((detail: string) => detail.split(": ")[0]).toSorted()).toEqual(paths.toSorted());
    expect([await list(), await revision()]).toEqual([[], 1]);
  });

  test("a pool can have the name of a pool in another zone, but not of a live one in its own", async () => {
    await create([web()]);
    expect((await add({ availabilityZone: "eu-west-1a" })).status).toBe(200);
    for (const more of [{}, { availabilityZone: "" }, { availabilityZone: "eu-west-1a" }]) {
      const response = await add(more);
      expect([response.status, response.body.message]).toEqual([409, expect.stringContaining('"web"')]);
    }
    await expectNodes(2);
  });

  test("a pool of the user's own machines needs no size", async () => {
    await create([], { cloudAccountIdentity: tenant.byonAccount.identity, region: "europe" });
    expect((await add({ nodeSize: undefined })).body.nodeSize).toBe("byon");
    expect((await add({ name: "rack", nodeSize: "Rack 7" })).body.nodeSize).toBe("Rack 7");
  });

  test("creating the fifty-first live pool, or the eighty-first with deleting ones, is refused", async () => {
    await create(Array.from({ length: 50 }, (_, number) => web({ name: `p${number}` })));
    const full = await add();
    expect([full.status, full.body.message]).toEqual([409, expect.stringMatching(/\b50\b/)]);
    expect(full.headers.get("retry-after")).toBeNull();
    for (const { id } of (await list()).slice(0, 30)) expect((await send("DELETE", pools(id))).status).toBe(204);
    for (let number = 0; number < 30; number++) expect((await add({ name: `q${number}` })).status).toBe(200);
    const [, , { id }] = (await list()).filter(({ provisionStatus }) => provisionStatus === "ACCEPTED");
    expect((await send("DELETE", pools(id))).status).toBe(204);
    const held = await add();
    expect(held.status).toBe(409);
    expect(held.headers.get("retry-after")).toMatch(/^[0-9]+$/);
    await expectNodes(49);
  });
});

describe("changing a node pool", () => {
  const STORED = {
    ...{ annotations: { a: "1", b: "2" }, autoScaling: true, availabilityZone: "eu-west-1b", maxSize: 5, minSize: 2 },
    ...{ enableNodeAutoReplacement: false, enableNodeReboots: true, labels: { c: "3", d: "4" } },
    ...{ taints: [{ key: "k", effect: "NoSchedule" }], upgradeStrategy: "INPLACE" },
  };

  test.each([
    [{ annotations: {} }, {}],
    [{ autoScaling: false, minSize: 4 }, { maxSize: 4 }],
    [{ autoScaling: false, maxSize: 3 }, { minSize: 3 }],
    [{ minSize: 5 }, {}],
    [{ maxSize: 2 }, {}],
    [{ enableNodeAutoReplacement: true, enableNodeReboots: false }, {}],
    [{ labels: { e: "" } }, {}],
    [{ nodeSize: "m5.large" }, {}],
    [{ taints: [] }, {}],
    [{ securityUpdatesOnJoin: "INSTALL" }, {}],
    [{ upgradeStrategy: "REPLACE" }, {}],
    [
      { name: "", availabilityZone: "", minSize: 3 },
      { name: "web", availabilityZone: "eu-west-1b" },
    ],
    [{ name: "web", availabilityZone: "eu-west-1b", minSize: 3, labels: null }, { labels: STORED.labels }],
  ])("changing a pool to %j keeps the rest, results in %j, and appends one event", async (body, more) => {
    const identity = await create([web(STORED)]);
    const [before] = await list();
    const response = await send("PUT", pools(before.id), body);
    expect(response.status, response.text).toBe(200);
    const kept = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== "" && value !== null));
    const after = { ...before, ...kept, ...more, modifiedAt: new Date(now).toISOString() };
    expect(response.body).toEqual(after);
    expect(response.headers.get("etag")).toBe('"2"');
    expect(await list()).toEqual([after]);
    expect(await revision()).toBe(2);
    const again = await send("PUT", pools(before.identity), body);
    expect([again.status, again.body, again.headers.get("etag")]).toEqual([200, after, '"2"']);
    expect(await revision()).toBe(2);
    const events = await eventsOf(world.services, identity);
    expect(events.map(({ type }) => type)).toEqual(["cluster.created", "node-pool.updated"]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a PUT is accepted for a pool whose node type and zone left the catalogue, if it changes neither", async () => {
    const identity = await create([web({ availabilityZone: "eu-west-1b" })]);
    const [pool] = await nodePoolsOf(world.services.table, identity);
    if (pool === undefined) throw new Error("no pool");
    const gone = { nodeSize: "t1.micro", availabilityZone: "eu-west-1z" };
    const overwrite = new Transaction().put("pool", nodePoolItem({ ...pool, ...gone }), {
      condition: "attribute_exists(#pk)",
    });
    expect(await commit(world.services.table, overwrite, deadlineIn())).toEqual([]);
    const [{ id, ...before }] = await list();
    const same = await send("PUT", pools(id), before);
    expect([same.status, same.body], same.text).toEqual([200, { id, ...before }]);
    const resized = await send("PUT", pools(id), { minSize: 3 });
    expect([resized.status, resized.body], resized.text).toMatchObject([200, { ...gone, minSize: 3 }]);
    expectPaths(await send("PUT", pools(id), { nodeSize: "t1.nano" }), ["nodeSize"]);
  });

  test("changing a pool to its present values in another order changes nothing", async () => {
    await create([web(STORED)]);
    const [{ id, ...before }] = await list();
    const same = { ...before, annotations: { b: "2", a: "1" }, labels: { d: "4", c: "3" } };
    const response = await send("PUT", pools(id), same);
    expect([response.status, response.body]).toEqual([200, { id, ...before }]);
    expect(await revision()).toBe(1);
  });

  test.each([
    [{ autoScaling: false }, ["autoScaling"]],
    [{ minSize: 6 }, ["minSize"]],
    [{ maxSize: 1 }, ["maxSize"]],
    [{ autoScaling: false, minSize: 1, maxSize: 2 }, ["maxSize"]],
    [{ minSize: 1_001 }, ["minSize"]],
    [{ nodeSize: "huge" }, ["nodeSize"]],
    [{ name: "Web" }, ["name"]],
    [{ availabilityZone: "mars" }, ["availabilityZone"]],
    [{ labels: { "-": "" }, taints: [{ key: "k", effect: "No" }] }, ["labels.-", "taints[0].effect"]],
    [{ annotations: { n: "x".repeat(4_096) } }, ["annotations"]],
  ])("changing a pool to %j is refused and names %j", async (body, paths) => {
    await create([web(STORED)]);
    const [before] = await list();
    expectPaths(await send("PUT", pools(before.id), body), paths);
    expect(await list()).toEqual([before]);
  });

  test.each([
    [{ name: "other" }, {}, "name"],
    [{ availabilityZone: "eu-west-1a" }, {}, "availabilityZone"],
    [{ availabilityZone: "eu-west-1a" }, { availabilityZone: "eu-west-1b" }, "availabilityZone"],
    [{ name: "other", minSize: 9 }, {}, "name"],
  ])("changing to %j a pool with %j returns a conflict about its %s", async (body, stored, property) => {
    await create([web(stored)]);
    const [before] = await list();
    const response = await send("PUT", pools(before.id), body);
    expect([response.status, response.body.message]).toEqual([409, expect.stringContaining(property)]);
    expect([await list(), await revision()]).toEqual([[before], 1]);
  });

  test("changing a pool updates the node counters", async () => {
    await create([web({ minSize: 2 }), web({ name: "jobs", minSize: 5 })]);
    const [{ id }] = await list();
    expect((await send("PUT", pools(id), { minSize: 9 })).body).toMatchObject({ minSize: 9, maxSize: 9 });
    await expectNodes(14);
    expect((await send("PUT", pools(id), { minSize: 0 })).body.maxSize).toBe(0);
    await expectNodes(5);
  });
});

describe("deleting a node pool", () => {
  test("a deleted pool is not counted, frees its name, and is listed as DELETING; repeating changes nothing", async () => {
    const identity = await create([web({ minSize: 2 })]);
    const [before] = await list();
    const response = await send("DELETE", pools(before.id));
    expect([response.status, response.text]).toEqual([204, ""]);
    const gone = { ...before, provisionStatus: "DELETING", modifiedAt: new Date(now).toISOString() };
    expect(await list()).toEqual([gone]);
    expect(await revision()).toBe(2);
    await expectNodes(0);
    expect((await send("DELETE", pools(before.identity))).status).toBe(204);
    expect((await send("PUT", pools(before.id), { minSize: 2 })).body).toEqual(gone);
    const changed = await send("PUT", pools(before.id), { minSize: 3 });
    expect([changed.status, changed.body.message]).toEqual([409, expect.stringContaining("web")]);
    expect([await list(), await revision()]).toEqual([[gone], 2]);
    const events = await eventsOf(world.services, identity);
    expect(events.map(({ type }) => type)).toEqual(["cluster.created", "node-pool.deletion-requested"]);
    expect((await add({ minSize: 4 })).status).toBe(200);
    expect((await shown()).body).toMatchObject({ cpu: 8, memory: 4 * 4096 });
    const environment = (await world.table.query({ pk: `ORG#${tenant.slug}`, prefix: "ENV#production" }))[0];
    expect(environment).toMatchObject({ totalCpu: 8, totalMemory: 4 * 4096 });
    // The invariants include the freed name: a deleting pool does not reserve it.
    await expectInvariants(world.services, tenant.slug);
  });

  test("a pool can be deleted while its cluster is deleting, but not created or changed", async () => {
    await create([web(), web({ name: "jobs" })]);
    const [{ id }, jobs] = await list();
    await send("PATCH", at(), { status: "deleting" });
    for (const refused of [await add({ name: "new" }), await send("PUT", pools(id), { minSize: 9 })]) {
      expect([refused.status, refused.body.message]).toEqual([409, expect.stringContaining("deleting")]);
    }
    expect((await send("PUT", pools(id), { minSize: 1 })).status).toBe(200);
    expect((await send("DELETE", pools(id))).status).toBe(204);
    expect(await list()).toEqual([expect.objectContaining({ id, provisionStatus: "DELETING" }), jobs]);
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("access to node pools", () => {
  test.each(["GET", "PUT", "DELETE"])(
    "%s of a pool of another cluster or of a missing cluster returns 404",
    async (method) => {
      await create([web()]);
      const [{ id }] = await list();
      await send("POST", tenant.path("production"), tenant.creation({ name: "two" }));
      const body = method === "PUT" ? {} : undefined;
      for (const path of [
        `${tenant.path("production", "two")}/pools/${id}`,
        `${tenant.path("staging", "one")}/pools/${id}`,
      ]) {
        expect((await send(method, path, body)).status).toBe(404);
      }
      expect((await send(method, pools("0"), body)).status).toBe(404);
      expect((await send(method, pools(id), body)).status).toBeLessThan(205);
    },
  );

  test.each([
    ["viewer", [403, 403, 403]],
    ["developer", [200, 200, 204]],
  ] as const)("a %s who creates, changes and deletes pools gets %j", async (role, statuses) => {
    await create([web()]);
    const [{ id }] = await list();
    const { token } = await tenant.person(role);
    const made = await send("POST", pools(), web({ name: "new" }), {}, token);
    const changed = await send("PUT", pools(id), { minSize: 2 }, {}, token);
    const removed = await send("DELETE", pools(id), undefined, {}, token);
    expect([made.status, changed.status, removed.status]).toEqual(statuses);
  });
});

describe("ten concurrent writers of one cluster's pools", () => {
  test.each([1, 3, 10])(
    "pool writes from %i processes with conflicting transactions all succeed, and the counters are correct",
    async (count) => {
      await create(Array.from({ length: 5 }, (_, number) => web({ name: `p${number}` })));
      const present = await list();
      const processes = Array.from({ length: count }, () => world.sibling());
      for (const { wire } of processes) Object.assign(wire, { conflicts: true, latencyMs: 5 });
      const writes = [
        ...present.slice(0, 2).map(({ id }) => ["DELETE", pools(id), undefined] as const),
        ...present.slice(2).map(({ id }) => ["PUT", pools(id), { minSize: 7 }] as const),
        ...Array.from(
          { length: 5 },
          (_, number) => ["POST", pools(), web({ name: `n${number}`, minSize: 2 })] as const,
        ),
      ];
      const responses = await Promise.all(
        writes.map(([method, path, body], number) =>
          (processes[number % count] ?? world).send(method, path, { token: tenant.admin, body }),
        ),
      );
      expect(responses.map(({ status }) => status)).toEqual([204, 204, ...Array(8).fill(200)]);
      expect(await revision()).toBe(11);
      await expectNodes(3 * 7 + 5 * 2);
    },
  );
});

test("a pool that failed, or of a stopped cluster, can be changed", async () => {
  await create([web()]);
  const [cluster] = await clustersOf(world.services, tenant.slug);
  if (cluster === undefined) throw new Error("cluster not found");
  const [pool] = await nodePoolsOf(world.table, cluster.identity);
  if (pool === undefined) throw new Error("pool not found");
  const brought = new Transaction()
    .put("cluster", clusterItem({ ...cluster, status: "stopped", desiredStatus: "stopping", revision: 2 }))
    .put("pool", nodePoolItem({ ...pool, provisionStatus: "FAILED", revision: 2 }));
  expect(await commit(world.table, brought, deadlineIn())).toEqual([]);
  const response = await send("PUT", pools(pool.id), { minSize: 2 });
  expect([response.status, response.body.provisionStatus]).toEqual([200, "ACCEPTED"]);
  await expectNodes(2);
});
