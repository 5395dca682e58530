/**
 * `npm run bench [-- --large] [--only requests|pages|rest|starts|work]`: measures operations and the same raw requests in one run, pages of
 * different sizes, idle clusters (rest.ts), function starts (starts.ts), and the reconciler's work beside requests (work.ts). Writes docs/performance.md. Compare only ratios
 * within one run, because machines differ.
 */

import { randomUUID } from "node:crypto";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { serve } from "@hono/node-server";
import { type Cluster, clusterEntity } from "#core/cluster/entity.ts";
import { createServices, type Services } from "#core/context.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { openTable } from "#core/table/client.ts";
import { createTable } from "#core/table/create.ts";
import { clusterRoutes } from "#functions/api/clusters.ts";
import { nodePoolRoutes } from "#functions/api/node-pools.ts";
import { createApp } from "#functions/http/app.ts";
import { startEngine } from "#functions/local/engine.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { roundTripsOf, type Span } from "#test/support/faults.ts";
import { put, rebuild } from "#test/support/filling.ts";
import { ENGINE, type Tenant, type World, worldOn } from "#test/support/world.ts";
import { describeMachine, formatRow, formatTable, writeBetween } from "./document.ts";
import { measureLeast } from "./least.ts";
import {
  createFunction,
  measureInTurn,
  ms,
  ROUNDS,
  type SentRequest,
  type Side,
  sendRaw,
  type Times,
  wavesOf,
} from "./requests.ts";
import { measureRest } from "./rest.ts";
import { measureStarts } from "./starts.ts";
import { measureWork } from "./work.ts";

/**
 * Timeout of one attempt of a call, in milliseconds. The server's default of one second is too short for 100,000 clusters in another
 * order on a busy machine: their ranges are read in parallel, and the embedded engine processes them one after the other.
 */
const REQUEST_TIMEOUT_MS = 60_000;

const { values: options } = parseArgs({
  options: {
    large: { type: "boolean", default: false },
    only: { type: "string" },
    clusters: { type: "string", default: "1000" },
    "compare-with": { type: "string" },
  },
});
const say = (text: string) => process.stderr.write(`${text}\n`);

/** Operation to measure. */
interface Operation {
  name: string;
  method: string;
  path: (round: number) => string;
  body?: (round: number) => unknown;
  /** True if the same requests can be sent raw repeatedly: only for reads. */
  isRead: boolean;
}

/** Returns the capacity that the last request consumed, from its log line. */
function unitsOf({ logs }: World): { readUnits: number; writeUnits: number } {
  return JSON.parse(logs.at(-1) ?? "{}");
}

interface Bench {
  /** Records every call. */
  world: World;
  /** Sends a request to an app without recording, which would slow down only our side of the comparison. */
  app: (request: SentRequest) => Promise<string>;
  tenant: Tenant;
  raw: DynamoDBClient;
  url: string;
}

async function send(world: World, tenant: Tenant, { method, path, body }: Operation, round: number): Promise<void> {
  const sending = { token: tenant.admin, ...(body ? { body: body(round) } : {}) };
  const { status, bytes } = await world.raw(method, path(round), sending);
  if (status >= 300) throw new Error(`${method} ${path(round)}: ${bytes.toString()}`);
}

async function record({ world, tenant }: Bench, operation: Operation, round: number): Promise<Span[]> {
  world.wire.spans.length = 0;
  await send(world, tenant, operation, round);
  return [...world.wire.spans];
}

