import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { reconcile } from "#core/provisioning/reconcile.ts";
import type { ProvisionerFault } from "#core/provisioning/simulated/provisioner.ts";
import { eventsOf } from "#test/support/invariants.ts";
import { makeReconciledWorld, type ReconciledWorld, STEP_MS, targetOf } from "#test/support/reconciling.ts";
import type { Json, Tenant, TestResponse } from "#test/support/world.ts";

const RUNS = Number(process.env.MODEL_RUNS ?? 6);

let world: ReconciledWorld;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeReconciledWorld({ callMs: 30 });
});

afterEach(() => {
  world.faults.next = undefined;
});

const send = (
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<TestResponse> => world.send(method, path, { token: tenant.admin, body, headers });
const at = (...rest: string[]) => [tenant.path("production", "one"), ...rest].join("/");
const get = async (): Promise<Json> => (await send("GET", at())).body;
const poolsOf = async (): Promise<Json[]> => (await send("GET", at("pools"))).body;

async function create(): Promise<Json> {
  tenant = await world.tenant();
  const nodePools = [
    { name: "web", nodeSize: "t3.medium" },
    { name: "jobs", nodeSize: "t3.medium" },
  ];
  const body = tenant.creation({ version: "v1.33.4-u-ame.1", nodePools });
  const response = await send("POST", tenant.path("production"), body);
  expect(response.status, response.text).toBe(200);
  await world.settle();
  return await get();
}

const poolPath = async () => at("pools", (await poolsOf())[0]?.id);
const conditionsOf = ({ conditions }: Json): Record<string, string> =>
  Object.fromEntries(conditions.map(({ type, status }: Json) => [type, status]));

interface Write {
  name: string;
  /** Sends the write. @returns its response */
  write: () => Promise<TestResponse>;
  /** Conditions that must not be True after the write. */
  untrue: string[];
  /** Number of the two pools that must not be DONE after the write. */
  pools: number;
  /** Status of the cluster after the write. */
  status?: string;
  /** True if the cluster is stopped before the write. */
  isStopped?: boolean;
}

const patch = (body: object) => () => send("PATCH", at(), body);
const writes: Write[] = [
  { name: "version", write: patch({ version: "v1.34.3-u-ame.1" }), untrue: ["UpToDate", "NodePoolsReady"], pools: 2 },
  { name: "add-ons", write: patch({ addons: { dns: { enabled: true } } }), untrue: ["UpToDate"], pools: 0 },
  { name: "high availability", write: patch({ enableHighAvailability: true }), untrue: ["UpToDate"], pools: 0 },
  { name: "a network rule", write: patch({ enableNetworkEncryption: true }), untrue: ["UpToDate"], pools: 0 },
  {
    name: "a security profile",
    write: patch({ podSecurityStandardsProfile: "baseline" }),
    untrue: ["UpToDate"],
    pools: 0,
  },
  {
    name: "Prometheus rules",
    write: () => send("POST", at("prometheus-rules-inheritance"), false),
    untrue: ["UpToDate"],
    pools: 0,
  },
  { name: "deletion protection", write: patch({ deleteProtection: true }), untrue: [], pools: 0 },
  { name: "automatic upgrades", write: patch({ enableAutoUpgrade: true }), untrue: [], pools: 0 },
  {
    name: "a stop",
    write: patch({ status: "stopping" }),
    untrue: ["Ready", "NodePoolsReady"],
    pools: 0,
    status: "stopping",
  },
  {
    name: "a start",
    write: patch({ status: "starting" }),
    untrue: ["Ready", "NodePoolsReady"],
    pools: 2,
    status: "starting",
    isStopped: true,
  },
  {
    name: "a start with another version",
    write: patch({ status: "starting", version: "v1.34.3-u-ame.1" }),
    untrue: ["Ready", "NodePoolsReady", "UpToDate"],
    pools: 2,
    status: "starting",
    isStopped: true,
  },
  {
    name: "a deletion",
    write: patch({ status: "deleting" }),
    untrue: ["Ready", "NodePoolsReady", "UpToDate", "Provisioned"],
    pools: 0,
    status: "deleting",
  },
  {
    name: "a changed pool",
    write: async () => send("PUT", await poolPath(), { labels: { role: "web" } }),
    untrue: ["NodePoolsReady"],
    pools: 1,
  },
  {
    name: "a new pool",
    write: () => send("POST", at("pools"), { name: "more", nodeSize: "t3.medium" }),
    untrue: ["NodePoolsReady"],
    pools: 1,
  },
  { name: "a deleted pool", write: async () => send("DELETE", await poolPath()), untrue: ["NodePoolsReady"], pools: 1 },
];

describe.each(writes)(
  "a change of $name before the reconciler has observed it",
  ({ write, untrue, pools, status, isStopped }) => {
    test("a change is shown as unfinished in every response, and as done in the end", async () => {
      const made = await create();
      if (isStopped === true) {
        await send("PATCH", at(), { status: "stopping" });
        await world.settle();
      }
      const before = await get();
      const response = await write();
      expect(response.status, response.text).toBeLessThan(205);
      const listed = (await send("GET", tenant.path("production"))).body.content[0];
      const direct = await get();
      const shown = response.body?.conditions === undefined ? [direct, listed] : [response.body, direct, listed];
      for (const cluster of shown) {
        expect(cluster.generation).toBe(before.generation + 1);
        for (const each of cluster.conditions) expect(each.observedGeneration).toBe(before.generation);
        const conditions = conditionsOf(cluster);
        for (const type of untrue) expect([type, conditions[type]]).not.toEqual([type, "True"]);
        if (untrue.length > 0) expect(conditions.Reconciled).not.toBe("True");
        // Other conditions did not change.
        const untouched = before.conditions.filter(({ type }: Json) => ![...untrue, "Reconciled"].includes(type));
        for (const { type, status: old } of untouched) {
          expect([type, conditions[type]]).toEqual([type, old]);
        }
        expect(cluster.status).toBe(status ?? before.status);
      }
      expect((await poolsOf()).filter(({ provisionStatus }) => provisionStatus !== "DONE")).toHaveLength(pools);
      await world.settle();
      if (status === "deleting") return expect((await send("GET", at())).status).toBe(404);
      const after = await get();
      expect(after.conditions.every((each: Json) => each.observedGeneration === after.generation)).toBe(true);
      if (status === "stopping") return expect(after.status).toBe("stopped");
      expect(after.status).toBe("started");
      expect(Object.values(conditionsOf(after))).toEqual(["True", "True", "True", "True", "True"]);
      expect((await poolsOf()).every(({ provisionStatus }) => provisionStatus === "DONE")).toBe(true);
      expect(made.identity).toBe(after.identity);
    });
  },
);

test("a move before the reconciler has observed it is shown as unfinished at the new path", async () => {
  await create();
  const { body } = await send("POST", tenant.path("one", "move"), {
    currentEnvironment: "production",
    newEnvironment: "staging",
  });
  expect(conditionsOf(body).UpToDate).toBe("False");
  await world.settle();
  const after = (await send("GET", tenant.path("staging", "one"))).body;
  expect(Object.values(conditionsOf(after))).toEqual(["True", "True", "True", "True", "True"]);
});

test("a dry run shows the conditions after the write", async () => {
  await create();
  const dry = (await send("PATCH", `${at()}?dryRun=true`, { version: "v1.34.3-u-ame.1" })).body;
  expect(conditionsOf(dry)).toMatchObject({ UpToDate: "False", NodePoolsReady: "False" });
  const path = await poolPath();
  expect((await send("PUT", `${path}?dryRun=true`, { minSize: 2 })).body.provisionStatus).toBe("ACCEPTED");
  expect((await poolsOf()).every(({ provisionStatus }) => provisionStatus === "DONE")).toBe(true);
});

test("waiting for started does not end before the reconciler has observed later requests", async () => {
  const { identity } = await create();
  await send("PATCH", at(), { enableHighAvailability: true });
  const path = `${at()}?waitFor=status:started`;
  const early = await send("GET", path, undefined, { prefer: "wait=1" });
  expect(conditionsOf(early.body).UpToDate).toBe("False");
  const waiting = send("GET", path, undefined, { prefer: "wait=10" });
  await reconcile(world.reconciler, identity);
  const { body } = await waiting;
  expect(body.conditions.every((each: Json) => each.observedGeneration === body.generation)).toBe(true);
});

test("a change of a pool's labels is not done by an observation from before it was applied", async () => {
  const { identity } = await create();
  const path = await poolPath();
  const { identity: changed } = (await send("PUT", path, { labels: { role: "web" } })).body;
  await reconcile(world.reconciler, identity, 0);
  const running = await world.reconciler.provisioner.observe(targetOf(identity), new AbortController().signal);
  expect(running?.nodePools.find((each) => each.identity === changed)?.state).toBe("pending");
  expect((await send("GET", path)).body.provisionStatus).toBe("PROVISIONING");
  expect(conditionsOf(await get()).NodePoolsReady).toBe("False");
  await world.settle();
  expect((await send("GET", path)).body.provisionStatus).toBe("DONE");
  const events = (await eventsOf(world.services, identity)).flatMap(({ changes }): Json[] => changes);
  const states = events.filter((each) => each.path === "nodePools[web].provisionStatus").map(({ to }) => to);
  expect(states.slice(-3)).toEqual(["DONE", "PROVISIONING", "DONE"]);
  expect(states.filter((each) => each === "DONE")).toHaveLength(2);
});

test("a change that the provisioner does not accept remains unfinished, also while the cluster cannot be observed", async () => {
  const { identity } = await create();
  await send("PUT", await poolPath(), { labels: { role: "web" } });
  for (const operation of ["apply", "observe"]) {
    world.faults.next = (call) =>
      call.identity === identity && call.operation === operation ? { kind: "fails", message: "no" } : undefined;
    world.advanceClock(60_000);
    await reconcile(world.reconciler, identity, 0);
    const cluster = await get();
    for (const { type, status, observedGeneration } of cluster.conditions) {
      const isDone = status === "True" && observedGeneration === cluster.generation;
      expect([operation, type, isDone]).toEqual([operation, type, false]);
    }
    expect((await poolsOf()).map(({ provisionStatus }) => provisionStatus).sort()).toEqual(["ACCEPTED", "DONE"]);
  }
});

describe("random writes and reconcile steps", () => {
  const fault: fc.Arbitrary<ProvisionerFault | undefined> = fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 2, arbitrary: fc.constant({ kind: "fails" as const, message: "no" }) },
    { weight: 1, arbitrary: fc.constant({ kind: "hangs" as const }) },
  );
  const step = fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("version" as const),
        to: fc.constantFrom("v1.33.8-u-ame.1", "v1.34.3-u-ame.1", "v1.34.4-u-ame.1"),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("pool" as const), size: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("add-on" as const), name: fc.constantFrom("a", "b") }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("work" as const),
        budgetMs: fc.constantFrom(0, STEP_MS, 5_000),
        pass: fc.constantFrom(0, STEP_MS, 60_000),
        faults: fc.array(fault, { maxLength: 4 }),
      }),
    },
  );

  /** Asserts that everything shown as done is done. */
  async function expectHonest(identity: string, sizes: Map<string, number>, asked: string): Promise<void> {
    const cluster = await get();
    const pools = await poolsOf();
    const saved = world.faults.next;
    world.faults.next = undefined;
    const running = await world.reconciler.provisioner.observe(targetOf(identity), new AbortController().signal);
    world.faults.next = saved;
    const isDone = (type: string) =>
      cluster.conditions.some(
        (each: Json) => each.type === type && each.status === "True" && each.observedGeneration === cluster.generation,
      );
    if (isDone("UpToDate")) expect(running?.version).toBe(asked);
    for (const pool of pools.filter(({ provisionStatus }) => provisionStatus === "DONE" || isDone("NodePoolsReady"))) {
      const observed = running?.nodePools.find((each) => each.identity === pool.identity);
      expect([pool.name, observed?.version, observed?.nodes, observed?.state]).toEqual([
        ...[pool.name, asked, sizes.get(pool.name), "ready"],
      ]);
    }
  }

  test("everything shown as done for the current generation runs as requested", {
    timeout: 60_000 + RUNS * 8_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
        const { identity, version } = await create();
        let asked = version;
        const sizes = new Map([
          ["web", 1],
          ["jobs", 1],
        ]);
        for (const each of steps) {
          if (each.kind === "version") {
            const response = await send("PATCH", at(), { version: each.to });
            if (response.status === 200) asked = each.to;
          } else if (each.kind === "pool") {
            const [pool] = await poolsOf();
            await send("PUT", at("pools", pool?.id), { minSize: each.size, maxSize: each.size });
            sizes.set(pool?.name, each.size);
          } else if (each.kind === "add-on") {
            await send("PATCH", at(), { addons: { [each.name]: { enabled: true } } });
          } else {
            const faults = [...each.faults];
            world.advanceClock(each.pass);
            world.faults.next = () => faults.shift();
            await reconcile(world.reconciler, identity, each.budgetMs);
            world.faults.next = undefined;
          }
          await expectHonest(identity, sizes, asked);
        }
        await world.settle();
        await expectHonest(identity, sizes, asked);
        expect(Object.values(conditionsOf(await get()))).toEqual(["True", "True", "True", "True", "True"]);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  });
});
