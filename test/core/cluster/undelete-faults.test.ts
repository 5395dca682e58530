import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { nodePoolsOf } from "#core/node-pool/items.ts";
import { finishDeletion } from "#test/support/deletion.ts";
import { type Fault, regenerateClientTokens } from "#test/support/faults.ts";
import { clustersOf, eventsOf, expectInvariants, tombstonesOf } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

/** World whose clients repeat failed calls. */
let world: World;
/** World whose client sends every call once, so that the operation sees each failure. */
let once: World;
/** World whose engine executes a repeated transaction again. */
let forgetful: World;

// Small buckets of the page index, so that the restored cluster causes a split.
const SMALL = { pageIndex: { bucket: 2, chunk: 64 } };

beforeAll(async () => {
  world = await makeWorld(SMALL);
  once = await makeWorld({ ...SMALL, maxAttempts: 1 });
  forgetful = await makeWorld(SMALL);
  regenerateClientTokens(forgetful.table);
});

afterEach(() => {
  for (const { wire } of [world, once, forgetful]) Object.assign(wire, { fault: () => undefined });
});

interface Stage {
  tenant: Tenant;
  identity: string;
  undelete(headers?: Record<string, string>): Promise<TestResponse>;
}

/** Creates a deleted cluster with two pools, whose slug belongs to another deleting cluster, in a full bucket. */
async function stageOn(of: World): Promise<Stage> {
  const tenant = await of.tenant();
  const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    of.send(method, path, { token: tenant.admin, body, headers });
  const create = async (name: string) => {
    const nodePools = [1, 2].map((number) => ({ name: `p${number}`, nodeSize: "t3.medium", minSize: number }));
    const more = { name, nodePools, maintenanceScheduleIdentity: tenant.schedule.identity };
    const response = await send("POST", tenant.path("production"), tenant.creation(more));
    expect(response.status, response.text).toBe(200);
    return String(response.body.identity);
  };
  const remove = () => send("PATCH", tenant.path("production", "one"), { status: "deleting" });
  const identity = await create("one");
  await remove();
  await finishDeletion(of.services, tenant.slug, "production", "one");
  await create("one");
  await remove();
  await create("zero");
  return {
    tenant,
    identity,
    undelete: (headers) => send("POST", `${tenant.path("production", "one")}/undelete`, {}, headers),
  };
}

/** Asserts that the cluster is either restored or not; any partial state fails. */
async function isBack(of: World, { tenant, identity }: Stage): Promise<boolean> {
  await expectInvariants(of.services, tenant.slug);
  const cluster = (await clustersOf(of.services, tenant.slug)).find((each) => each.identity === identity);
  const back = cluster !== undefined;
  expect(await tombstonesOf(of.services, tenant.slug)).toHaveLength(back ? 0 : 1);
  expect(await nodePoolsOf(of.table, identity)).toHaveLength(back ? 2 : 0);
  expect(await eventsOf(of.services, identity)).toHaveLength(back ? 4 : 3);
  if (back) expect(cluster).toMatchObject({ status: "new", generation: 3, revision: 4, cpu: 6 });
  return back;
}

const failing = (of: World, position: number, fault: Fault) => {
  let calls = 0;
  of.wire.fault = () => (calls++ === position ? fault : undefined);
};

/** Restores a cluster that nothing blocks. @returns the calls that it makes */
async function measure(of: World): Promise<string[]> {
  const stage = await stageOn(of);
  of.wire.spans.length = 0;
  const response = await stage.undelete();
  expect(response.status, response.text).toBe(200);
  const calls = of.wire.spans.map(({ operation }) => operation);
  expect(await isBack(of, stage)).toBe(true);
  return calls;
}

describe("an undelete whose database calls fail", () => {
  test.each(["before", "after"] as const)(
    "an undelete whose calls fail once each (%s the call) happens once",
    async (fault) => {
      const calls = await measure(world);
      for (let position = 0; position < calls.length; position++) {
        const stage = await stageOn(world);
        failing(world, position, fault);
        const response = await stage.undelete();
        world.wire.fault = () => undefined;
        expect([position, response.status], response.text).toEqual([position, 200]);
        expect(await isBack(world, stage)).toBe(true);
      }
    },
  );

  test.each(["before", "after"] as const)(
    "an undelete whose call fails permanently (%s the call) restores everything or nothing",
    async (fault) => {
      const calls = await measure(once);
      const written = calls.lastIndexOf("TransactWriteItems");
      expect(written).toBe(calls.length - 1);
      for (let position = 0; position < calls.length; position++) {
        const stage = await stageOn(once);
        failing(once, position, fault);
        const response = await stage.undelete();
        once.wire.fault = () => undefined;
        expect([position, response.status, response.headers.get("retry-after")]).toEqual([position, 503, "1"]);
        expect(await isBack(once, stage)).toBe(fault === "after" && position === written);
      }
    },
  );

  test.each([{}, { "idempotency-key": "mine" }])(
    "a repeated undelete is recognised when the database forgot its client token, %o",
    async (headers) => {
      const stage = await stageOn(forgetful);
      let attempts = 0;
      forgetful.wire.fault = ({ operation }) => {
        if (operation !== "TransactWriteItems") return undefined;
        attempts++;
        return attempts === 1 ? "after" : undefined;
      };
      const response = await stage.undelete(headers);
      forgetful.wire.fault = () => undefined;
      expect([attempts >= 2, response.status], response.text).toEqual([true, 200]);
      expect(response.body.identity).toBe(stage.identity);
      expect(await isBack(forgetful, stage)).toBe(true);
    },
  );
});
