/**
 * The reconciler's work beside requests, on a local server in a process of its own: many clients create clusters, while other clients
 * read a cluster and a page.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { engineOf, ROOT, until } from "#test/support/server.ts";
import type { Json } from "#test/support/world.ts";
import { describeMachine, formatRow, formatTable, writeBetween } from "./document.ts";
import type { Reader } from "./reader.ts";

/** Number of clients that create clusters at the same time. */
const CLIENTS = 16;

/** Number of clusters that exist before: more than one page. */
const EXISTING = 60;

/** Pause of a reading client between two requests, in milliseconds. */
const PAUSE_MS = { cluster: 25, page: 250 } as const;

/** Time for the measurement of a server at rest, in milliseconds. */
const REST_MS = 15_000;

/** Interval at which the number of started clusters is read, in milliseconds. It is a search, so it is not read often. */
const POLL_MS = 1_000;

/** Maximum time for the work, in milliseconds. */
const LIMIT_MS = 900_000;

/** Pause after a response 503, in milliseconds. */
const RETRY_MS = 1_000;

type Read = keyof typeof PAUSE_MS;
const READS: readonly Read[] = ["cluster", "page"];

/** Server to measure. */
interface Target {
  url: string;
  token: string;
  /** Processes, by name. */
  processes: Record<"server" | "engine", number>;
}

/** Response times of each read, in milliseconds. */
type ReadTimes = Record<Read, readonly number[]>;

/** Measurements of one server. */
interface Measured {
  /** Time until all clusters were accepted, in seconds. */
  accepted: number;
  /** Time until all clusters were started, in seconds. */
  started: number;
  /** Processor time of each process for one cluster, in milliseconds. */
  processor: Target["processes"];
  rest: ReadTimes;
  beside: ReadTimes;
}

/** Options of the measurement. */
interface WorkOptions {
  /** Number of clusters to create. */
  clusters: number;
  /** Folder of another version of the project with its dependencies, which is measured first. */
  compared?: string | undefined;
}

/** Measures the work, and writes it into docs/performance.md. */
export async function measureWork({ clusters, compared }: WorkOptions): Promise<void> {
  const load = { before: loadavg()[0]?.toFixed(1), after: "" };
  const before = compared === undefined ? undefined : await measureVersion(compared, clusters);
  const now = await measureVersion(ROOT, clusters);
  load.after = loadavg()[0]?.toFixed(1) ?? "";
  const columns = before === undefined ? [now] : [before, now];
  const row = (name: string, value: (measured: Measured) => string) => formatRow(name, ...columns.map(value));
  const rows = [
    row("seconds until all are accepted", ({ accepted }) => accepted.toFixed(1)),
    row("seconds until all are started", ({ started }) => started.toFixed(1)),
    row("CPU time of the server for one cluster, ms", ({ processor }) => processor.server.toFixed(1)),
    row("CPU time of the engine for one cluster, ms", ({ processor }) => processor.engine.toFixed(1)),
    ...READS.flatMap((read) => [
      row(`${NAMES[read]} at rest, ms`, ({ rest }) => formatTimes(rest[read])),
      row(`${NAMES[read]} beside the work, ms`, ({ beside }) => formatTimes(beside[read])),
      row("ratio", ({ rest, beside }) => formatRatio(beside[read], rest[read])),
    ]),
    ...(before === undefined
      ? []
      : [formatRow("time until all are started, ratio", "1.00", (now.started / before.started).toFixed(2))]),
  ];
  const heads = ["measurement", ...(before === undefined ? [] : ["version compared with"]), "this version"];
  writeBetween(
    "docs/performance.md",
    "work",
    `Measured on ${describeMachine()}: ${CLIENTS} clients create ${clusters.toLocaleString("en")} clusters with a node pool on
the local server, while two clients read: a cluster every ${PAUSE_MS.cluster} ms and a page every ${PAUSE_MS.page} ms. The clients run on the same cores. Response times are
p50 / p95. The load average was ${load.before} at the start and ${load.after} at the end.

${formatTable(heads, rows)}`,
  );
}

const NAMES: Readonly<Record<Read, string>> = { cluster: "get a cluster", page: "a page of 50 clusters" };

function quantile(times: readonly number[], at: number): number {
  const sorted = [...times].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
}

const formatTimes = (times: readonly number[]) =>
  `${quantile(times, 0.5).toFixed(1)} / ${quantile(times, 0.95).toFixed(1)}`;
const formatRatio = (times: readonly number[], others: readonly number[]) =>
  [0.5, 0.95].map((at) => (quantile(times, at) / quantile(others, at)).toFixed(1)).join(" / ");

