import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { clusterVersions, compareVersions } from "#core/catalogue/index.ts";
import type { Cluster } from "#core/cluster/entity.ts";
import { minorOf } from "#core/cluster/rules/versions.ts";
import type { NodePool } from "#core/node-pool/entity.ts";
import { upgradeStrategies } from "#core/node-pool/schema.ts";
import { buildPlan } from "#core/provisioning/plan.ts";
import type { Observation, Plan, Provisioner } from "#core/provisioning/provisioner.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import type { ProvisionerFault } from "#core/provisioning/simulated/provisioner.ts";
import { reconcileAll } from "#core/provisioning/work-queue.ts";
import { makeReconciledWorld, type ReconciledWorld, STEP_MS } from "#test/support/reconciling.ts";
import type { Json, Tenant, TestResponse } from "#test/support/world.ts";

const RUNS = Number(process.env.MODEL_RUNS ?? 6);
const VERSIONS = clusterVersions.map(({ version }) => version);
const POOL = { name: "web", nodeSize: "t3.medium" };

let world: ReconciledWorld;
let tenant: Tenant;
let original: Provisioner["apply"];
/** Every plan that the provisioner received, with the running versions at that time. */
let steps: { plan: Plan; running: Observation | undefined }[] = [];

beforeAll(async () => {
  world = await makeReconciledWorld({ callMs: 30 });
  const { provisioner } = world.reconciler;
  original = provisioner.apply.bind(provisioner);
  Object.assign(provisioner, {
    async apply(plan: Plan, signal: AbortSignal) {
      const faults = world.faults.next;
      world.faults.next = undefined;
      const running = await provisioner.observe({ cluster: plan.cluster, nodePools: [] }, signal);
      world.faults.next = faults;
      steps.push({ plan, running });
      return await original(plan, signal);
    },
  });
});

afterEach(() => {
  world.faults.next = undefined;
  steps = [];
});

const send = (method: string, path: string, body?: unknown): Promise<TestResponse> =>
  world.send(method, path, { token: tenant.admin, body });
const at = (...rest: string[]) => [tenant.path("production", "one"), ...rest].join("/");
const get = async (): Promise<Json> => (await send("GET", `${at()}?includeDetails=true`)).body;
const patch = (body: object) => send("PATCH", at(), body);

async function create(version: string, nodePools: object[] = [POOL]): Promise<string> {
  tenant = await world.tenant();
  const response = await send("POST", tenant.path("production"), tenant.creation({ version, nodePools }));
  expect(response.status, response.text).toBe(200);
  return response.body.identity;
}

/** Asserts that a plan follows the version skew policy from the running versions. */
function expectPolicy({ plan, running }: (typeof steps)[number]): void {
  const from = running?.version;
  const shown = JSON.stringify({
    from,
    to: plan.version,
    pools: plan.nodePools.map(({ version }) => version),
    running,
  });
  if (from !== undefined) {
    expect(minorOf(plan.version) - minorOf(from), shown).toBeLessThanOrEqual(1);
    if (minorOf(plan.version) < minorOf(from)) expect(plan.version, shown).toBe(plan.cluster.rollbackVersion);
  }
  const apiServer = [plan.version, ...(from === undefined ? [] : [from])].sort(compareVersions);
  for (const { version } of plan.nodePools) {
    expect(compareVersions(version, apiServer[0] ?? ""), shown).toBeLessThanOrEqual(0);
    expect(minorOf(apiServer.at(-1) ?? "") - minorOf(version), shown).toBeLessThanOrEqual(3);
  }
  for (const { version } of running?.nodePools ?? []) {
    if (from !== undefined) expect(compareVersions(version, plan.version), shown).toBeLessThanOrEqual(0);
  }
}

