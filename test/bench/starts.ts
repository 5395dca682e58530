/**
 * `npm run bench -- --only starts`: measures the size of each function, its loading time compared with the bare DynamoDB document
 * client in the same run, and its response times under Lambda's runtime client, next to the same API on Express, Zod and
 * ElectroDB. Writes docs/performance.md. Needs `npm run runtime-client:install` and `npm run bench:peer:install`.
 */

import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { type BuildOptions, build } from "esbuild";
import { createTable } from "#core/table/create.ts";
import { buildAll, optionsFor } from "#functions/build/build.ts";
import { BUNDLES_DIRECTORY, type BundleName, bundles } from "#functions/build/bundles.ts";
import { startEngine } from "#functions/local/engine.ts";
import { startKms } from "#test/support/kms.ts";
import { worldOn } from "#test/support/world.ts";
import { describeMachine, formatRow, formatTable, writeBetween } from "./document.ts";
import {
  buildComparedRequests,
  buildRequests,
  type Compared,
  compareWarm,
  LAMBDA,
  median,
  PEER,
  PEER_TABLE,
  POOL,
  prepare,
  preparePeer,
  STARTS,
  serveInTurn,
  type Timing,
  WARM,
} from "./serving.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const IMPORTS = 15;

const say = (text: string) => process.stderr.write(`${text}\n`);
const ms = (value: number | undefined) => (value === undefined ? "–" : value.toFixed(1));

/** File to load, with additional arguments of its process. */
interface LoadedFile {
  name: string;
  file: string;
  environment?: Record<string, string>;
}

/** LoadTime time, in milliseconds: elapsed time and CPU time. */
interface LoadTime {
  wall: number;
  cpu: number;
}

/** Loads a file in a new process. */
function load({ file, environment = {} }: LoadedFile): LoadTime {
  const script = `const [start, before] = [performance.now(), process.cpuUsage()];
    await import(${JSON.stringify(file)});
    const { user, system } = process.cpuUsage(before);
    process.stdout.write(JSON.stringify({ wall: performance.now() - start, cpu: (user + system) / 1_000 }));`;
  const env = { PATH: process.env.PATH, ...LAMBDA, ...environment };
  return JSON.parse(execFileSync(process.execPath, ["--input-type=module", "-e", script], { env }).toString());
}

/** Loads files in turn, so that other load on the machine affects them equally. @returns the medians by name */
function loadInTurn(all: readonly LoadedFile[]): Map<string, LoadTime> {
  const times = new Map(all.map(({ name }): [string, LoadTime[]] => [name, []]));
  // Once before, to fill the file system's cache and the compile caches.
  for (const each of all) load(each);
  for (let round = 0; round < IMPORTS; round++) {
    for (const each of all) times.get(each.name)?.push(load(each));
  }
  return new Map(
    [...times].map(([name, each]) => [
      name,
      { wall: median(each.map(({ wall }) => wall)), cpu: median(each.map(({ cpu }) => cpu)) },
    ]),
  );
}

/** The document client in its usual bundle: with all of its dependencies, and the commands that are used here. */
const BARE = `import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { BatchGetCommand, DynamoDBDocumentClient, QueryCommand, ScanCommand, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
export const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));
export const commands = [BatchGetCommand, QueryCommand, ScanCommand, TransactWriteCommand];`;

/** Builds one more file. @returns its path */
async function buildFile(folder: string, name: string, options: BuildOptions): Promise<string> {
  const outfile = join(folder, name, "bundle.mjs").replace(/mjs$/, options.format === "cjs" ? "cjs" : "mjs");
  mkdirSync(join(folder, name), { recursive: true });
  const { outputFiles = [] } = await build({ ...options, outfile, sourcemap: false, write: false, metafile: false });
  writeFileSync(outfile, outputFiles[0]?.contents ?? "");
  return outfile;
}

/** Parts that SST's own bundling includes: the whole SDK, and names. */
const PLAIN = { alias: {}, plugins: [], keepNames: true } satisfies BuildOptions;

const REQUIRE = `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`;

async function buildOthers(folder: string) {
  const clusters = optionsFor(bundles.clusters.entry);
  const { entryPoints: _, ...shared } = clusters;
  return {
    bare: await buildFile(folder, "bare", { ...shared, ...PLAIN, stdin: { contents: BARE, resolveDir: ROOT } }),
    peer: await buildFile(folder, "peer", {
      ...shared,
      ...PLAIN,
      banner: { js: REQUIRE },
      absWorkingDir: PEER,
      entryPoints: [join(PEER, "function.mjs")],
    }),
    plain: await buildFile(folder, "plain", { ...clusters, ...PLAIN }),
    commonJs: await buildFile(folder, "common-js", { ...clusters, format: "cjs" }),
  };
}

const fileOf = (name: BundleName) => join(ROOT, BUNDLES_DIRECTORY, name, "bundle.mjs");
const NAMES = Object.keys(bundles) as BundleName[];

/** The clusters' function in alternative forms, next to the deployed one. */
const shapesOf = (folder: string, others: Awaited<ReturnType<typeof buildOthers>>): LoadedFile[] => {
  const cache = (name: string) => ({ NODE_COMPILE_CACHE: join(folder, name) });
  return [
    { name: "as a module (deployed)", file: fileOf("clusters") },
    { name: "as CommonJS", file: others.commonJs },
    { name: "as a module, with a compile cache", file: fileOf("clusters"), environment: cache("modules") },
    { name: "as CommonJS, with a compile cache", file: others.commonJs, environment: cache("common") },
    { name: "with the whole SDK and with names, as SST bundles", file: others.plain },
  ];
};

