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
import { allRoutes } from "#functions/api/all-routes.ts";
import { startEngine } from "#functions/local/engine.ts";
import { reconcilerFrom } from "#functions/reconciler/services.ts";
import { readConfig } from "#functions/runtime/config.ts";
import { fill } from "#test/support/filling.ts";
import { type Json, type Tenant, type World, worldOn } from "#test/support/world.ts";
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

/** Operation to measure. */
interface MeasuredRequest {
  name: string;
  method: string;
  path: string;
  body?: unknown;
}

async function ask(
  world: World,
  tenant: Tenant,
  { name, method, path, body }: MeasuredRequest,
): Promise<Consumption & { route: string }> {
  world.logs.length = 0;
  world.wire.spans.length = 0;
  taken();
  const { status, text } = await world.send(method, path, { token: tenant.admin, body });
  if (status >= 300) throw new Error(`${name}: ${status} ${text}`);
  const { readUnits, writeUnits, route } = JSON.parse(world.logs.at(-1) ?? "{}");
  const { keyRequests } = taken();
  return { calls: world.wire.spans.length, readUnits, writeUnits, keyRequests, route: `${method} ${route}` };
}

/** Lists every operation of the API, with writes in a possible order. */
async function operationsOf(world: World, tenant: Tenant): Promise<MeasuredRequest[]> {
  const cluster = tenant.path("production", "one");
  const pools = (await world.send("GET", `${cluster}/pools`, { token: tenant.admin })).body;
  const pool = `${cluster}/pools/${pools[0].id}`;
  const org = `/api/v1/orgs/${tenant.slug}`;
  const schedules = `/api/v1/organisations/${tenant.slug}/maintenance-schedule`;
  const get = (name: string, path: string): MeasuredRequest => ({ name, method: "GET", path });
  const make = (name: string, nodePools: Json[]): MeasuredRequest => ({
    name: `create a cluster with ${name}`,
    method: "POST",
    path: tenant.path("staging"),
    body: tenant.creation({ name: `with ${name}`, nodePools }),
  });
  const poolNamed = (name: string) => ({ name, nodeSize: "t3.medium" });
  return [
    get("get a cluster", cluster),
    get("get a cluster, with details", `${cluster}?includeDetails=true`),
    get("list clusters, 50", `${tenant.path()}?pageSize=50`),
    get("list clusters of an environment, 50", `${tenant.path("production")}?pageSize=50`),
    get("list clusters by name, 50", `${tenant.path()}?pageSize=50&sort=name`),
    get("list events", `${cluster}/events`),
    get("list upgrades", `${cluster}/upgrades`),
    get("list node pools", `${cluster}/pools`),
    get("get a node pool", pool),
    get("get the join configuration", `${cluster}/join-config`),
    get("get a pool's join configuration", `${pool}/join-config`),
    { ...get("create a pool's join configuration", `${pool}/join-config`), method: "POST" },
    get("get the OIDC configuration", `${cluster}/oidc-config`),
    get("get the kubeconfig", `${cluster}/kubeconfig`),
    get("list memberships", "/api/v1/memberships"),
    get("get an organisation", `/api/v1/organisations/${tenant.slug}`),
    get("list maintenance schedules", schedules),
    get("get a maintenance schedule", `${schedules}/${tenant.schedule.identity}`),
    get("list environments", `${org}/environments`),
    get("get an environment", `${org}/environments/production`),
    {
      name: "create an environment",
      method: "POST",
      path: `${org}/environments`,
      body: { name: "Review", type: "development" },
    },
    {
      name: "change an environment",
      method: "PATCH",
      path: `${org}/environments/review`,
      body: { description: "Reviews" },
    },
    { name: "delete an environment", method: "DELETE", path: `${org}/environments/review` },
    get("list events of an organisation", `/api/v1/organisations/${tenant.slug}/events`),
    get("list environment types", "/api/v1/environments/types"),
    get("list cloud accounts", `${org}/cloud-accounts`),
    get("get a cloud account", `${org}/cloud-accounts/${tenant.account.identity}`),
    get("list credentials", `${org}/cloud-accounts/${tenant.account.identity}/credentials`),
    get("list cloud profiles", `${org}/cloud-profiles`),
    get("list cloud providers", `${org}/cloud-providers`),
    get("list regions", `${org}/cloud-providers/aws/regions`),
    get("list availability zones", `${org}/cloud-providers/aws/regions/eu-west-1/availability-zones`),
    get("list node types", "/api/v1/cloud-providers/aws/nodetypes"),
    get("list update channels", `${org}/update-channels`),
    get("list versions", "/api/v1/cluster-versions"),
    make("no node pool", []),
    make("a node pool", [poolNamed("web")]),
    make(
      "10 node pools",
      Array.from({ length: 10 }, (_, number) => poolNamed(`pool-${number}`)),
    ),
    { name: "change a cluster", method: "PATCH", path: cluster, body: { enableAutoUpgrade: true } },
    {
      name: "change Prometheus rules",
      method: "POST",
      path: `${cluster}/prometheus-rules-inheritance`,
      body: { environmentPrometheusRules: false },
    },
    { name: "create a node pool", method: "POST", path: `${cluster}/pools`, body: poolNamed("jobs") },
    { name: "change a node pool", method: "PUT", path: pool, body: { minSize: 2, maxSize: 2 } },
    { name: "delete a node pool", method: "DELETE", path: pool },
    {
      name: "move a cluster",
      method: "POST",
      path: `${org}/clusters/with-no-node-pool/move`,
      body: { currentEnvironment: "staging", newEnvironment: "production" },
    },
    { name: "delete a cluster", method: "PATCH", path: cluster, body: { status: "deleting" } },
  ];
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
  const routes = new Set<string>();
  for (const operation of await operationsOf(world, tenant)) {
    const { route, ...consumed } = await ask(world, tenant, operation);
    asked.set(operation.name, consumed);
    routes.add(route);
    if (operation.name === "change a cluster") {
      worked.set("apply a change", await workOn(world, one));
      now += 2 * 60 * 60_000;
      worked.set("check an idle cluster", await workOn(world, one));
    }
  }
  worked.set("remove a deleted cluster", await workOn(world, one));
  const undelete = {
    name: "undelete a cluster",
    method: "POST",
    path: `${tenant.path("production", "one")}/undelete`,
  };
  const { route, ...consumed } = await ask(world, tenant, undelete);
  asked.set(undelete.name, consumed);
  routes.add(route);
  worked.set(SWEEP, await sweep(world));
  requireAll(routes, world);
  if (identity === undefined) throw new Error("the template has no identity");
  return { asked, worked };
}

/** @throws Error that names the operations of the API that were not measured */
function requireAll(routes: ReadonlySet<string>, { keyring }: World): void {
  const operations = allRoutes(keyring, async () => true).filter(({ path }) => path.startsWith("/api/"));
  const all = operations.map(({ method, path }) => `${method} ${path}`);
  const left = all.filter((each) => !routes.has(each));
  if (left.length > 0) throw new Error(`not measured: ${left.join(", ")}`);
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
