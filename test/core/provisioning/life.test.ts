import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { type LivingWorld, makeLivingWorld } from "#test/support/reconciling.ts";
import type { Answer, Json, Tenant } from "#test/support/world.ts";

let world: LivingWorld;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeLivingWorld();
});

afterEach(async () => {
  world.faults.next = undefined;
  await expectInvariants(world.services, tenant.slug);
});

const POOLS = [
  { name: "web", nodeSize: "t3.medium", minSize: 3 },
  { name: "jobs", nodeSize: "m5.large", autoScaling: true, minSize: 1, maxSize: 9, upgradeStrategy: "INPLACE" },
];

const send = (method: string, path: string, body?: unknown): Promise<Answer> =>
  world.send(method, path, { token: tenant.admin, body });
const at = (...rest: string[]) => [tenant.path("production", "one"), ...rest].join("/");
const get = async (query = ""): Promise<Json> => (await send("GET", at() + query)).body;

/** Makes a cluster in a new organisation. */
async function create(more: Record<string, unknown> = {}): Promise<Json> {
  tenant = await world.tenant();
  const answer = await send("POST", tenant.path("production"), tenant.creation({ nodePools: POOLS, ...more }));
  expect(answer.status, answer.text).toBe(200);
  return answer.body;
}

/** How a property went, by the events: what it was first, and what it became. */
async function wayOf(identity: string, path: string): Promise<unknown[]> {
  const events = await eventsOf(world.services, identity);
  const changes = events.flatMap(({ changes }): Json[] => JSON.parse(String(changes)));
  return changes.filter((change) => change.path === path).map(({ to }) => to);
}

const condition = (cluster: Json, type: string) => cluster.conditions.find((each: Json) => each.type === type);

describe("a cluster", () => {
  test("that was created is built in every phase, starts, and tells so", async () => {
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

  test("with the default step is started within 15 s of its clock", async () => {
    const { createdAt } = await create();
    await world.settle(15_000);
    const { status, conditions } = await get();
    expect(status).toBe("started");
    const ready = condition({ conditions }, "Ready").lastTransitionTime;
    expect(Date.parse(ready) - Date.parse(createdAt)).toBeLessThan(15_000);
  });

  test("stops, keeps what it is, and starts again at another version", async () => {
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

  test("that is deleted is gone, with pools, index entry and counts, and leaves its tombstone and events", async () => {
    const { identity } = await create();
    await world.settle();
    expect((await send("PATCH", at(), { status: "deleting" })).status).toBe(200);
    await world.settle();
    expect((await send("GET", at())).status).toBe(404);
    expect((await send("GET", tenant.path())).body.content).toEqual([]);
    expect((await wayOf(identity, "status")).slice(-2)).toEqual(["deleting", "deleted"]);
    const pk = `CLUSTER#${identity}`;
    expect(await world.table.query({ pk, prefix: "POOL#" })).toEqual([]);
    const stones = await world.table.query({ pk: `ORG#${tenant.slug}`, prefix: "DELETED#" });
    expect(stones.map((stone) => [stone.identity, stone.status])).toEqual([[identity, "deleted"]]);
  });

  test("that is deleted before anything was built is gone too", async () => {
    await create();
    await send("PATCH", at(), { status: "deleting" });
    await world.settle();
    expect((await send("GET", at())).status).toBe(404);
  });
});
