/**
 * `npm run bench:costs`: measures the database consumption of every operation and of the reconciler, and calculates a month's
 * cost on AWS. Writes docs/cost.md. The results do not depend on the speed of the machine.
 */

import { randomUUID } from "node:crypto";
import { clusterEntity } from "#core/cluster/entity.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { findDue } from "#core/provisioning/work-queue.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { createLocalKeyring, createMemoryKeyStore } from "#core/secrets/local-keyring.ts";
import { Meter } from "#core/table/capacity-meter.ts";
import { createTable } from "#core/table/create.ts";
import { routes } from "#functions/api/routes.ts";
import { startEngine } from "#functions/local/engine.ts";
import { reconcilerFrom } from "#functions/reconciler/services.ts";
import { readConfig } from "#functions/runtime/config.ts";
import { fill } from "#test/support/filling.ts";
import { type Tenant, type World, worldOn } from "#test/support/world.ts";
import { type MeasuredOperation, measuredOperations, pathOf, type Values } from "./cost-operations.ts";
import { formatCostTables } from "./cost-tables.ts";
import { writeBetween } from "./document.ts";
import { type Consumption, SWEEP, type WorkConsumption } from "./prices.ts";

/** Current time, which advances only when the reconciler waits. */
let now = Date.now();

/** KMS calls and seconds of waiting since the last read. */
const counted = { keyRequests: 0, seconds: 0 };

function taken(): typeof counted {
  const present = { ...counted };
  Object.assign(counted, { keyRequests: 0, seconds: 0 });
  return present;
}

/** Keyring that counts every call, as KMS does. */
function countedKeyring(): Keyring {
  const keyring = createLocalKeyring(createMemoryKeyStore());
  return {
    ...keyring,
    generate(context) {
      counted.keyRequests++;
      return keyring.generate(context);
    },
    unwrap(wrapped, context) {
      counted.keyRequests++;
      return keyring.unwrap(wrapped, context);
    },
  };
}

/** Number of clusters in the organisation in addition to the measured one. */
const CLUSTERS = 1_000;

async function ask(world: World, tenant: Tenant, operation: MeasuredOperation, values: Values): Promise<Consumption> {
  const { name, id, bodyOf, keeps = {} } = operation;
  world.logs.length = 0;
  world.wire.spans.length = 0;
  taken();
  const { status, text, body } = await world.send(routes[id].method, pathOf(operation, values), {
    token: tenant.admin,
    body: bodyOf?.(tenant, values) ?? operation.body,
  });
  if (status >= 300) throw new Error(`${name}: ${status} ${text}`);
  for (const [value, property] of Object.entries(keeps)) values[value] = body[property];
  const { readUnits, writeUnits } = JSON.parse(world.logs.at(-1) ?? "{}");
  const { keyRequests } = taken();
  return { calls: world.wire.spans.length, readUnits, writeUnits, keyRequests };
}

/** Returns the values of the items that exist before the first operation. */
async function valuesOf(world: World, tenant: Tenant): Promise<Values> {
  const [environment, cluster] = ["production", "one"];
  const pools = await world.send("GET", `${tenant.path(environment, cluster)}/pools`, { token: tenant.admin });
  return {
    organisation: tenant.slug,
    environment,
    cluster,
    nodePool: `${pools.body[0].id}`,
    schedule: tenant.schedule.identity,
    account: tenant.account.identity,
    provider: "aws",
    cloudType: "aws",
    region: "eu-west-1",
    tenant: "web",
  };
}

/** Runs the reconciler on one cluster, and counts its consumption. */
async function workOn(world: World, identity: string): Promise<WorkConsumption> {
  const meter = new Meter();
  world.wire.spans.length = 0;
  const issuer = "https://issuer.example.test";
  const register = async (name: string) => ({
    clientId: `client of ${name}`,
    clientSecret: "x".repeat(43),
    registrationUri: `${issuer}/register/x`,
    registrationAccessToken: "x".repeat(43),
  });
  const services = { ...world.services, table: world.services.table.metered(meter) };
  const own = {
    keyring: world.keyring,
    identityProvider: { issuer, register, remove: async () => true },
    warn: () => {},
  };
  const sleep = async (ms: number) => {
    now += ms;
    counted.seconds += ms / 1_000;
  };
  taken();
  await reconcile(reconcilerFrom(readConfig({}), services, own, { sleep }), identity);
  return { calls: world.wire.spans.length, readUnits: meter.readUnits, writeUnits: meter.writeUnits, ...taken() };
}

async function sweep(world: World): Promise<WorkConsumption> {
  const meter = new Meter();
  world.wire.spans.length = 0;
  await findDue({ ...world.services, table: world.services.table.metered(meter) }, new Date(0));
  return { calls: world.wire.spans.length, readUnits: meter.readUnits, writeUnits: 0, keyRequests: 0, seconds: 0 };
}

/** Consumption of all operations and of the reconciler's work, by name. */
async function measure(
  world: World,
): Promise<{ asked: Map<string, Consumption>; worked: Map<string, WorkConsumption> }> {
  const tenant = await world.tenant();
  const create = (environment: string, name: string) =>
    world.send("POST", tenant.path(environment), {
      token: tenant.admin,
      body: tenant.creation({
        name,
        nodePools: ["web", "jobs-2"].map((pool) => ({ name: pool, nodeSize: "t3.medium" })),
      }),
    });
  const { identity } = (await create("staging", "template")).body;
  const [item] = await world.table.query({ pk: `ORG#${tenant.slug}`, prefix: "CLUSTER#staging#template", limit: 1 });
  if (item === undefined) throw new Error("no cluster to copy");
  await fill(world, tenant, clusterEntity.read(item), CLUSTERS);
  const one = (await create("production", "one")).body.identity;
  const worked = new Map<string, WorkConsumption>();
  worked.set("provision a cluster", await workOn(world, one));
  const asked = new Map<string, Consumption>();
  const values = await valuesOf(world, tenant);
  for (const operation of measuredOperations) {
    asked.set(operation.name, await ask(world, tenant, operation, values));
    if (operation.name === "change a cluster") {
      worked.set("apply a change", await workOn(world, one));
      now += 2 * 60 * 60_000;
      worked.set("check an idle cluster", await workOn(world, one));
    }
    if (operation.name === "delete a cluster") worked.set("remove a deleted cluster", await workOn(world, one));
  }
  worked.set(SWEEP, await sweep(world));
  if (identity === undefined) throw new Error("the template has no identity");
  return { asked, worked };
}

async function main(): Promise<void> {
  const engine = await startEngine();
  try {
    const options = { endpoint: engine.endpoint, clock: () => new Date(now), keyring: countedKeyring() };
    const world = worldOn(`costs-${randomUUID()}`, options, new Set());
    await createTable(world.table);
    const { asked, worked } = await measure(world);
    const { operations, work, months } = formatCostTables(asked, worked);
    writeBetween("docs/cost.md", "operations", operations);
    writeBetween("docs/cost.md", "work", work);
    writeBetween("docs/cost.md", "months", months);
  } finally {
    await engine.stop();
  }
}

if (import.meta.main) await main();
