import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { createEnvironment, removeEnvironment } from "#core/admin/environments.ts";
import type { Plan } from "#core/provisioning/provisioner.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { eventsOf, expectInvariants, tombstonesOf } from "#test/support/invariants.ts";
import { makeReconciledWorld, type ReconciledWorld, STEP_MS, targetOf } from "#test/support/reconciling.ts";
import type { Json, Tenant, TestResponse } from "#test/support/world.ts";

let world: ReconciledWorld;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeReconciledWorld();
});

afterEach(async () => {
  world.faults.next = undefined;
  await expectInvariants(world.services, tenant.slug);
});

const POOLS = [
  { name: "web", nodeSize: "t3.medium", minSize: 3 },
  { name: "jobs", nodeSize: "m5.large", autoScaling: true, minSize: 1, maxSize: 9, upgradeStrategy: "INPLACE" },
];

const send = (method: string, path: string, body?: unknown): Promise<TestResponse> =>
  world.send(method, path, { token: tenant.admin, body });
const at = (...rest: string[]) => [tenant.path("production", "one"), ...rest].join("/");
const get = async (query = ""): Promise<Json> => (await send("GET", at() + query)).body;

/** Creates a cluster in a new organisation. */
async function create(more: Record<string, unknown> = {}): Promise<Json> {
  tenant = await world.tenant();
  const response = await send("POST", tenant.path("production"), tenant.creation({ nodePools: POOLS, ...more }));
  expect(response.status, response.text).toBe(200);
  return response.body;
}

/** Values of a property over time, from the events: first value, then each change. */
async function wayOf(identity: string, path: string): Promise<unknown[]> {
  const events = await eventsOf(world.services, identity);
  const changes = events.flatMap(({ changes }): Json[] => changes);
  return changes.filter((change) => change.path === path).map(({ to }) => to);
}

const condition = (cluster: Json, type: string) => cluster.conditions.find((each: Json) => each.type === type);

describe("the life of a cluster under the reconciler", () => {
  test("a created cluster passes every phase, starts, and has events for them", async () => {
    const { identity } = await create();
    await world.settle();
    const cluster = await get("?includeDetails=true");
    expect(cluster).toMatchObject({
      status: "started",
      provisionStatus: "DONE",
      ameOIDC: true,
      actualState: { status: "started", version: cluster.version },
    });
    expect(await wayOf(identity, "status")).toEqual(["provisioning", "provisioned", "starting", "started"]);
    expect(await wayOf(identity, "provisionStatus")).toEqual([
      "OIDC_PROVISIONED",
      "CLUSTER_PROVISIONED",
      "INITIAL_NODE_POOLS_PROVISIONED",
      "INITIAL_ADDONS_PROVISIONED",
      "DONE",
    ]);
    expect(cluster.conditions.map(({ type, status }: Json) => [type, status])).toEqual([
      ["Provisioned", "True"],
      ["Ready", "True"],
      ["NodePoolsReady", "True"],
      ["UpToDate", "True"],
      ["Reconciled", "True"],
    ]);
    const pools = (await send("GET", at("pools"))).body;
    expect(pools.map((pool: Json) => pool.provisionStatus)).toEqual(["DONE", "DONE"]);
  });

  test("a cluster starts within 15 s of its clock with the default step", async () => {
    const { createdAt } = await create();
    await world.settle(15_000);
    const { status, conditions } = await get();
    expect(status).toBe("started");
    const ready = condition({ conditions }, "Ready").lastTransitionTime;
    expect(Date.parse(ready) - Date.parse(createdAt)).toBeLessThan(15_000);
  });

  test("a cluster stops, keeps its configuration, and starts again with another version", async () => {
    const { identity, version } = await create({ version: "v1.34.4-u-ame.1" });
    await world.settle();
    expect((await send("PATCH", at(), { status: "stopping" })).body.status).toBe("stopping");
    await world.settle();
    expect(await get()).toMatchObject({ status: "stopped", provisionStatus: "DONE" });
    const next = "v1.35.0-u-ame.1";
    expect((await send("PATCH", at(), { status: "starting", version: next })).status).toBe(200);
    await world.settle();
    expect(await get("?includeDetails=true")).toMatchObject({ status: "started", actualState: { version: next } });
    expect((await wayOf(identity, "status")).slice(4)).toEqual(["stopping", "stopped", "starting", "started"]);
    expect(version).not.toBe(next);
  });

  test("a deleted cluster is removed with pools, index entry and counts, and leaves its tombstone and events", async () => {
    const { identity } = await create();
    await world.settle();
    expect((await send("PATCH", at(), { status: "deleting" })).status).toBe(200);
    await world.settle();
    expect((await send("GET", at())).status).toBe(404);
    expect((await send("GET", tenant.path())).body.content).toEqual([]);
    expect((await wayOf(identity, "status")).slice(-2)).toEqual(["deleting", "deleted"]);
    const pk = `CLUSTER#${identity}`;
    expect(await world.table.query({ pk, prefix: "POOL#" })).toEqual([]);
    const stones = await tombstonesOf(world.services, tenant.slug);
    expect(stones.map((stone) => [stone.identity, stone.status])).toEqual([[identity, "deleted"]]);
  });

  test("a cluster in a deleted environment is removed, and then the environment's slug is available", async () => {
    await create();
    await send("PATCH", at(), { status: "deleting" });
    await removeEnvironment(world.services, tenant.slug, "production");
    const again = () => createEnvironment(world.services, tenant.slug, { name: "production", type: "other" });
    await expect(again()).rejects.toThrow(/production/);
    await world.settle();
    expect((await again()).slug).toBe("production");
    expect((await send("GET", at())).status).toBe(404);
  });

  test("a cluster that is deleted before it was built is removed too", async () => {
    await create();
    await send("PATCH", at(), { status: "deleting" });
    await world.settle();
    expect((await send("GET", at())).status).toBe(404);
  });
});