async function measure(bench: Bench, operation: Operation): Promise<string> {
  const { world, app, tenant, raw, url } = bench;
  world.wire.latencyMs = 15;
  const spans = await record(bench, operation, 0);
  world.wire.latencyMs = 0;
  const waves = wavesOf(spans);
  const { readUnits, writeUnits } = unitsOf(world);
  const http: Side = async (round) => {
    const response = await fetch(`${url}${operation.path(round)}`, {
      method: operation.method,
      headers: { authorization: `Token ${tenant.admin}`, "content-type": "application/json" },
      ...(operation.body ? { body: JSON.stringify(operation.body(round)) } : {}),
    });
    await response.text();
    if (!response.ok) throw new Error(`${operation.name} over HTTP: ${response.status}`);
  };
  const sides: Record<string, Side> = {
    app: (round) =>
      app({
        ...{ method: operation.method, path: operation.path(round), token: tenant.admin },
        ...(operation.body ? { body: operation.body(round) } : {}),
      }),
    http,
    ...(operation.isRead ? { raw: () => sendRaw(raw, waves) } : {}),
  };
  const times = await measureInTurn(sides);
  const [ours, bare] = [times.app as Times, times.raw];
  const ratio =
    bare === undefined ? "–" : `${(ours.cpuP50 / bare.cpuP50).toFixed(2)} / ${(ours.p50 / bare.p50).toFixed(2)}`;
  say(`  ${operation.name}: ${ms(ours.cpuP50)} ms of processor time, ratio ${ratio}`);
  return formatRow(
    operation.name,
    spans.length,
    roundTripsOf(spans),
    `${readUnits} / ${writeUnits}`,
    ms(ours.cpuP50),
    ours.formatted,
    bare === undefined ? "–" : ms(bare.cpuP50),
    bare?.formatted ?? "–",
    ratio,
    times.http?.formatted ?? "–",
  );
}

async function pagesOf(bench: Bench, template: Cluster, count: number): Promise<string> {
  say(`Pages of ${count} clusters`);
  const where = await bench.world.tenant(["production"]);
  await put(bench.world, where, template, count, undefined, (done) => say(`  ${done} of ${count}`));
  bench.world.wire.spans.length = 0;
  const rebuilding = performance.now();
  await rebuild(bench.world, where);
  const rebuilt = `${bench.world.wire.spans.length}, ${((performance.now() - rebuilding) / 1_000).toFixed(1)}`;
  say(`  index rebuilt: ${rebuilt} s`);
  const at = { ...bench, tenant: where };
  const page = async (query: string) => {
    const operation: Operation = { name: "", method: "GET", path: () => `${where.path()}?${query}`, isRead: true };
    const spans = await record(at, operation, 0);
    const start = performance.now();
    await record(at, operation, 0);
    return { units: unitsOf(at.world).readUnits, took: performance.now() - start, calls: spans.length };
  };
  const first = await page("pageSize=50");
  const last = await page(`pageSize=50&pageNumber=${Math.ceil(count / 50) - 1}`);
  const byName = await page("pageSize=50&sort=name,desc");
  return formatRow(
    count.toLocaleString("en"),
    first.units,
    last.units,
    (last.units / first.units).toFixed(2),
    `${ms(first.took)} / ${ms(last.took)}`,
    `${byName.units} (${byName.calls} calls, ${ms(byName.took)} ms)`,
    rebuilt,
  );
}

