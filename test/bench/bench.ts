/**
 * `npm run bench [-- --large] [--only requests|pages|rest|starts|work]`: measures operations and the same raw requests in one run, pages of
 * different sizes, idle clusters (rest.ts), function starts (starts.ts), and the reconciler's work beside requests (work.ts). Writes docs/performance.md. Compare only ratios
 * within one run, because machines differ.
 */

import { randomUUID } from "node:crypto";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { BatchGetItemCommand, DynamoDBClient, QueryCommand } from "@aws-sdk/client-dynamodb";
import { serve } from "@hono/node-server";
import { type Cluster, clusterEntity } from "#core/cluster/entity.ts";
import type { Services } from "#core/context.ts";
import { createTable } from "#core/table/create.ts";
import { clusterRoutes } from "#functions/api/clusters.ts";
import { nodePoolRoutes } from "#functions/api/node-pools.ts";
import { createApp } from "#functions/http/app.ts";
import { startEngine } from "#functions/local/engine.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { roundTripsOf, type Span } from "#test/support/faults.ts";
import { put, rebuild } from "#test/support/filling.ts";
import { type Tenant, type World, worldOn } from "#test/support/world.ts";
import { describeMachine, formatRow, formatTable, writeBetween } from "./document.ts";
import { measureRest } from "./rest.ts";
import { measureStarts } from "./starts.ts";
import { measureWork } from "./work.ts";

const ROUNDS = 200;

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

const quantile = (sorted: readonly number[], at: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
const ascending = (numbers: readonly number[]) => [...numbers].sort((one, other) => one - other);
const ms = (value: number) => value.toFixed(2);

/** Groups recorded calls into the waves in which they were sent. */
function wavesOf(spans: readonly Span[]): Span[][] {
  const waves: Span[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const span of [...spans].sort((one, other) => one.start - other.start)) {
    if (span.start >= end || waves.length === 0) waves.push([]);
    waves.at(-1)?.push(span);
    end = Math.max(...(waves.at(-1) ?? []).map((each) => each.end));
  }
  return waves;
}

/** Sends recorded reads again with the bare client, wave after wave. */
async function sendRaw(client: DynamoDBClient, waves: readonly Span[][]): Promise<void> {
  for (const wave of waves) {
    await Promise.all(
      wave.map(({ operation, input }) => {
        if (operation === "Query") return client.send(new QueryCommand(input as never));
        if (operation === "BatchGetItem") return client.send(new BatchGetItemCommand(input as never));
        throw new Error(`${operation} is not a read`);
      }),
    );
  }
}

/** Returns the capacity that the last request consumed, from its log line. */
function unitsOf({ logs }: World): { readUnits: number; writeUnits: number } {
  return JSON.parse(logs.at(-1) ?? "{}");
}

interface Bench {
  /** Records every call. */
  world: World;
  /** The same without recording, which would slow down only our side of the comparison. */
  timed: World;
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
  const { world, tenant, raw, url } = bench;
  world.wire.latencyMs = 15;
  const spans = await record(bench, operation, 0);
  world.wire.latencyMs = 0;
  const waves = wavesOf(spans);
  const { readUnits, writeUnits } = unitsOf(world);
  const times: Record<"process" | "raw" | "http", number[]> = { process: [], raw: [], http: [] };
  const clock = async (into: number[], work: () => Promise<unknown>) => {
    const start = performance.now();
    await work();
    into.push(performance.now() - start);
  };
  const http = async (round: number) => {
    const response = await fetch(`${url}${operation.path(round)}`, {
      method: operation.method,
      headers: { authorization: `Token ${tenant.admin}`, "content-type": "application/json" },
      ...(operation.body ? { body: JSON.stringify(operation.body(round)) } : {}),
    });
    await response.text();
    if (!response.ok) throw new Error(`${operation.name} over HTTP: ${response.status}`);
  };
  for (let round = 1; round <= ROUNDS; round++) {
    await clock(times.process, () => send(bench.timed, tenant, operation, round));
    if (operation.isRead) await clock(times.raw, () => sendRaw(raw, waves));
    await clock(times.http, () => http(ROUNDS + round));
  }
  const [process, bare, overHttp] = [ascending(times.process), ascending(times.raw), ascending(times.http)];
  const ratio = operation.isRead ? (quantile(process, 0.5) / quantile(bare, 0.5)).toFixed(2) : "–";
  say(`  ${operation.name}: ${ms(quantile(process, 0.5))} ms, ratio ${ratio}`);
  return formatRow(
    operation.name,
    spans.length,
    roundTripsOf(spans),
    `${readUnits} / ${writeUnits}`,
    `${ms(quantile(process, 0.5))} / ${ms(quantile(process, 0.95))}`,
    operation.isRead ? `${ms(quantile(bare, 0.5))} / ${ms(quantile(bare, 0.95))}` : "–",
    ratio,
    `${ms(quantile(overHttp, 0.5))} / ${ms(quantile(overHttp, 0.95))}`,
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
    const timed = world.sibling();
    timed.table.client.middlewareStack.remove("wire");
    const raw = new DynamoDBClient({
      endpoint: engine.endpoint,
      region: "local",
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
    });
    const { port, close } = await listen(timed.services);
    const bench: Bench = { world, timed, tenant, raw, url: `http://127.0.0.1:${port}` };
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
      reportOperations(rows);
    }
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

function listen(services: Services): Promise<{ port: number; close: () => void }> {
  const app = createApp(
    {
      services,
      log: createLogger("silent"),
      config: { TRUSTED_PROXIES: [], CORS_ORIGINS: [] },
      peerAddress: () => "127.0.0.1",
    },
    [...clusterRoutes, ...nodePoolRoutes],
  );
  return new Promise((done) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
      done({ port, close: () => server.close() }),
    );
  });
}

function reportOperations(rows: readonly string[]): void {
  const operations = [
    "operation",
    "calls",
    "round trips",
    "read / write units",
    "in process",
    "raw",
    "ratio of p50",
    "over HTTP",
  ];
  writeBetween(
    "docs/performance.md",
    "bench",
    `Measured on ${describeMachine()}. p50 / p95 in milliseconds of ${ROUNDS} rounds; "raw" sends the same reads with the bare client, in the
same waves, alternating with ours. Capacity is in read / write units, as the engine counts it.

${formatTable(operations, rows)}`,
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
