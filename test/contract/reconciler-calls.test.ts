import { beforeAll, expect, test } from "vitest";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { Meter } from "#core/table/capacity-meter.ts";
import { reconcilerFrom } from "#functions/reconciler/services.ts";
import { readConfig } from "#functions/runtime/config.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** Work of one reconciliation, in database calls as sent and write units as the engine counts them. */
interface Work {
  calls: number;
  writeUnits: number;
}

const ISSUER = "https://issuer.example.test";

let now = Date.parse("2026-11-23T10:00:00.000Z");
let world: World;
let tenant: Tenant;
let identity: string;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(now) });
  tenant = await world.tenant();
  const nodePools = ["web", "jobs"].map((name) => ({ name, nodeSize: "t3.medium" }));
  const body = tenant.creation({ nodePools });
  ({ identity } = (await world.send("POST", tenant.path("production"), { token: tenant.admin, body })).body);
});

const change = (body: object) => world.send("PATCH", tenant.path("production", "one"), { token: tenant.admin, body });

/** Reconciles the cluster with all prerequisites, and expects an outcome. */
async function workUntil(expected: string): Promise<Work> {
  const meter = new Meter();
  const register = async (name: string) => ({
    clientId: `client of ${name}`,
    clientSecret: "x".repeat(43),
    registrationUri: `${ISSUER}/register/x`,
    registrationAccessToken: "x".repeat(43),
  });
  const own = {
    keyring: world.keyring,
    identityProvider: { issuer: ISSUER, register, remove: async () => true },
    warn: () => {},
  };
  const sleep = async (ms: number) => {
    now += ms;
  };
  const services = { ...world.services, table: world.table.metered(meter) };
  world.wire.spans.length = 0;
  expect(await reconcile(reconcilerFrom(readConfig({}), services, own, { sleep }), identity)).toBe("released");
  const work = { calls: world.wire.spans.length, writeUnits: meter.writeUnits };
  // A write of up to 1 KB costs half of one of up to 2 KB.
  expect(largestCluster()).toBeLessThan(1_000);
  const { status, body } = await world.send("GET", tenant.path("production", "one"), { token: tenant.admin });
  expect(status === 404 ? "deleted" : body.status).toBe(expected);
  return work;
}

/** Largest item of a cluster among the writes since the last reset, in bytes: names and values, as DynamoDB counts texts. */
function largestCluster(): number {
  const items = world.wire.spans
    .flatMap(
      ({ input }) => (input.TransactItems ?? []) as { Put?: { Item: Record<string, Record<string, unknown>> } }[],
    )
    .flatMap(({ Put }) => (Put?.Item.entity?.S === "cluster" ? [Put.Item] : []));
  const sizes = items.map((item) =>
    Object.entries(item).reduce(
      (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(String(Object.values(value)[0])),
      0,
    ),
  );
  return Math.max(0, ...sizes);
}

function expectAtMost(work: Work, most: Work): void {
  expect(work.calls).toBeLessThanOrEqual(most.calls);
  expect(work.writeUnits).toBeLessThanOrEqual(most.writeUnits);
  // A count of nothing would satisfy every limit.
  expect(Math.min(work.calls, work.writeUnits)).toBeGreaterThan(0);
}

test("a cluster's life takes at most the documented number of database calls and write units", async () => {
  expectAtMost(await workUntil("started"), { calls: 22, writeUnits: 57 });
  expect((await change({ enableAutoUpgrade: true })).status).toBe(200);
  expectAtMost(await workUntil("started"), { calls: 6, writeUnits: 7 });
  now += 2 * 60 * 60_000;
  expectAtMost(await workUntil("started"), { calls: 5, writeUnits: 5 });
  // An upgrade that waits for its window is read at each check.
  const upgrade = {
    clusterIdentity: identity,
    version: "v1.35.1-u-ame.1",
    scheduleRequestDate: "2026-12-01T00:00:00Z",
  };
  const path = `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`;
  const { body } = await world.send("POST", path, { token: tenant.admin, body: upgrade });
  await workUntil("started");
  now += 2 * 60 * 60_000;
  expectAtMost(await workUntil("started"), { calls: 6, writeUnits: 5 });
  expect((await world.send("DELETE", `${path}/${body.identity}`, { token: tenant.admin })).status).toBe(200);
  await workUntil("started");
  expect((await change({ status: "deleting" })).status).toBe(200);
  expectAtMost(await workUntil("deleted"), { calls: 22, writeUnits: 39 });
});