/** Measures a version of the project. @param folder its root folder */
async function measureVersion(folder: string, clusters: number): Promise<Measured> {
  const directory = mkdtempSync(join(tmpdir(), "ame-work-"));
  const child = startServer(folder, join(directory, "data"));
  const ended = new Promise((resolve) => child.once("close", resolve));
  try {
    return await measureServer(await targetOf(child, join(directory, "data")), clusters);
  } finally {
    child.kill("SIGTERM");
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }
}

function startServer(folder: string, data: string): ChildProcess {
  const { scripts } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return spawn("sh", ["-c", scripts.start], {
    cwd: folder,
    env: {
      ...process.env,
      DYNAMODB_ENDPOINT: "",
      PORT: "0",
      DATA_DIR: data,
      LOG_LEVEL: "silent",
    },
    stdio: ["ignore", "pipe", "ignore"],
  });
}

async function targetOf(child: ChildProcess, data: string): Promise<Target> {
  let output = "";
  child.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  const [url, token] = await until(() => {
    const found = /listens on (http:\S+)[\s\S]*(ame_[0-9A-Za-z]+)/.exec(output);
    return found === null ? undefined : [found[1] ?? "", found[2] ?? ""];
  });
  return {
    url: `${url}/api/v1/orgs/demo`,
    token: token ?? "",
    processes: { server: child.pid ?? 0, engine: engineOf(data).pid },
  };
}

async function measureServer(target: Target, clusters: number): Promise<Measured> {
  const body = await creationOn(target);
  await create(target, EXISTING, (number) => ({ ...body, name: `a existing ${number}` }));
  await untilStarted(target, EXISTING);
  const rest = await readWhile(target, () => sleep(REST_MS));
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1_000;
  const before = processorTimes(target);
  let accepted = 0;
  const beside = await readWhile(target, async () => {
    await create(target, clusters, (number) => ({ ...body, name: `new ${number}` }));
    accepted = seconds();
    await untilStarted(target, EXISTING + clusters);
  });
  const started = seconds();
  const after = processorTimes(target);
  const processor = {
    server: (after.server - before.server) / clusters,
    engine: (after.engine - before.engine) / clusters,
  };
  return { accepted, started, processor, rest, beside };
}

/** Sends a request, again after each 503: a busy server refuses a write that waited for too long. */
async function send(target: Target, path: string, body?: unknown): Promise<Json> {
  const response = await fetch(`${target.url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Token ${target.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.status === 503) {
    await response.body?.cancel();
    await sleep(RETRY_MS);
    return await send(target, path, body);
  }
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Json;
}

/** Returns the body of a creation, without a name. */
async function creationOn(target: Target) {
  const { content } = await send(target, "/cloud-accounts");
  const account = content.find((each: { displayName: string }) => each.displayName === "Demo aws");
  return {
    region: "eu-west-1",
    version: "v1.34.4-u-ame.2",
    cloudAccountIdentity: account.identity,
    nodePools: [{ name: "web", nodeSize: "t3.medium" }],
  };
}

async function create(target: Target, count: number, bodyOf: (number: number) => unknown): Promise<void> {
  let next = 0;
  const client = async () => {
    while (next < count) await send(target, "/clusters/production", bodyOf(next++));
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

async function untilStarted(target: Target, count: number): Promise<void> {
  await until(async () => {
    await sleep(POLL_MS);
    const { totalElements } = await send(target, "/clusters?pageSize=1&status=started");
    return totalElements >= count || undefined;
  }, LIMIT_MS);
}

/** Reads, each kind in a thread of its own, so that other requests of this process do not count. */
async function readWhile(target: Target, work: () => Promise<void>): Promise<ReadTimes> {
  const paths: Readonly<Record<Read, string>> = {
    cluster: "/clusters/production/a-existing-0",
    page: "/clusters?pageSize=50",
  };
  const readers = READS.map((read) => {
    const reader: Reader = { url: `${target.url}${paths[read]}`, token: target.token, pauseMs: PAUSE_MS[read] };
    return new Worker(new URL("./reader.ts", import.meta.url), { workerData: reader });
  });
  await work();
  const [cluster = [], page = []] = await Promise.all(
    readers.map((reader) => {
      const { promise, resolve, reject } = Promise.withResolvers<number[]>();
      reader.once("message", resolve).once("error", reject).postMessage("end");
      return promise;
    }),
  );
  return { cluster, page };
}

/** Length of a clock tick of the kernel's statistics, in milliseconds. */
const TICK_MS = 10;

/** Returns the processor time of each process, in milliseconds. */
function processorTimes({ processes }: Target): Target["processes"] {
  const timeOf = (pid: number) => {
    // The name of the program, in parentheses, may contain spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  };
  return { server: timeOf(processes.server), engine: timeOf(processes.engine) };
}