async function main(): Promise<void> {
  const engine = await startEngine();
  try {
    const world = worldOn(
      `bench-${randomUUID()}`,
      { endpoint: engine.endpoint, requestTimeoutMs: REQUEST_TIMEOUT_MS },
      new Set(),
    );
    await createTable(world.table);
    const tenant = await world.tenant();
    const { endpoint } = engine;
    const services = createServices({
      table: openTable({ name: world.table.name, endpoint, client: ENGINE }),
      provisioner: simulatedTraits,
    });
    const raw = new DynamoDBClient({ endpoint, ...ENGINE });
    const { port, close } = await listen(services);
    const app = createFunction(services, ROUTES);
    const bench: Bench = { world, app, tenant, raw, url: `http://127.0.0.1:${port}` };
    say("Preparing");
    const pools = [{ name: "web", nodeSize: "t3.medium" }];
    for (let number = 0; number < 120; number++) {
      const body = tenant.creation({ name: `c${number}`, nodePools: pools });
      await record(
        bench,
        { name: "", method: "POST", path: () => tenant.path("production"), body: () => body, isRead: false },
        0,
      );
    }
    // Every change must differ from the previous one, on either side.
    let change = 0;
    const one = tenant.path("production", "c0");
    const read = (name: string, path: string): Operation => ({ name, method: "GET", path: () => path, isRead: true });
    const operations: Operation[] = [
      read("get a cluster", one),
      read("get a cluster, with details", `${one}?includeDetails=true`),
      read("list node pools", `${one}/pools`),
      read("list an organisation, 50", `${tenant.path()}?pageSize=50`),
      read("list an environment, 50", `${tenant.path("production")}?pageSize=50`),
      read("list by name, 50", `${tenant.path()}?pageSize=50&sort=name`),
      {
        name: "create a cluster with a node pool",
        method: "POST",
        path: () => tenant.path("staging"),
        body: (round) => tenant.creation({ name: `new ${round}`, nodePools: pools }),
        isRead: false,
      },
      {
        name: "change a cluster",
        method: "PATCH",
        path: () => one,
        // Never the stored value: a PATCH that changes nothing makes one round trip fewer.
        body: () => ({ ipWhitelist: [{ cidr: "192.0.2.0/24", description: `change ${++change}` }] }),
        isRead: false,
      },
      {
        name: "change a node pool",
        method: "PUT",
        path: () => `${one}/pools/${poolId}`,
        body: () => ({ minSize: 2 + (++change % 5) }),
        isRead: false,
      },
    ];
    const poolId = (await world.send("GET", `${one}/pools`, { token: tenant.admin })).body[0].id;
    if (isAsked("requests")) {
      say(`${ROUNDS} rounds each`);
      const rows: string[] = [];
      for (const operation of operations) rows.push(await measure(bench, operation));
      reportOperations(rows, await measureLeast(bench, endpoint));
    }
    if (!isAsked("pages")) return close();
    const [item] = await world.table.query({ pk: `ORG#${tenant.slug}`, prefix: "CLUSTER#production#c0", limit: 1 });
    if (item === undefined) throw new Error("no cluster to copy");
    const template = clusterEntity.read(item);
    const sizes = [2_000, 20_000, ...(options.large ? [100_000] : [])];
    const pages: string[] = [];
    for (const size of sizes) pages.push(await pagesOf(bench, template, size));
    reportPages(pages);
    close();
  } finally {
    await engine.stop();
  }
}

const ROUTES = [...clusterRoutes, ...nodePoolRoutes];

function listen(services: Services): Promise<{ port: number; close: () => void }> {
  const app = createApp(
    {
      services,
      log: createLogger("silent"),
      config: { TRUSTED_PROXIES: [], CORS_ORIGINS: [] },
      peerAddress: () => "127.0.0.1",
    },
    ROUTES,
  );
  return new Promise((done) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
      done({ port, close: () => server.close() }),
    );
  });
}

function reportOperations(rows: readonly string[], least: string): void {
  const operations = [
    "operation",
    "calls",
    "round trips",
    "read / write units",
    "processor ms",
    "ms",
    "raw, processor ms",
    "raw, ms",
    "ratio",
    "over HTTP, ms",
  ];
  writeBetween(
    "docs/performance.md",
    "bench",
    `Measured on ${describeMachine()}; medians, or p50 / p95, of ${ROUNDS} rounds. Each request goes through the app as in a function on
AWS, from the event to the result; "raw" sends the same reads with the bare client, in the same waves, alternating with ours, and
converts nothing. Processor time is that of the process that runs the app, with its garbage collection and without the engine, which
is another process. The ratio is that of processor time / elapsed time. Capacity is in read / write units, as the engine counts it.

${formatTable(operations, rows)}

${least}`,
  );
}

function reportPages(pages: readonly string[]): void {
  const sizes = [
    "clusters",
    "units of the first page of 50",
    "of the last",
    "last / first",
    "first / last, ms",
    "by name",
    "index rebuilt: calls, s",
  ];
  writeBetween(
    "docs/performance.md",
    "pages",
    `Measured on ${describeMachine()}, with a load average of ${loadavg()[0]?.toFixed(1)} at the end.
Each page is measured once. The last column is a complete rebuild of the page index.

${formatTable(sizes, pages)}`,
  );
}

const isAsked = (part: string) => options.only === undefined || options.only === part;
if (isAsked("requests") || isAsked("pages")) await main();
if (isAsked("rest")) await measureRest();
if (isAsked("starts")) await measureStarts();
if (isAsked("work")) await measureWork({ clusters: Number(options.clusters), compared: options["compare-with"] });
