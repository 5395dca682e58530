import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { clusterItem } from "#core/cluster/store/items.ts";
import { nodePoolsOf } from "#core/node-pool/items.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { type Fault, faultsOf, regenerateClientTokens } from "#test/support/faults.ts";
import { clustersOf, eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

let world: World;
/** World whose client sends every call once, so that the operation sees each failure. */
let once: World;
/** World whose engine executes a repeated transaction again. */
let forgetful: World;
let forgotten: { readonly attempts: number };
/** World whose writes end soon if they conflict. */
let hasty: World;

beforeAll(async () => {
  // Small buckets of the page index, so that a move causes a split.
  world = await makeWorld({ pageIndex: { bucket: 2, chunk: 64 } });
  once = await makeWorld({ maxAttempts: 1 });
  forgetful = await makeWorld({ pageIndex: { bucket: 2, chunk: 64 } });
  forgotten = regenerateClientTokens(forgetful.table);
  hasty = await makeWorld({ writeTimeoutMs: 50 });
});

afterEach(() => {
  hasty.busy.clear();
  for (const { wire } of [world, once, forgetful, hasty])
    Object.assign(wire, { fault: () => undefined, conflicts: false, latencyMs: 0 });
});

/** Creates a cluster for one write. */
interface Stage {
  tenant: Tenant;
  identity: string;
  /** Id of its only pool. */
  pool: number;
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestResponse>;
  at(environment: string, ...rest: unknown[]): string;
}

async function stageOn(of: World): Promise<Stage> {
  const tenant = await of.tenant();
  const send: Stage["send"] = (method, path, body, headers = {}) =>
    of.send(method, path, { token: tenant.admin, body, headers });
  const at: Stage["at"] = (environment, ...rest) => [tenant.path(environment, "one"), ...rest].join("/");
  const nodePools = [{ name: "web", nodeSize: "t3.medium", minSize: 2 }];
  const body = tenant.creation({ nodePools, maintenanceScheduleIdentity: tenant.schedule.identity });
  const { body: made } = await send("POST", tenant.path("production"), body);
  // Clusters next to the path of a move, and a deleting slug owner at its destination.
  expect((await send("POST", tenant.path("staging"), tenant.creation({ name: "zero" }))).status).toBe(200);
  expect((await send("POST", tenant.path("staging"), tenant.creation())).status).toBe(200);
  expect((await send("PATCH", at("staging"), { status: "deleting" })).status).toBe(200);
  const [pool] = await nodePoolsOf(of.table, made.identity);
  return { tenant, identity: made.identity, pool: pool?.id ?? 0, send, at };
}

/** Sets the stage's cluster to stopped, which only the reconciler does. */
async function stop(of: World, { tenant, identity }: Stage): Promise<void> {
  const cluster = (await clustersOf(of.services, tenant.slug)).find((each) => each.identity === identity);
  if (cluster === undefined) throw new Error("cluster not found");
  const state = { status: "stopped", desiredStatus: "stopping", revision: cluster.revision + 1 } as const;
  const written = new Transaction().put("cluster", clusterItem({ ...cluster, ...state }));
  expect(await commit(of.table, written, deadlineIn())).toEqual([]);
}

type Headers = Record<string, string>;
const BODY = { cni: "calico", deleteProtection: true, maintenanceScheduleIdentity: "", version: "v1.35.0-u-ame.1" };
const MOVE = { currentEnvironment: "production", newEnvironment: "staging" };
const NEW = { name: "new", nodeSize: "t3.medium", minSize: 4 };

/** All writes; `held` names the resource of the `If-Match` tag. */
const WRITES: [
  string,
  (stage: Stage, headers?: Headers) => Promise<TestResponse>,
  held: "cluster" | "pool" | undefined,
][] = [
  ["a change", ({ send, at }, headers) => send("PATCH", at("production"), BODY, headers), "cluster"],
  [
    "a deletion",
    ({ send, at }, headers) => send("PATCH", at("production"), { status: "deleting" }, headers),
    "cluster",
  ],
  [
    "a move by PATCH",
    ({ send, at }, headers) => send("PATCH", at("production"), { ...BODY, environmentSlug: "staging" }, headers),
    "cluster",
  ],
  ["a move by POST", ({ send, tenant }, headers) => send("POST", tenant.path("one", "move"), MOVE, headers), "cluster"],
  [
    "a change of rules",
    ({ send, at }, headers) => send("POST", at("production", "prometheus-rules-inheritance"), false, headers),
    undefined,
  ],
  [
    "a requested upgrade",
    ({ send, tenant, identity }, headers) =>
      send(
        "POST",
        `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`,
        {
          clusterIdentity: identity,
          version: "v1.35.0-u-ame.1",
        },
        headers,
      ),
    undefined,
  ],
  ["a new pool", ({ send, at }, headers) => send("POST", at("production", "pools"), NEW, headers), undefined],
  [
    "a changed pool",
    ({ send, at, pool }, headers) => send("PUT", at("production", "pools", pool), { minSize: 7 }, headers),
    "pool",
  ],
  [
    "a removed pool",
    ({ send, at, pool }, headers) => send("DELETE", at("production", "pools", pool), undefined, headers),
    "pool",
  ],
];

/** Everything that a write of the stage may change, without times and generated values. */
async function stateOf(of: World, { tenant, identity }: Stage) {
  const clusters = await clustersOf(of.services, tenant.slug);
  const pools = await nodePoolsOf(of.table, identity);
  return {
    clusters: clusters.map(({ modifiedAt: _, createdAt: _created, ...rest }) => rest),
    pools: pools
      .map(({ name, minSize, maxSize, provisionStatus, revision }) => ({
        name,
        minSize,
        maxSize,
        provisionStatus,
        revision,
      }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1)),
    events: (await eventsOf(of.services, identity)).map(({ type }) => type),
  };
}

/** Asserts counters, index and pointers, and that the cluster counts the requests of its live pools. */
async function expectWhole(of: World, stage: Stage): Promise<void> {
  await expectInvariants(of.services, stage.tenant.slug);
  const cluster = (await clustersOf(of.services, stage.tenant.slug)).find((each) => each.identity === stage.identity);
  const live = (await nodePoolsOf(of.table, stage.identity)).filter((each) => each.provisionStatus !== "DELETING");
  const nodes = live.reduce((sum, { minSize }) => sum + minSize, 0);
  expect(cluster).toMatchObject({ cpu: 2 * nodes, memory: 4096 * nodes });
}

const failing = (of: World, position: number, fault: Fault) => {
  let calls = 0;
  of.wire.fault = () => (calls++ === position ? fault : undefined);
};

const measured = new Map<World, Map<unknown, Promise<{ status: number; calls: string[] }>>>();

/** Response and calls of a write that nothing blocks; measured once. */
function measure(of: World, write: (stage: Stage) => Promise<TestResponse>) {
  const writes = measured.get(of) ?? new Map();
  measured.set(of, writes);
  const found = writes.get(write) ?? doUndisturbed(of, write);
  writes.set(write, found);
  return found;
}

async function doUndisturbed(of: World, write: (stage: Stage) => Promise<TestResponse>) {
  const stage = await stageOn(of);
  const before = await stateOf(of, stage);
  of.wire.spans.length = 0;
  const response = await write(stage);
  expect(response.status, response.text).toBeLessThan(205);
  const calls = of.wire.spans.map(({ operation }) => operation);
  const after = await stateOf(of, stage);
  expect(after).not.toEqual(before);
  expect(after.events).toHaveLength(before.events.length + 1);
  return { status: response.status, calls };
}

/** State without generated values of the stage: revisions, events, pools and locations of clusters. */
const gist = ({ clusters, pools, events }: Awaited<ReturnType<typeof stateOf>>) => ({
  clusters: clusters.map(({ environment, slug, status, cni, cpu, revision }) => [
    environment,
    slug,
    status,
    cni,
    cpu,
    revision,
  ]),
  pools,
  events,
});

describe.each(WRITES)("%s whose database calls fail", (name, write, held) => {
  const index = WRITES.findIndex(([each]) => each === name);
  // For an operation, a throttled call is a call that never arrived. The client's backoff makes it slow.
  const throttled: Fault[] = name === "a change" || name === "a new pool" ? ["throttle"] : [];

  test.each<Fault>([
    ...faultsOf(index, ["before", "after"]),
    ...(index === 0 || process.env.WRITE_FAULTS === "all" ? throttled : []),
  ])("a write of which each call fails once (%s the call) succeeds and happens once", async (fault) => {
    const { status, calls } = await measure(world, write);
    expect(calls.length).toBeGreaterThanOrEqual(2);
    const states = [];
    for (let position = 0; position < calls.length; position++) {
      const stage = await stageOn(world);
      failing(world, position, fault);
      const response = await write(stage);
      world.wire.fault = () => undefined;
      expect([position, response.status], response.text).toEqual([position, status]);
      states.push(gist(await stateOf(world, stage)));
      expect(states.at(-1)).toEqual(states[0]);
      await expectWhole(world, stage);
    }
    expect(states[0]?.events).toHaveLength(2);
  });

  test.each<Fault>(faultsOf(index, ["after", "before"]))(
    "a write of which one call fails permanently (%s the call) changes everything or nothing",
    async (fault) => {
      const { calls } = await measure(once, write);
      const written = calls.lastIndexOf("TransactWriteItems");
      expect(written).toBe(calls.length - 1);
      for (let position = 0; position < calls.length; position++) {
        const stage = await stageOn(once);
        const before = await stateOf(once, stage);
        failing(once, position, fault);
        const response = await write(stage);
        once.wire.fault = () => undefined;
        expect([position, response.status]).toEqual([position, 503]);
        expect(response.headers.get("retry-after")).toBe("1");
        const after = await stateOf(once, stage);
        if (fault === "after" && position === written) expect(after.events).toHaveLength(before.events.length + 1);
        else expect(after).toEqual(before);
        await expectWhole(once, stage);
      }
    },
  );

  /** Runs the write while its response is lost and the engine forgets the transaction. */
  async function loseResponse(headers: (stage: Stage) => Promise<Headers>): Promise<void> {
    const stage = await stageOn(forgetful);
    const sent = await headers(stage);
    let lost = false;
    forgetful.wire.fault = ({ operation, input }) => {
      // A split of the page index is a transaction too, but not the one that this test means.
      if (lost || operation !== "TransactWriteItems" || !JSON.stringify(input).includes("EVENT#")) return undefined;
      lost = true;
      return "after";
    };
    const { attempts } = forgotten;
    const response = await write(stage, sent);
    forgetful.wire.fault = () => undefined;
    await expectWhole(forgetful, stage);
    expect((await stateOf(forgetful, stage)).events).toHaveLength(2);
    expect([lost, forgotten.attempts - attempts >= 2]).toEqual([true, true]);
    expect(response.status, response.text).toBe(name === "a removed pool" ? 204 : 200);
  }

  test("a write whose response was lost is recognised when the database forgot the client token", async () => {
    await loseResponse(async () => ({}));
  });

  test.runIf(held !== undefined)("a write with If-Match whose response was lost is recognised, too", async () => {
    await loseResponse(async ({ send, at, pool }) => {
      const path = held === "cluster" ? at("production") : at("production", "pools", pool);
      return { "if-match": (await send("GET", path)).headers.get("etag") ?? "" };
    });
  });

  test("a write retries on conflicts, and returns an error with Retry-After when they never end", async () => {
    const stage = await stageOn(hasty);
    const before = await stateOf(hasty, stage);
    hasty.wire.conflicts = true;
    hasty.busy.add(JSON.stringify([{ S: `ORG#${stage.tenant.slug}` }, { S: "CLUSTER#production#one" }]));
    const response = await write(stage);
    expect([response.status, response.headers.get("retry-after")], response.text).toEqual([503, "1"]);
    expect(await stateOf(hasty, stage)).toEqual(before);
    hasty.busy.clear();
    hasty.wire.conflicts = false;
    expect((await write(stage)).status).toBeLessThan(205);
    await expectWhole(hasty, stage);
  });
});

describe("the cancellation of an upgrade whose database calls fail", () => {
  async function requested(of: World) {
    const stage = await stageOn(of);
    const upgrades = `/api/v1/orgs/${stage.tenant.slug}/scheduled-cluster-upgrades`;
    const body = { clusterIdentity: stage.identity, version: "v1.35.0-u-ame.1" };
    const response = await stage.send("POST", upgrades, body);
    return { stage, path: `${upgrades}/${response.body.identity}`, tag: response.headers.get("etag") ?? "" };
  }

  test.each<Fault>(["before", "after"])(
    "a cancellation of which a call fails (%s the call) happens once",
    async (fault) => {
      for (const position of [0, 1]) {
        const { stage, path, tag } = await requested(forgetful);
        failing(forgetful, position, fault);
        const response = await stage.send("DELETE", path, undefined, { "if-match": tag });
        forgetful.wire.fault = () => undefined;
        expect([position, response.status, response.body.status], response.text).toEqual([position, 200, "SUPERSEDED"]);
        const { events } = await stateOf(forgetful, stage);
        expect(events.filter((type) => type === "scheduled-upgrade.cancelled")).toHaveLength(1);
        expect((await stage.send("DELETE", path)).body).toEqual(response.body);
        await expectWhole(forgetful, stage);
      }
    },
  );
});

describe("a write that is repeated because its response was lost", () => {
  test("a repeated creation makes one cluster, also when the database forgot the first one", async () => {
    const tenant = await forgetful.tenant();
    const { attempts } = forgotten;
    forgetful.wire.fault = ({ operation }) =>
      operation === "TransactWriteItems" && forgotten.attempts === attempts ? "after" : undefined;
    const body = tenant.creation({ nodePools: [NEW] });
    const response = await forgetful.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect([forgotten.attempts - attempts, response.status], response.text).toEqual([2, 200]);
    const clusters = await clustersOf(forgetful.services, tenant.slug);
    expect(clusters.map(({ identity }) => identity)).toEqual([response.body.identity]);
    await expectInvariants(forgetful.services, tenant.slug);
  });

  test("a repeated start starts the stopped cluster once", async () => {
    const stage = await stageOn(world);
    await stop(world, stage);
    let writes = 0;
    world.wire.fault = ({ operation }) => (operation === "TransactWriteItems" && writes++ === 0 ? "after" : undefined);
    const response = await stage.send("PATCH", stage.at("production"), {
      status: "starting",
      version: "v1.35.0-u-ame.1",
    });
    expect([writes, response.status], response.text).toEqual([2, 200]);
    expect(response.body).toMatchObject({ status: "starting", desiredStatus: "starting", version: "v1.35.0-u-ame.1" });
    expect((await stateOf(world, stage)).events).toHaveLength(2);
    await expectWhole(world, stage);
  });
});
