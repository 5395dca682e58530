import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { Cluster } from "#core/cluster/entity.ts";
import { canFollow, type DesiredStatus } from "#core/cluster/rules/transitions.ts";
import type { ProvisionerFault } from "#core/provisioning/simulated/provisioner.ts";
import { reconcileAll } from "#core/provisioning/work-queue.ts";
import { clustersOf, eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { makeReconciledWorld, type ReconciledWorld, scanDue } from "#test/support/reconciling.ts";
import type { Json, Tenant } from "#test/support/world.ts";

/** `MODEL_RUNS` sets more runs. A run takes half a second, and several times that on a busy machine. */
const RUNS = Number(process.env.MODEL_RUNS ?? 8);
const LIMIT_MS = 60_000 + RUNS * 6_000;

const VERSIONS = ["v1.34.3-u-ame.1", "v1.34.4-u-ame.1", "v1.35.0-u-ame.1"];

const fault: fc.Arbitrary<ProvisionerFault | undefined> = fc.oneof(
  { weight: 5, arbitrary: fc.constant(undefined) },
  { weight: 2, arbitrary: fc.constant({ kind: "fails" as const, message: "no" }) },
  { weight: 1, arbitrary: fc.constant({ kind: "hangs" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "late" as const, ms: 10 }) },
  { weight: 1, arbitrary: fc.constant({ kind: "forgets" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("lies" as const),
      observation: fc.option(
        fc.record({
          collectedAt: fc.constant("2026-11-23T10:00:00.000Z"),
          phase: fc.constantFrom(undefined, "CLUSTER_PROVISIONED" as const, "DONE" as const),
          power: fc.constantFrom("starting" as const, "started" as const, "stopping" as const, "stopped" as const),
          version: fc.constantFrom(undefined, ...VERSIONS),
          endpoint: fc.constant(undefined),
          nodePools: fc.constant([]),
        }),
        { nil: undefined },
      ),
    }),
  },
);

const cluster = fc.constantFrom("one", "two");
const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("create" as const), cluster }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("patch" as const),
      cluster,
      body: fc.oneof(
        fc.record({ status: fc.constantFrom("starting", "stopping", "deleting") }),
        fc.record({ version: fc.constantFrom(...VERSIONS) }),
        fc.record({ status: fc.constant("starting"), version: fc.constantFrom(...VERSIONS) }),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete and undelete" as const), cluster }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("add pool" as const), cluster }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove pool" as const), cluster }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("work" as const),
      budgetMs: fc.constantFrom(0, 800, 5_000, 20_000),
      pass: fc.constantFrom(0, 1_000, 60_000),
      faults: fc.array(fault, { maxLength: 6 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

let world: ReconciledWorld;

beforeAll(async () => {
  world = await makeReconciledWorld({ callMs: 30 });
});

async function run(tenant: Tenant, given: Step): Promise<void> {
  const send = (method: string, path: string, body?: unknown) =>
    world.send(method, path, { token: tenant.admin, body });
  if (given.kind === "work") {
    const faults = [...given.faults];
    world.faults.next = () => faults.shift();
    world.advanceClock(given.pass);
    const due = (await scanDue(world)).map(({ identity }) => identity);
    for (const each of await reconcileAll(world.reconciler, due, 2, given.budgetMs))
      if ("error" in each) throw each.error;
    world.faults.next = undefined;
    return;
  }
  const path = tenant.path("production", given.cluster);
  if (given.kind === "create") {
    const nodePools = [{ name: "web", nodeSize: "t3.medium" }];
    await send(
      "POST",
      tenant.path("production"),
      tenant.creation({ name: given.cluster, nodePools, version: VERSIONS[0] }),
    );
  } else if (given.kind === "patch") {
    await send("PATCH", path, given.body);
  } else if (given.kind === "delete and undelete") {
    await send("PATCH", path, { status: "deleting" });
    await run(tenant, { kind: "work", budgetMs: 20_000, pass: 0, faults: [] });
    await send("POST", `${path}/undelete`);
  } else if (given.kind === "add pool") {
    await send("POST", `${path}/pools`, { name: "more", nodeSize: "t3.medium" });
  } else {
    const { body } = await send("GET", `${path}/pools`);
    const [pool] = Array.isArray(body) ? body : [];
    if (pool !== undefined) await send("DELETE", `${path}/pools/${pool.id}`);
  }
}

/** Asserts that a cluster's states, as its events show them, follow the state machine. */
async function expectLegal(identity: string): Promise<void> {
  let desired: DesiredStatus = "starting";
  let at = "new";
  let phase = "ACCEPTED";
  for (const event of await eventsOf(world.services, identity)) {
    const changes: Json[] = event.changes;
    const asked = changes.find(({ path }) => path === "desiredStatus");
    if (asked !== undefined) desired = asked.to;
    // The event of a status also contains earlier phases that were recorded together with it.
    phase = changes.findLast(({ path }) => path === "provisionStatus")?.to ?? phase;
    expect(changes.filter(({ path }) => path === "status").length).toBeLessThanOrEqual(1);
    const change = changes.find(({ path }) => path === "status");
    if (change === undefined) continue;
    expect(change.from).toBe(at);
    // A status requested from unknown is shown at once.
    const isLegal = asked !== undefined || canFollow(change.from, change.to, desired);
    expect([change.from, change.to, desired, isLegal]).toEqual([change.from, change.to, desired, true]);
    at = change.to;
    if (at === "started") expect(phase).toBe("DONE");
  }
}

/** Asserts that a cluster is done, and what is observed of it. */
async function expectState(tenant: Tenant, present: Cluster, wanted: string, version: string | undefined) {
  expect([present.slug, present.status, present.provisionStatus]).toEqual([present.slug, wanted, "DONE"]);
  const path = tenant.path("production", present.slug);
  const { body } = await world.send("GET", `${path}?includeDetails=true`, { token: tenant.admin });
  expect(body.actualState).toMatchObject({ status: wanted, version });
  const pools = (await world.send("GET", `${path}/pools`, { token: tenant.admin })).body;
  if (wanted === "started") expect(pools.every((pool: Json) => pool.provisionStatus === "DONE")).toBe(true);
  else expect(pools.every((pool: Json) => pool.provisionStatus !== "DELETING")).toBe(true);
}

test("states follow the state machine and clusters converge, whatever is requested and whatever fails", {
  timeout: LIMIT_MS,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const tenant = await world.tenant();
      const identities = new Set<string>();
      for (const each of steps) {
        await run(tenant, each);
        for (const { identity } of await clustersOf(world.services, tenant.slug)) identities.add(identity);
      }
      await world.settle();
      for (const identity of identities) await expectLegal(identity);
      await expectInvariants(world.services, tenant.slug);
      for (const present of await clustersOf(world.services, tenant.slug)) {
        const wanted = { starting: "started", stopping: "stopped", deleting: "deleted" }[present.desiredStatus];
        // A version that was requested shortly before the stop waits for the next start.
        await expectState(tenant, present, wanted, wanted === "stopped" ? present.plannedVersion : present.version);
        if (wanted !== "stopped") continue;
        const started = { token: tenant.admin, body: { status: "starting" } };
        expect((await world.send("PATCH", tenant.path("production", present.slug), started)).status).toBe(200);
      }
      // Long enough for a start, and too short for the resync of all clusters of the world.
      await world.settle(60_000);
      for (const present of await clustersOf(world.services, tenant.slug)) {
        await expectState(tenant, present, "started", present.version);
      }
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});