describe("the dry run of a change of version", () => {
  test("it announces for each strategy and kind of change whether the reconciler replaces the nodes", async () => {
    const named = upgradeStrategies.map((upgradeStrategy, number) => ({
      ...POOL,
      name: `pool-${number}`,
      upgradeStrategy,
    }));
    const identity = await create("v1.33.4-u-ame.1", named);
    await world.settle();
    const pools = (await send("GET", at("pools"))).body;
    const kinds = [
      ["patch up", "v1.33.4-u-ame.2"],
      ["patch down", "v1.33.4-u-ame.1"],
      ["minor up", "v1.34.3-u-ame.1"],
      ["minor down", "v1.33.4-u-ame.1"],
    ] as const;
    const replaced: Record<string, string[]> = {};
    for (const [kind, version] of kinds) {
      const { body } = await send("PATCH", `${at()}?dryRun=true`, { version });
      const announced = new Map<string, string>(
        body.consequences.flatMap(({ effect, nodePools }: Json) =>
          nodePools.map((pool: Json) => [pool.identity, effect === "rollsNodes" ? "replace" : "inPlace"]),
        ),
      );
      steps = [];
      expect((await patch({ version })).status).toBe(200);
      await world.settle();
      const made = new Map<string, string>();
      for (const { plan, running } of steps.filter(({ plan }) => plan.cluster.identity === identity)) {
        for (const { pool, version: to, upgrade } of plan.nodePools) {
          const from = running?.nodePools.find((each) => each.identity === pool.identity)?.version;
          if (from !== to) made.set(pool.identity, upgrade.method);
        }
      }
      expect(made.size, kind).toBe(upgradeStrategies.length);
      expect(Object.fromEntries(made), kind).toEqual(Object.fromEntries(announced));
      replaced[kind] = pools
        .filter((pool: Json) => made.get(pool.identity) === "replace")
        .map((pool: Json) => pool.upgradeStrategy);
    }
    const onMinor = upgradeStrategies.filter((strategy) => strategy.startsWith("REPLACE"));
    expect(replaced).toEqual({
      "patch up": ["REPLACE"],
      "patch down": ["REPLACE"],
      "minor up": expect.arrayContaining(onMinor),
      "minor down": expect.arrayContaining(onMinor),
    });
  });
});

describe("a second change of version during an upgrade", () => {
  test("a version two minors above the running one is refused with the reachable versions, and accepted once the first one runs", async () => {
    const identity = await create("v1.33.4-u-ame.1");
    await world.settle();
    expect((await patch({ version: "v1.34.3-u-ame.1" })).status).toBe(200);
    const early = await patch({ version: "v1.35.0-u-ame.1" });
    expect(early.status).toBe(400);
    expect(early.body.message).toContain("runs v1.33.4-u-ame.1");
    expect(early.body.message).toContain("v1.34.4-u-ame.2");
    expect((await send("PATCH", `${at()}?dryRun=true`, { version: "v1.35.0-u-ame.1" })).body).toEqual(early.body);
    await reconcile(world.reconciler, identity, 0);
    const underWay = await patch({ version: "v1.35.0-u-ame.1" });
    expect(underWay.status).toBe(400);
    expect(underWay.body.message).toContain("is changing to v1.34.3-u-ame.1");
    await world.settle();
    expect((await patch({ version: "v1.35.0-u-ame.1" })).status).toBe(200);
    await world.settle();
    expect((await get()).actualState.version).toBe("v1.35.0-u-ame.1");
    expect([...new Set(steps.map(({ plan }) => minorOf(plan.version)))]).toEqual([33, 34, 35]);
    steps.forEach(expectPolicy);
  });

  test("the upgrades endpoint offers exactly the versions that a PATCH accepts, at every moment of an upgrade", async () => {
    const identity = await create("v1.33.4-u-ame.2");
    const check = async () => {
      const { body } = await send("GET", at("upgrades"));
      for (const version of VERSIONS.filter((each) => each !== body.version)) {
        const { status } = await send("PATCH", `${at()}?dryRun=true`, { version });
        const entry = body.reachable.find((each: Json) => each.version === version);
        expect([version, status]).toEqual([version, entry === undefined ? 400 : 200]);
      }
      for (const { chain, blockedBy, version } of body.newer) {
        const isReachable = body.reachable.some((each: Json) => each.version === chain[0]);
        expect([version, isReachable || blockedBy.length > 0]).toEqual([version, true]);
      }
      return body;
    };
    await world.settle();
    await patch({ version: "v1.34.3-u-ame.1" });
    expect(await check()).toMatchObject({ runningVersion: "v1.33.4-u-ame.2", version: "v1.34.3-u-ame.1" });
    await reconcile(world.reconciler, identity, 0);
    const body = await check();
    expect(body.reachable[0]).toMatchObject({ version: "v1.33.4-u-ame.2", direction: "rollback" });
    expect(body.newer.at(-1)).toMatchObject({
      chain: ["v1.34.3-u-ame.1", "v1.35.1-u-ame.1"],
      blockedBy: [expect.stringContaining("wait until it runs v1.34.3-u-ame.1")],
    });
    await world.settle();
    expect((await check()).runningVersion).toBe("v1.34.3-u-ame.1");
  });

  test("a PATCH to the running version cancels the upgrade, and another version of that minor is refused during it", async () => {
    const identity = await create("v1.33.4-u-ame.1");
    await world.settle();
    await patch({ version: "v1.34.3-u-ame.1" });
    expect((await patch({ version: "v1.33.8-u-ame.1" })).status).toBe(200);
    expect((await patch({ version: "v1.34.3-u-ame.1" })).status).toBe(200);
    await reconcile(world.reconciler, identity, 0);
    expect((await patch({ version: "v1.33.8-u-ame.1" })).status).toBe(400);
    expect((await patch({ version: "v1.33.4-u-ame.1" })).status).toBe(200);
    await world.settle();
    expect(await get()).toMatchObject({ status: "started", actualState: { version: "v1.33.4-u-ame.1" } });
    steps.forEach(expectPolicy);
  });

  test("a second version waits for the start of a cluster that was stopped during its upgrade", async () => {
    await create("v1.33.4-u-ame.1");
    await world.settle();
    await patch({ version: "v1.34.3-u-ame.1" });
    await patch({ status: "stopping" });
    await world.settle();
    expect((await get()).actualState).toMatchObject({ status: "stopped", version: "v1.33.4-u-ame.1" });
    expect((await patch({ status: "starting", version: "v1.35.0-u-ame.1" })).status).toBe(400);
    await patch({ status: "starting" });
    await world.settle();
    expect((await get()).actualState).toMatchObject({ status: "started", version: "v1.34.3-u-ame.1" });
    steps.forEach(expectPolicy);
  });

  test("an update channel two minors ahead changes no version", async () => {
    await create("v1.33.4-u-ame.1");
    await world.settle();
    expect((await patch({ updateChannel: "v1.35", version: "" })).body.version).toBe("v1.33.4-u-ame.1");
    await world.settle();
    expect((await get()).actualState.version).toBe("v1.33.4-u-ame.1");
  });

  test("the version of an undeleted cluster is validated against the version that it is built with", async () => {
    await create("v1.33.4-u-ame.1");
    await world.settle();
    await patch({ version: "v1.34.3-u-ame.1" });
    await patch({ status: "deleting" });
    await world.settle();
    expect((await send("POST", at("undelete"), {})).status).toBe(200);
    expect((await get()).actualState).toBeUndefined();
    expect((await patch({ version: "v1.33.4-u-ame.1" })).status).toBe(400);
    expect((await patch({ version: "v1.35.0-u-ame.1" })).status).toBe(200);
    steps = [];
    await world.settle();
    expect((await get()).actualState.version).toBe("v1.35.0-u-ame.1");
    steps.forEach(expectPolicy);
  });

  test("a pool created during an upgrade starts with the control plane's running version", async () => {
    const identity = await create("v1.34.4-u-ame.1");
    await world.settle();
    await patch({ version: "v1.35.0-u-ame.1" });
    await reconcile(world.reconciler, identity, 0);
    steps = [];
    expect((await send("POST", at("pools"), { ...POOL, name: "more" })).status).toBe(200);
    await world.settle();
    const first = steps[0]?.plan.nodePools.find(({ pool }) => pool.name === "more");
    expect(first?.version).toBe("v1.34.4-u-ame.1");
    expect((await get()).actualState.version).toBe("v1.35.0-u-ame.1");
    steps.forEach(expectPolicy);
  });
});