/**
 * Measures, and writes docs/performance.md.
 *
 * @throws Error if the runtime client or the peer is not installed
 */
export async function measureStarts(): Promise<void> {
  if (!existsSync(join(PEER, "node_modules"))) throw new Error("the peer is not installed: npm run bench:peer:install");
  const folder = mkdtempSync(join(tmpdir(), "ame-starts-"));
  const engine = await startEngine();
  const kms = await startKms();
  try {
    await buildAll();
    const others = await buildOthers(folder);
    say(`loading ${IMPORTS} times each`);
    const bare = { name: "the bare document client", file: others.bare };
    const peer = { name: "Express, Zod and ElectroDB", file: others.peer };
    const shapes = shapesOf(folder, others);
    const functions = NAMES.map((name): LoadedFile => ({ name, file: fileOf(name) }));
    const loaded = loadInTurn([bare, ...functions, ...shapes, peer]);
    say(`starting ${STARTS} times each`);
    const world = worldOn("bench", { endpoint: engine.endpoint }, new Set());
    const asked = buildRequests(await prepare(world, kms.endpoint));
    const idle = worldOn("bench-idle", { endpoint: engine.endpoint }, new Set());
    await createTable(idle.table);
    const environment = { ...LAMBDA, AWS_ENDPOINT_URL_DYNAMODB: engine.endpoint, AWS_ENDPOINT_URL_KMS: kms.endpoint };
    const creation = { region: "eu-west-1", version: "v1.34.4-u-ame.2", cloudAccountIdentity: randomUUID() };
    const peerAsked = buildComparedRequests(await preparePeer(engine.endpoint), "acme", (name) => ({
      ...{ ...creation, name, nodePools: [POOL] },
    }));
    const serve = (name: BundleName) => ({
      ...{ name, taskRoot: join(ROOT, BUNDLES_DIRECTORY, name), asked: asked[name] },
      // Sweeps find nothing that is due.
      environment: name === "reconcile" ? { ...environment, TABLE_NAME: idle.table.name } : environment,
      handler: `bundle.${name === "reconcile" ? "schedule" : "handler"}`,
    });
    const servePeer = {
      ...{ name: peer.name, taskRoot: join(folder, "peer"), handler: "bundle.handler", asked: peerAsked },
      environment: { ...environment, TABLE_NAME: PEER_TABLE },
    };
    const timed = await serveInTurn([...NAMES.map(serve), servePeer]);
    const compared = await compareWarm([serve("clusters"), servePeer]);
    report({ bare, peer, functions, shapes, loaded, timed, compared });
  } finally {
    await Promise.all([engine.stop(), kms.stop()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All measurements. */
interface Measurements {
  bare: LoadedFile;
  peer: LoadedFile;
  functions: readonly LoadedFile[];
  shapes: readonly LoadedFile[];
  loaded: ReadonlyMap<string, LoadTime>;
  timed: ReadonlyMap<string, Timing>;
  compared: readonly Compared[];
}

function report({ bare, peer, functions, shapes, loaded, timed, compared }: Measurements): void {
  const importOf = (name: string) => loaded.get(name) ?? { wall: Number.NaN, cpu: Number.NaN };
  const sizes = ({ file }: LoadedFile) => {
    const bytes = readFileSync(file);
    return [(bytes.length / 1024).toFixed(0), (gzipSync(bytes).length / 1024).toFixed(0)];
  };
  const loading = ({ name }: LoadedFile) => {
    const [own, bares] = [importOf(name), importOf(bare.name)];
    const ratios = [own.wall / bares.wall, own.cpu / bares.cpu].map((ratio) => ratio.toFixed(2));
    return [`${ms(own.wall)} / ${ms(own.cpu)}`, ratios.join(" / ")];
  };
  const line = (each: LoadedFile) => {
    const { init, first, warm } = timed.get(each.name) ?? {};
    const [ofFirst] = warm?.values() ?? [];
    return formatRow(each.name, ...sizes(each), ...loading(each), ms(init), ms(first), ms(ofFirst));
  };
  const heads = ["KiB minified", "KiB gzip", "import ms", "ratio to the bare client"];
  const comparisons = compared.map(({ name, times: [ours, theirs] = [] }) => {
    const ratio = (kind: "cpu" | "wall") => ((ours?.[kind] ?? Number.NaN) / (theirs?.[kind] ?? Number.NaN)).toFixed(2);
    const both = (times = ours) => `${ms(times?.cpu)} / ${ms(times?.wall)}`;
    return formatRow(name, both(), both(theirs), `${ratio("cpu")} / ${ratio("wall")}`);
  });
  writeBetween(
    "docs/performance.md",
    "starts",
    `Measured on ${describeMachine()}, Lambda's runtime client. Import: median of ${IMPORTS} new
processes of each, in turn, in milliseconds: elapsed time / CPU time. Init: from the start of the process to its request for an event;
first: until the response to the first event; medians of ${STARTS}, in turn. Warm: median of ${WARM} events.

${formatTable(["function", ...heads, "init ms", "first ms", "warm ms"], [bare, ...functions, peer].map(line))}

${formatTable(
  ["clusters", ...heads],
  shapes.map((each) => formatRow(each.name, ...sizes(each), ...loading(each))),
)}

Warm, both functions in alternating blocks: medians of processor time / elapsed time in milliseconds. Processor time is that of the
function's process, with the runtime client.

${formatTable(["warm, under the runtime client", "ms", `${peer.name}, ms`, "ratio"], comparisons)}`,
  );
}