describe("changes of a started cluster", () => {
  test("new, changed and removed pools of a started cluster are applied", async () => {
    await create();
    await world.settle();
    const web = (await send("GET", at("pools"))).body.find((pool: Json) => pool.name === "web");
    expect((await send("POST", at("pools"), { name: "more", nodeSize: "t3.medium" })).status).toBe(200);
    expect((await send("PUT", at("pools", String(web.id)), { minSize: 5, maxSize: 5 })).status).toBe(200);
    const jobs = (await send("GET", at("pools"))).body.find((pool: Json) => pool.name === "jobs");
    expect((await send("DELETE", at("pools", String(jobs.id)))).status).toBe(204);
    await world.settle();
    const pools = (await send("GET", at("pools"))).body;
    expect(pools.map((pool: Json) => [pool.name, pool.provisionStatus])).toEqual([
      ["web", "DONE"],
      ["more", "DONE"],
    ]);
    const seen = await world.reconciler.provisioner.observe(
      targetOf((await get()).identity),
      new AbortController().signal,
    );
    expect(seen?.nodePools.map(({ nodes }) => nodes).toSorted()).toEqual([1, 5]);
  });

  test("a node pool has the same path in all of its cluster's events", async () => {
    const zoned = { name: "web", nodeSize: "t3.medium", availabilityZone: "eu-west-1a" };
    await create({ nodePools: [{ name: "web", nodeSize: "t3.medium" }, zoned] });
    await world.settle();
    const added = await send("POST", at("pools"), { name: "jobs", nodeSize: "t3.medium" });
    await world.settle();
    await send("PUT", at("pools", added.body.id), { minSize: 2 });
    await world.settle();
    await send("DELETE", at("pools", added.body.id));
    await world.settle();
    const { content } = (await send("GET", `${at("events")}?size=100`)).body;
    const changes = content.toReversed().flatMap((event: Json) => event.changes);
    const paths = changes.map(({ path }: Json) => path).filter((path: string) => path.startsWith("nodePools"));
    expect([...new Set(paths)].toSorted()).toEqual([
      "nodePools[jobs]",
      "nodePools[jobs].maxSize",
      "nodePools[jobs].minSize",
      "nodePools[jobs].provisionStatus",
      "nodePools[web/eu-west-1a]",
      "nodePools[web/eu-west-1a].provisionStatus",
      "nodePools[web]",
      "nodePools[web].provisionStatus",
    ]);
    const requested = content.find(({ type }: Json) => type === "node-pool.deletion-requested");
    expect(requested.changes).toEqual([{ path: "nodePools[jobs].provisionStatus", from: "DONE", to: "DELETING" }]);
  });

  test("the number of nodes follows the pools, within the limits of autoscaled pools, and is zero while stopped", async () => {
    const { identity } = await create();
    await world.settle();
    const pools = (await send("GET", at("pools"))).body;
    const idOf = (name: string) => pools.find((pool: Json) => pool.name === name).id;
    const nodes = async () => {
      const seen = await world.reconciler.provisioner.observe(targetOf(identity), new AbortController().signal);
      return ["web", "jobs"].map((name) => {
        const pool = pools.find((each: Json) => each.name === name);
        return seen?.nodePools.find((each) => each.identity === pool.identity)?.nodes;
      });
    };
    const become = async (method: string, path: string, body: unknown) => {
      expect((await send(method, path, body)).status).toBe(200);
      await world.settle();
      return await nodes();
    };
    expect(await nodes()).toEqual([3, 1]);
    expect(await become("PUT", at("pools", idOf("jobs")), { minSize: 4 })).toEqual([3, 4]);
    expect(await become("PUT", at("pools", idOf("jobs")), { minSize: 1 })).toEqual([3, 4]);
    expect(await become("PUT", at("pools", idOf("jobs")), { maxSize: 2 })).toEqual([3, 2]);
    expect(await become("PUT", at("pools", idOf("web")), { minSize: 0 })).toEqual([0, 2]);
    expect(await become("PUT", at("pools", idOf("web")), { maxSize: 1 })).toEqual([1, 2]);
    expect(await become("PATCH", at(), { status: "stopping" })).toEqual([0, 0]);
    expect(await become("PATCH", at(), { status: "starting" })).toEqual([1, 2]);
  });

  test("each pool is upgraded by its strategy, for a minor version and for a patch", async () => {
    const replaced = { method: "replace", drain: true };
    const drained = { method: "inPlace", drain: true };
    const inPlace = { method: "inPlace", drain: false };
    const ways: [strategy: string, patch: object, minor: object][] = [
      ["REPLACE", replaced, replaced],
      ["INPLACE", drained, drained],
      ["INPLACE_WITHOUT_DRAIN", inPlace, inPlace],
      ["REPLACE_MINOR_INPLACE_PATCH", drained, replaced],
      ["REPLACE_MINOR_INPLACE_PATCH_WITHOUT_DRAIN", inPlace, replaced],
    ];
    const nodePools = ways.map(([upgradeStrategy], number) => ({
      ...{ name: `p${number}`, nodeSize: "t3.medium", upgradeStrategy },
    }));
    await create({ version: "v1.34.3-u-ame.1", nodePools });
    await world.settle();
    for (const [version, way] of [
      ["v1.34.4-u-ame.1", 1],
      ["v1.35.0-u-ame.1", 2],
    ] as const) {
      const plans: Plan[] = [];
      const { apply } = world.reconciler.provisioner;
      Object.assign(world.reconciler.provisioner, {
        apply(...given: Parameters<typeof apply>) {
          plans.push(given[0]);
          return apply(...given);
        },
      });
      expect((await send("PATCH", at(), { version })).status).toBe(200);
      await world.settle();
      Object.assign(world.reconciler.provisioner, { apply });
      const upgrading = plans.find(({ nodePools: planned }) => planned.every((each) => each.version === version));
      const upgrades = upgrading?.nodePools.map(({ pool, upgrade }) => [pool.upgradeStrategy, upgrade]);
      expect(upgrades?.toSorted()).toEqual(ways.map((each) => [each[0], each[way]]).toSorted());
      expect((await get()).conditions.every(({ status }: Json) => status === "True")).toBe(true);
    }
  });

  test.each([
    ["up", "v1.34.4-u-ame.1", "v1.35.0-u-ame.1"],
    ["down", "v1.35.1-u-ame.1", "v1.35.0-u-ame.1"],
  ])(
    "a cluster brought %s never has a node newer than the control plane, and each pool follows its strategy",
    async (_, from, to) => {
      const { identity } = await create({ version: from });
      await world.settle();
      expect((await send("PATCH", at(), { version: to })).status).toBe(200);
      const seen: Json[] = [];
      const methods: Json[] = [];
      const { provisioner } = world.reconciler;
      const { observe, apply } = provisioner;
      Object.assign(provisioner, {
        async observe(...given: Parameters<typeof observe>) {
          const response = await observe(...given);
          // Other clusters are observed, too, from time to time.
          if (given[0].cluster.identity === identity) {
            seen.push([response?.version, ...(response?.nodePools ?? []).map(({ version }) => version)]);
          }
          return response;
        },
        async apply(...given: Parameters<typeof apply>) {
          const { cluster, nodePools } = given[0];
          if (cluster.identity === identity)
            methods.push(...nodePools.map(({ pool, upgrade }) => [pool.name, upgrade.method]));
          return apply(...given);
        },
      });
      await world.settle();
      Object.assign(provisioner, { observe, apply });
      expect(seen.at(-1)).toEqual([to, to, to]);
      for (const [controlPlane, ...pools] of seen) {
        for (const pool of pools) expect([pool, controlPlane].toSorted().at(-1)).toBe(controlPlane);
      }
      expect(new Set(seen.map((each) => each.join())).size).toBeGreaterThanOrEqual(3);
      expect(methods).toContainEqual(["web", "replace"]);
      expect(methods.filter(([name]) => name === "jobs").every(([, method]) => method === "inPlace")).toBe(true);
      expect(await get()).toMatchObject({ identity, version: to, status: "started" });
    },
  );

  test.each([
    ["provisioned", 2],
    ["starting", 3],
  ])("a cluster whose version was changed while it was %s runs the last requested version", async (status, steps) => {
    await create({ version: "v1.34.4-u-ame.1" });
    await reconcile(world.reconciler, (await get()).identity, steps * STEP_MS);
    expect((await get()).status).toBe(status);
    expect((await send("PATCH", at(), { version: "v1.35.0-u-ame.1" })).status).toBe(200);
    await world.settle();
    expect(await get("?includeDetails=true")).toMatchObject({
      status: "started",
      actualState: { version: "v1.35.0-u-ame.1" },
    });
  });
});

describe("the entity tag and conditions of a cluster", () => {
  test("the entity tag changes with the status and not with observations, and conditions name the observed generation", async () => {
    const { identity } = await create();
    await world.settle();
    const first = await send("GET", at());
    await send("PATCH", at(), { deleteProtection: true });
    const second = await send("GET", at());
    expect(second.body.generation).toBe(2);
    expect(condition(second.body, "Ready").observedGeneration).toBe(1);
    await world.settle();
    const third = await send("GET", at());
    expect(condition(third.body, "Ready").observedGeneration).toBe(2);
    expect(third.headers.get("etag")).toBe(second.headers.get("etag"));
    expect(second.headers.get("etag")).not.toBe(first.headers.get("etag"));
    await world.settle(3 * 60 * 60_000);
    const late = (await send("GET", `${at()}?includeDetails=true`)).body.actualState.collectedAt;
    expect(Date.parse(late) - Date.parse(third.body.modifiedAt)).toBeGreaterThan(60 * 60_000);
    expect((await send("GET", at())).headers.get("etag")).toBe(second.headers.get("etag"));
    expect(identity).toBe(third.body.identity);
  });
});