describe("the plan of a change of version", () => {
  const [POOL_OF_33] = [{ identity: "p", name: "web", upgradeStrategy: "INPLACE", provisionStatus: "DONE" }];
  const seen = (version: string | undefined, pool: string): Observation => ({
    collectedAt: "2026-11-23T10:00:00.000Z",
    phase: "DONE",
    power: "started",
    version,
    endpoint: undefined,
    nodePools: [{ identity: "p", version: pool, nodes: 1, state: "ready" }],
  });
  const plan = (cluster: Partial<Cluster>, observation: Observation | undefined) => {
    const whole = { desiredStatus: "starting", ...cluster } as Cluster;
    const { version, nodePools } = buildPlan(whole, [POOL_OF_33 as unknown as NodePool], observation, 1);
    return [version, nodePools[0]?.version];
  };

  test("a plan over two minors passes each minor, and waits until the previous one runs", () => {
    const asked = { version: "v1.35.0-u-ame.1" };
    const [one, two] = ["v1.33.4-u-ame.1", "v1.34.4-u-ame.2"] as const;
    expect(plan({ ...asked, plannedVersion: one }, seen(one, one))).toEqual([two, one]);
    expect(plan({ ...asked, plannedVersion: two }, seen(one, one))).toEqual([two, one]);
    expect(plan({ ...asked, plannedVersion: two }, seen(two, one))).toEqual(["v1.35.0-u-ame.1", one]);
    expect(plan({ ...asked, plannedVersion: asked.version }, seen(asked.version, one))).toEqual([asked.version, two]);
  });

  test("a plan upgrades the control plane only when no node would be more than three minors older", () => {
    const [asked, planned] = ["v1.35.0-u-ame.1", "v1.34.3-u-ame.1"];
    const cluster = { version: asked, plannedVersion: planned };
    expect(plan(cluster, seen(planned, "v1.32.0-u-ame.1"))[0]).toBe(asked);
    expect(plan(cluster, seen(planned, "v1.31.0-u-ame.1"))).toEqual([planned, "v1.31.0-u-ame.1"]);
  });

  test("a downgrade plan changes the nodes first, and the control plane when they are ready", () => {
    const [back, present] = ["v1.33.4-u-ame.1", "v1.34.3-u-ame.1"];
    const cluster = { version: back, rollbackVersion: back, plannedVersion: present };
    expect(plan(cluster, seen(present, present))).toEqual([present, back]);
    const pending = seen(present, back);
    const half = { ...pending, nodePools: pending.nodePools.map((pool) => ({ ...pool, state: "pending" as const })) };
    expect(plan(cluster, half)).toEqual([present, back]);
    expect(plan(cluster, seen(present, back))).toEqual([back, back]);
  });

  test("a plan of a stopped cluster does not change its control plane", () => {
    const [asked, present] = ["v1.35.0-u-ame.1", "v1.34.3-u-ame.1"];
    const cluster = { version: asked, plannedVersion: present, desiredStatus: "stopping" as const };
    expect(plan(cluster, seen(present, present))).toEqual([present, present]);
  });
});

