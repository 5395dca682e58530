import { afterEach, beforeAll, expect, test } from "vitest";
import type { Fault } from "#test/support/faults.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** World with a short write timeout. Its client repeats a call whose response is lost. */
let hasty: World;
/** World whose client sends every call once. */
let once: World;

beforeAll(async () => {
  hasty = await makeWorld({ writeTimeoutMs: 50 });
  once = await makeWorld({ maxAttempts: 1 });
});

afterEach(() => {
  for (const { wire, busy } of [hasty, once]) {
    Object.assign(wire, { fault: () => undefined, conflicts: false });
    busy.clear();
  }
});

const CONTENDED = "Other requests kept writing to the same data.";
const UNREACHABLE = "The database is unreachable or overloaded.";
const UNKNOWN = "The outcome of this write is unknown: read the current state before you try again.";

const post = (world: World, tenant: Tenant) =>
  world.send("POST", tenant.path("production"), { token: tenant.admin, body: tenant.creation() });

/** Lets another process lock an item that every creation writes. */
function occupy(world: World, tenant: Tenant): void {
  world.wire.conflicts = true;
  world.busy.add(JSON.stringify([{ S: `ORG#${tenant.slug}` }, { S: "TOTAL" }]));
}

/** Injects a fault into transactions. @param which selects it from the number of the attempt, 1 for the first */
function failWrites(world: World, which: (sending: number) => Fault): void {
  let sending = 0;
  world.wire.fault = ({ operation }) => (operation === "TransactWriteItems" ? which(++sending) : undefined);
}

test("a write that met only conflicts returns 503 and says that it was not made", async () => {
  const tenant = await hasty.tenant();
  occupy(hasty, tenant);
  const response = await post(hasty, tenant);
  expect([response.status, response.body.message]).toEqual([503, `${CONTENDED} This write was not made; try again.`]);
});

test("a write whose earlier attempt is in progress returns 503 and says that its outcome is unknown", async () => {
  const tenant = await hasty.tenant();
  failWrites(hasty, () => "in progress");
  const response = await post(hasty, tenant);
  expect([response.status, response.body.message]).toEqual([503, `${CONTENDED} ${UNKNOWN}`]);
});

test("a write that was in progress once and then met conflicts returns 503 and says that its outcome is unknown", async () => {
  const tenant = await hasty.tenant();
  occupy(hasty, tenant);
  failWrites(hasty, (sending) => (sending === 1 ? "in progress" : undefined));
  const response = await post(hasty, tenant);
  expect([response.status, response.body.message]).toEqual([503, `${CONTENDED} ${UNKNOWN}`]);
});

test("a write whose response was lost and whose retry met conflicts returns 503 and says that its outcome is unknown", async () => {
  const tenant = await hasty.tenant();
  failWrites(hasty, (sending) => {
    if (sending === 2) occupy(hasty, tenant);
    return sending === 1 ? "after" : undefined;
  });
  const response = await post(hasty, tenant);
  expect([response.status, response.body.message]).toEqual([503, `${CONTENDED} ${UNKNOWN}`]);
  hasty.busy.clear();
  // It was made, but the client could not know.
  const list = await hasty.send("GET", tenant.path("production"), { token: tenant.admin });
  expect(list.body.totalElements).toBe(1);
});

test.each(["before", "after", "throttle"] as const)(
  "a write with the injected fault %s returns 503 and says that its outcome is unknown",
  async (fault) => {
    const tenant = await once.tenant();
    failWrites(once, () => fault);
    const response = await post(once, tenant);
    expect([response.status, response.body.message]).toEqual([503, `${UNREACHABLE} ${UNKNOWN}`]);
  },
);

test("a read that fails returns 503 and does not mention a write", async () => {
  const tenant = await once.tenant();
  once.wire.fault = () => "before";
  const response = await post(once, tenant);
  expect([response.status, response.body.message]).toEqual([503, `${UNREACHABLE} Try again.`]);
});
