import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { clusterItemAt } from "#core/cluster/entity.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { clusterKey, pointerKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import type { Fault } from "#test/support/faults.ts";
import { clustersOf, eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
/** World whose client sends every call once, so that the operation sees each failure. */
let once: World;
/** World whose clients have a long timeout: the tests check that they succeed, not how fast this machine is. */
let patient: World;
let tenant: Tenant;

beforeEach(async () => {
  world ??= await makeWorld();
  once ??= await makeWorld({ maxAttempts: 1 });
  patient ??= await makeWorld({ writeTimeoutMs: 120_000, requestTimeoutMs: 30_000 });
  tenant = await world.tenant();
});

afterEach(() => {
  for (const { wire } of [world, once]) Object.assign(wire, { fault: () => undefined, conflicts: false, latencyMs: 0 });
});

const POOLS = [
  { name: "web", nodeSize: "t3.medium", minSize: 3 },
  { name: "jobs", nodeSize: "m5.large", autoScaling: true, minSize: 0, maxSize: 9, availabilityZone: "eu-west-1b" },
];

describe("the items written by the creation of a cluster", () => {
  test("a creation writes all items consistently in one transaction", async () => {
    const body = tenant.creation({ nodePools: POOLS, maintenanceScheduleIdentity: tenant.schedule.identity });
    world.wire.spans.length = 0;
    const response = await world.send("POST", tenant.path("production"), {
      token: tenant.admin,
      body,
      peer: "192.0.2.7",
    });
    expect(response.status, response.text).toBe(200);
    const writes = world.wire.spans.filter(({ operation }) => operation !== "BatchGetItem" && operation !== "Query");
    expect(writes.map(({ operation }) => operation)).toEqual(["TransactWriteItems"]);
    const [cluster] = await clustersOf(world.services, tenant.slug);
    expect(cluster).toMatchObject({ identity: response.body.identity, cpu: 6, memory: 3 * 4096, revision: 1 });
    await expectInvariants(world.services, tenant.slug);
  });

  test("a creation appends an event with the caller, its address and the changes", async () => {
    const { user, token } = await tenant.person("developer");
    const body = tenant.creation({ nodePools: POOLS.slice(0, 1), description: "mine" });
    const response = await world.send("POST", tenant.path("production"), {
      token,
      body,
      peer: "192.0.2.7",
      headers: { "x-request-id": "request-1" },
    });
    const [event, ...others] = await eventsOf(world.services, response.body.identity);
    expect(others).toEqual([]);
    const at = Date.parse(response.body.createdAt);
    expect(event).toMatchObject({
      type: "cluster.created",
      at: response.body.createdAt,
      clusterIdentity: response.body.identity,
      user,
      tokenId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      sourceAddress: "192.0.2.7",
      requestId: "request-1",
      ttl: Math.floor(at / 1000) + 90 * 24 * 60 * 60,
    });
    const changes = event?.changes;
    expect(changes).toContainEqual({ path: "description", to: "mine" });
    expect(changes).toContainEqual({
      path: "nodePools[web]",
      to: { name: "web", nodeSize: "t3.medium", minSize: 3, maxSize: 3 },
    });
  });

  test("a created cluster has a pointer that is due at once", async () => {
    const response = await world.send("POST", tenant.path("production"), {
      token: tenant.admin,
      body: tenant.creation(),
    });
    const key = pointerKey(response.body.identity);
    const [pointer] = [...(await world.table.get([key])).values()];
    expect(pointer).toMatchObject({
      duePk: expect.stringMatching(/^DUE#([0-9]|[12][0-9]|3[01])$/),
      dueAt: response.body.createdAt,
      requestedAt: response.body.createdAt,
      path: clusterKey(tenant.slug, "production", "one").sk,
      attempts: 0,
      fence: 0,
    });
  });

  test("a creation with 50 node pools and a superseded slug owner fits into one transaction", async () => {
    const nodePools = Array.from({ length: 50 }, (_, number) => ({ name: `pool-${number}`, nodeSize: "t3.medium" }));
    const first = await world.send("POST", tenant.path("production"), { token: tenant.admin, body: tenant.creation() });
    await markDeleting("production", "one");
    world.wire.spans.length = 0;
    const body = tenant.creation({ nodePools, maintenanceScheduleIdentity: tenant.schedule.identity });
    const second = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect(second.status, second.text).toBe(200);
    const transaction = world.wire.spans.find(({ operation }) => operation === "TransactWriteItems");
    const items = transaction?.input.TransactItems as unknown[];
    expect(items.length).toBeLessThanOrEqual(70);
    expect(second.body.identity).not.toBe(first.body.identity);
    const [present, displaced] = await clustersOf(world.services, tenant.slug);
    expect([present?.identity, displaced?.identity]).toEqual([second.body.identity, first.body.identity]);
    await expectInvariants(world.services, tenant.slug);
    const list = await world.send("GET", tenant.path(), { token: tenant.admin });
    expect(list.body.content.map(({ identity }: { identity: string }) => identity)).toEqual([
      second.body.identity,
      first.body.identity,
    ]);
  });
});

/** Sets a cluster to deleting as an accepted deletion does: status, totals and counters in one transaction. */
async function markDeleting(environment: string, slug: string): Promise<void> {
  const cluster = (await clustersOf(world.services, tenant.slug)).find((each) => each.slug === slug);
  if (cluster === undefined) throw new Error(`cluster ${slug} not found`);
  const organisation = tenant.slug;
  const pk = `ORG#${organisation}`;
  const less = { ":less": -1, ":cpu": -cluster.cpu, ":memory": -cluster.memory };
  const transaction = new Transaction()
    .put("cluster", clusterItemAt(cluster, { ...cluster, status: "deleting", revision: cluster.revision + 1 }))
    .update("total", { pk, sk: "TOTAL" }, "ADD #clusters :less, #cpu :cpu, #memory :memory", { values: less })
    .update(
      "environment",
      { pk, sk: `ENV#${environment}` },
      "ADD #totalClusters :less, #totalCpu :cpu, #totalMemory :memory",
      {
        values: less,
      },
    )
    .update("account", { pk, sk: `USE#${cluster.cloudAccountIdentity}` }, "ADD #clusters :less", {
      values: { ":less": -1 },
    });
  expect(await commit(world.table, transaction, deadlineIn())).toEqual([]);
}

describe("the slug of a cluster", () => {
  test("a slug whose owner is deleting can be reused 32 times, then not until one of them is removed", async () => {
    const body = tenant.creation();
    for (let round = 0; round < 33; round++) {
      const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
      expect(response.status, response.text).toBe(200);
      await markDeleting("production", "one");
    }
    const refused = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect(refused.status).toBe(409);
    expect(refused.headers.get("retry-after")).toMatch(/^[0-9]+$/);
    expect(refused.body.message).toContain("32");
    await expectInvariants(world.services, tenant.slug);
  });

  test("one of ten concurrent creations gets a slug, and the others get an error that names its owner", async () => {
    const processes = [world, world.sibling(), world.sibling()];
    for (const { wire } of processes) wire.conflicts = true;
    const responses = await Promise.all(
      Array.from({ length: 10 }, (_, number) =>
        (processes[number % 3] ?? world).send("POST", tenant.path("production"), {
          token: tenant.admin,
          body: tenant.creation(),
        }),
      ),
    );
    expect(responses.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(409)]);
    expect(responses.find(({ status }) => status === 409)?.body.message).toContain('"one"');
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("a creation whose database calls fail", () => {
  /** Counts the calls of a creation. */
  async function callsOf(of: World, where: Tenant): Promise<number> {
    of.wire.spans.length = 0;
    const body = where.creation({ name: "measured", nodePools: POOLS });
    expect((await of.send("POST", where.path("production"), { token: where.admin, body })).status).toBe(200);
    return of.wire.spans.length;
  }

  const failing = (of: World, position: number, fault: Fault) => {
    let calls = 0;
    of.wire.fault = () => (calls++ === position ? fault : undefined);
  };

  test.each(["before", "after", "throttle"] as const)(
    "a creation succeeds when each of its calls fails once (%s the call)",
    async (fault) => {
      const calls = await callsOf(world, tenant);
      expect(calls).toBeGreaterThanOrEqual(4);
      for (let position = 0; position < calls; position++) {
        failing(world, position, fault);
        const body = tenant.creation({ name: `c${position}`, nodePools: POOLS });
        const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
        expect(response.status, response.text).toBe(200);
        world.wire.fault = () => undefined;
        const list = await world.send("GET", tenant.path(), { token: tenant.admin });
        expect(list.body.totalElements).toBe(position + 2);
      }
      await expectInvariants(world.services, tenant.slug);
    },
  );

  test.each(["before", "after"] as const)(
    "a creation whose call fails permanently (%s the call) writes everything or nothing",
    async (fault) => {
      const where = await once.tenant();
      const calls = await callsOf(once, where);
      for (let position = 0; position < calls; position++) {
        failing(once, position, fault);
        const body = where.creation({ name: `c${position}`, nodePools: POOLS });
        const response = await once.send("POST", where.path("production"), { token: where.admin, body });
        expect(response.status).toBe(503);
        expect(response.headers.get("retry-after")).toBe("1");
        once.wire.fault = () => undefined;
        const clusters = await clustersOf(once.services, where.slug);
        const isThere = clusters.some(({ slug }) => slug === `c${position}`);
        expect(isThere).toBe(fault === "after" && position === calls - 1);
        await expectInvariants(once.services, where.slug);
      }
    },
  );
});

describe("limits and references that only the transaction checks", () => {
  const change = (sk: string, update: string, values: Record<string, unknown>, names: Record<string, string>) =>
    world.table.client.send(
      new UpdateCommand({
        TableName: world.table.name,
        Key: { pk: `ORG#${tenant.slug}`, sk },
        UpdateExpression: update,
        ExpressionAttributeValues: values,
        ExpressionAttributeNames: names,
      }),
    );

  test("creating a cluster in an organisation with 100,000 clusters returns a conflict that names the limit", async () => {
    await change("TOTAL", "SET #clusters = :n", { ":n": 100_000 }, { "#clusters": "clusters" });
    const response = await world.send("POST", tenant.path("production"), {
      token: tenant.admin,
      body: tenant.creation(),
    });
    expect(response.status).toBe(409);
    expect(response.body.message).toContain("100000");
    expect(await clustersOf(world.services, tenant.slug)).toEqual([]);
  });

  test("creating a cluster with an account that was removed concurrently returns a validation error", async () => {
    const key = { pk: `ORG#${tenant.slug}`, sk: `USE#${tenant.account.identity}` };
    await commit(world.table, new Transaction().delete("usage", key), deadlineIn());
    const response = await world.send("POST", tenant.path("production"), {
      token: tenant.admin,
      body: tenant.creation(),
    });
    expect(response.status).toBe(400);
    expect(response.body.details).toEqual([expect.stringContaining("cloudAccountIdentity")]);
    expect(await clustersOf(world.services, tenant.slug)).toEqual([]);
  });
});

describe("concurrent creations in one organisation", () => {
  test.each([
    ["a hundred clients of one server", 100, 1],
    ["a hundred clients of four servers whose transactions cancel each other", 100, 4],
    ["a hundred clients of a hundred functions whose transactions cancel each other", 100, 100],
  ])("%s create clusters in one organisation concurrently, and all succeed", async (_, clients, servers) => {
    const where = await patient.tenant();
    const processes = Array.from({ length: servers }, () => patient.sibling());
    for (const { wire } of processes) Object.assign(wire, { conflicts: true, latencyMs: 15 });
    const responses = await Promise.all(
      Array.from({ length: clients }, (_, number) =>
        (processes[number % servers] ?? patient).send("POST", where.path(number % 3 === 0 ? "staging" : "production"), {
          token: where.admin,
          body: where.creation({ name: `cluster ${number}`, nodePools: POOLS }),
        }),
      ),
    );
    expect(responses.map(({ status, text }) => (status === 200 ? 200 : text))).toEqual(Array(clients).fill(200));
    const conflicted = processes.reduce((sum, { wire }) => sum + wire.conflicted, 0);
    if (servers === 1) expect(conflicted).toBe(0);
    else expect(conflicted).toBeGreaterThan(0);
    const list = await patient.send("GET", `${where.path()}?pageSize=1000`, { token: where.admin });
    expect(list.body.totalElements).toBe(clients);
    expect(new Set(list.body.content.map(({ identity }: { identity: string }) => identity)).size).toBe(clients);
    await expectInvariants(patient.services, where.slug);
  });

  test("a creation returns an error with Retry-After when another process never stops writing", async () => {
    const hasty = await makeWorld({ writeTimeoutMs: 50 });
    const where = await hasty.tenant();
    hasty.wire.conflicts = true;
    // Another process that never finishes its transaction on the organisation's total.
    hasty.busy.add(JSON.stringify([{ S: `ORG#${where.slug}` }, { S: "TOTAL" }]));
    const response = await hasty.send("POST", where.path("production"), { token: where.admin, body: where.creation() });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(response.body.message).toBe(
      "Other requests kept writing to the same data. This write was not made; try again.",
    );
    expect(await clustersOf(hasty.services, where.slug)).toEqual([]);
  });
});