describe("random requests, failures and deaths of workers during upgrades", () => {
  const fault: fc.Arbitrary<ProvisionerFault | undefined> = fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 2, arbitrary: fc.constant({ kind: "fails" as const, message: "no" }) },
    { weight: 1, arbitrary: fc.constant({ kind: "hangs" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "late" as const, ms: 5 }) },
  );
  const request = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant("version" as const), version: fc.constantFrom(...VERSIONS) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("status" as const), status: fc.constantFrom("starting", "stopping") }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("add" as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const) }) },
    {
      weight: 7,
      arbitrary: fc.record({
        kind: fc.constant("work" as const),
        budgetMs: fc.constantFrom(0, STEP_MS, 3_000, 20_000),
        // Longer than a lease, so that another worker continues.
        pass: fc.constantFrom(0, STEP_MS, 60_000),
        dies: fc.boolean(),
        faults: fc.array(fault, { maxLength: 5 }),
      }),
    },
  );

  test("no step skips a minor or violates the skew policy, and the requested version is reached", {
    timeout: 60_000 + RUNS * 8_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("v1.33.4-u-ame.1", "v1.34.3-u-ame.1"),
        fc.array(request, { minLength: 4, maxLength: 20 }),
        async (version, requests) => {
          steps = [];
          const identity = await create(version);
          for (const each of requests) {
            if (each.kind === "version") await patch({ version: each.version });
            else if (each.kind === "status") await patch({ status: each.status });
            else if (each.kind === "add") await send("POST", at("pools"), { ...POOL, name: "more" });
            else if (each.kind === "remove") {
              const [pool] = (await send("GET", at("pools"))).body;
              if (pool !== undefined) await send("DELETE", at("pools", pool.id));
            } else {
              world.advanceClock(each.pass);
              const faults = [...each.faults];
              world.faults.next = () => faults.shift();
              if (each.dies) {
                // A worker dies between a call and its write: the response is lost and the lease expires.
                const { provisioner } = world.reconciler;
                const dying: Provisioner = {
                  ...provisioner,
                  async apply(plan, signal) {
                    await provisioner.apply(plan, signal).catch(() => {});
                    throw DEATH;
                  },
                };
                const services = { ...world.reconciler, provisioner: dying };
                await reconcile(services, identity, 0).catch(() => {});
              } else await reconcileAll(world.reconciler, [identity], 1, each.budgetMs);
              world.faults.next = undefined;
            }
          }
          if ((await get()).status !== "started") {
            await world.settle();
            await patch({ status: "starting" });
          }
          await world.settle();
          const cluster = await get();
          expect(cluster).toMatchObject({ status: "started", actualState: { version: cluster.version } });
          const pools = (await send("GET", at("pools"))).body;
          expect(pools.every((pool: Json) => pool.provisionStatus === "DONE")).toBe(true);
          steps.forEach(expectPolicy);
        },
      ),
      { numRuns: RUNS, endOnFailure: true },
    );
  });
});

const DEATH = new Error("the worker died");
