import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { clusterItem } from "#core/cluster/store/items.ts";
import { nodePoolsOf } from "#core/node-pool/items.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { type Fault, forgetTransactions } from "#test/support/faults.ts";
import { clustersOf, eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { type Answer, makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
/** A world whose client sends every call once: what fails there is seen by the operation. */
let once: World;
/** A world whose engine takes a transaction that is sent again for a new one. */
let forgetful: World;
let forgotten: { readonly sendings: number };

beforeAll(async () => {
  // Small buckets of the page index, so that a move meets a split.
  world = await makeWorld({ pageIndex: { bucket: 2, chunk: 64 } });
  once = await makeWorld({ maxAttempts: 1 });
  forgetful = await makeWorld({ pageIndex: { bucket: 2, chunk: 64 } });
  forgotten = forgetTransactions(forgetful.table);
});

afterEach(() => {
  for (const { wire } of [world, once, forgetful])
    Object.assign(wire, { fault: () => undefined, conflicts: false, latencyMs: 0 });
});

/** A cluster of its own to write to. */
interface Stage {
  tenant: Tenant;
  identity: string;
  /** The id of its one pool. */
  pool: number;
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
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
  // Something beside the way of a move, and a deleting holder at its end.
  expect((await send("POST", tenant.path("staging"), tenant.creation({ name: "zero" }))).status).toBe(200);
  expect((await send("POST", tenant.path("staging"), tenant.creation())).status).toBe(200);
  expect((await send("PATCH", at("staging"), { status: "deleting" })).status).toBe(200);
  const [pool] = await nodePoolsOf(of.table, made.identity);
  return { tenant, identity: made.identity, pool: pool?.id ?? 0, send, at };
}

/** Brings the stage's cluster to stopped, as only the reconciler does. */
async function stop(of: World, { tenant, identity }: Stage): Promise<void> {
  const cluster = (await clustersOf(of.services, tenant.slug)).find((each) => each.identity === identity);
  if (cluster === undefined) throw new Error("no cluster");
  const state = { status: "stopped", desiredStatus: "stopping", revision: cluster.revision + 1 } as const;
  const written = new Transaction().put("cluster", clusterItem({ ...cluster, ...state }));
  expect(await commit(of.table, written, deadlineIn())).toEqual([]);
}

type Headers = Record<string, string>;
const BODY = { cni: "calico", deleteProtection: true, maintenanceScheduleIdentity: "", version: "v1.35.0-u-ame.1" };
const MOVE = { currentEnvironment: "production", newEnvironment: "staging" };
const NEW = { name: "new", nodeSize: "t3.medium", minSize: 4 };

/** Every write; `held` names what its `If-Match` holds it to. */
const WRITES: [string, (stage: Stage, headers?: Headers) => Promise<Answer>, held: "cluster" | "pool" | undefined][] = [
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

/** Everything that a write of the stage may touch, without times and what is drawn. */
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

/** Asserts counters, index and pointers, and that the cluster counts what its live pools ask for. */
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

/** What a write answers and which calls it makes with nothing in its way; done once. */
function measure(of: World, write: (stage: Stage) => Promise<Answer>) {
  const writes = measured.get(of) ?? new Map();
  measured.set(of, writes);
  const found = writes.get(write) ?? doUndisturbed(of, write);
  writes.set(write, found);
  return found;
}

async function doUndisturbed(of: World, write: (stage: Stage) => Promise<Answer>) {
  const stage = await stageOn(of);
  const before = await stateOf(of, stage);
  of.wire.spans.length = 0;
  const answer = await write(stage);
  expect(answer.status, answer.text).toBeLessThan(205);
  const calls = of.wire.spans.map(({ operation }) => operation);
  const after = await stateOf(of, stage);
  expect(after).not.toEqual(before);
  expect(after.events).toHaveLength(before.events.length + 1);
  return { status: answer.status, calls };
}

/** What a state says whatever was drawn for its stage: how far revisions, events and pools are, and where clusters are. */
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
  // To an operation a call that is refused for load is one that never arrived; the client's pauses make it slow.
  test.each<Fault>(
    name === "a change" || name === "a new pool" ? ["before", "after", "throttle"] : ["before", "after"],
  )("once, %s they happen, succeeds and happens once", async (fault) => {
    const { status, calls } = await measure(world, write);
    expect(calls.length).toBeGreaterThanOrEqual(2);
    const states = [];
    for (let position = 0; position < calls.length; position++) {
      const stage = await stageOn(world);
      failing(world, position, fault);
      const answer = await write(stage);
      world.wire.fault = () => undefined;
      expect([position, answer.status], answer.text).toEqual([position, status]);
      states.push(gist(await stateOf(world, stage)));
      expect(states.at(-1)).toEqual(states[0]);
      await expectWhole(world, stage);
    }
    expect(states[0]?.events).toHaveLength(2);
  });

  test.each(["before", "after"] as const)("for good, %s they happen, leaves all or nothing", async (fault) => {
    const { calls } = await measure(once, write);
    const written = calls.lastIndexOf("TransactWriteItems");
    expect(written).toBe(calls.length - 1);
    for (let position = 0; position < calls.length; position++) {
      const stage = await stageOn(once);
      const before = await stateOf(once, stage);
      failing(once, position, fault);
      const answer = await write(stage);
      once.wire.fault = () => undefined;
      expect([position, answer.status]).toEqual([position, 503]);
      expect(answer.headers.get("retry-after")).toBe("1");
      const after = await stateOf(once, stage);
      if (fault === "after" && position === written) expect(after.events).toHaveLength(before.events.length + 1);
      else expect(after).toEqual(before);
      await expectWhole(once, stage);
    }
  });

  /** Does the write while its answer is lost and the engine forgets that it was there. */
  async function loseAnswer(headers: (stage: Stage) => Promise<Headers>): Promise<void> {
    const stage = await stageOn(forgetful);
    const sent = await headers(stage);
    let lost = false;
    forgetful.wire.fault = ({ operation, input }) => {
      // A split of the page index on the way is a transaction too, and not the one that is meant.
      if (lost || operation !== "TransactWriteItems" || !JSON.stringify(input).includes("EVENT#")) return undefined;
      lost = true;
      return "after";
    };
    const { sendings } = forgotten;
    const answer = await write(stage, sent);
    forgetful.wire.fault = () => undefined;
    await expectWhole(forgetful, stage);
    expect((await stateOf(forgetful, stage)).events).toHaveLength(2);
    expect([lost, forgotten.sendings - sendings >= 2]).toEqual([true, true]);
    expect(answer.status, answer.text).toBe(name === "a removed pool" ? 204 : 200);
  }

  test("is recognised as its own when the answer was lost and the database forgot the client token", async () => {
    await loseAnswer(async () => ({}));
  });

  test.runIf(held !== undefined)("and that was held to a tag is recognised as its own, too", async () => {
    await loseAnswer(async ({ send, at, pool }) => {
      const path = held === "cluster" ? at("production") : at("production", "pools", pool);
      return { "if-match": (await send("GET", path)).headers.get("etag") ?? "" };
    });
  });

  test("waits for others who write at the same place, and is told to come back where they never end", async () => {
    const hasty = await makeWorld({ writeTimeoutMs: 50 });
    const stage = await stageOn(hasty);
    const before = await stateOf(hasty, stage);
    hasty.wire.conflicts = true;
    hasty.busy.add(JSON.stringify([{ S: `ORG#${stage.tenant.slug}` }, { S: "CLUSTER#production#one" }]));
    const answer = await write(stage);
    expect([answer.status, answer.headers.get("retry-after")], answer.text).toEqual([503, "1"]);
    expect(await stateOf(hasty, stage)).toEqual(before);
    hasty.busy.clear();
    expect((await write(stage)).status).toBeLessThan(205);
    await expectWhole(hasty, stage);
  });
});

describe("one more write whose answer is lost", () => {
  test("makes one cluster, also where the database forgot that it was sent before", async () => {
    const tenant = await forgetful.tenant();
    const { sendings } = forgotten;
    forgetful.wire.fault = ({ operation }) =>
      operation === "TransactWriteItems" && forgotten.sendings === sendings ? "after" : undefined;
    const body = tenant.creation({ nodePools: [NEW] });
    const answer = await forgetful.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect([forgotten.sendings - sendings, answer.status], answer.text).toEqual([2, 200]);
    const clusters = await clustersOf(forgetful.services, tenant.slug);
    expect(clusters.map(({ identity }) => identity)).toEqual([answer.body.identity]);
    await expectInvariants(forgetful.services, tenant.slug);
  });

  test("starts the stopped cluster once", async () => {
    const stage = await stageOn(world);
    await stop(world, stage);
    let writes = 0;
    world.wire.fault = ({ operation }) => (operation === "TransactWriteItems" && writes++ === 0 ? "after" : undefined);
    const answer = await stage.send("PATCH", stage.at("production"), {
      status: "starting",
      version: "v1.35.0-u-ame.1",
    });
    expect([writes, answer.status], answer.text).toEqual([2, 200]);
    expect(answer.body).toMatchObject({ status: "starting", desiredStatus: "starting", version: "v1.35.0-u-ame.1" });
    expect((await stateOf(world, stage)).events).toHaveLength(2);
    await expectWhole(world, stage);
  });
});
