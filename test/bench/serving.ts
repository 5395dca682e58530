/** Calls functions under Lambda's runtime client repeatedly: ours, and the peer's. */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { createKmsKeyring } from "#core/secrets/kms-keyring.ts";
import { createTable } from "#core/table/create.ts";
import type { BundleName } from "#functions/build/bundles.ts";
import { reconcilerFrom } from "#functions/reconciler/services.ts";
import { readConfig } from "#functions/runtime/config.ts";
import { eventOf } from "#test/runtime/client.ts";
import { type RunningFunction, startFunction } from "#test/runtime/lambda.ts";
import { KMS_KEY_ARN } from "#test/support/kms.ts";
import type { Tenant, World } from "#test/support/world.ts";

/** Number of starts of each function, and of its calls when warm. */
export const STARTS = 7;
export const WARM = 50;

/** Folder of the peer. */
export const PEER = resolve(import.meta.dirname, "peer");

/** Returns the median. */
export const median = (numbers: readonly number[]): number =>
  numbers.toSorted((one, other) => one - other)[numbers.length >> 1] ?? Number.NaN;

/** Environment of a function's process. */
export const LAMBDA = {
  AWS_LAMBDA_FUNCTION_NAME: "bench",
  AWS_REGION: "eu-west-1",
  AWS_ACCESS_KEY_ID: "local",
  AWS_SECRET_ACCESS_KEY: "local",
  TABLE_NAME: "bench",
  KMS_KEY_ID: KMS_KEY_ARN,
  OIDC_ISSUER_URL: "https://issuer.example.test",
};

const ENGINE = { region: "eu-west-1", credentials: { accessKeyId: "local", secretAccessKey: "local" } };

/** One request to a function, sent repeatedly. */
export interface MeasuredRequest {
  name: string;
  event: (round: number) => unknown;
}

/** Function under the runtime client. */
export interface ServedFunction {
  name: string;
  taskRoot: string;
  handler: string;
  environment: Record<string, string>;
  asked: readonly MeasuredRequest[];
}

/** Duration, in milliseconds. */
export interface Timing {
  init: number;
  first: number;
  /** By the name of the request. */
  warm: Map<string, number>;
}

async function invoke(lambda: RunningFunction, event: unknown): Promise<{ milliseconds: number; body: string }> {
  const { result, error, milliseconds } = await lambda.invoke(event);
  const { statusCode = 200, body = "" } = (result ?? {}) as { statusCode?: number; body?: string };
  if (error !== undefined || statusCode >= 300) throw new Error(JSON.stringify({ error, result }).slice(0, 500));
  return { milliseconds, body };
}

/** Starts every function in turn, several times. */
export async function serveInTurn(all: readonly ServedFunction[]): Promise<Map<string, Timing>> {
  const times = new Map(all.map(({ name }) => [name, { init: [] as number[], first: [] as number[] }]));
  const warm = new Map<string, Map<string, number>>();
  let round = 0;
  for (let start = 0; start < STARTS; start++) {
    for (const each of all) {
      const lambda = await startFunction(each);
      try {
        times.get(each.name)?.init.push(lambda.initMilliseconds);
        const [asked] = each.asked;
        times.get(each.name)?.first.push((await invoke(lambda, asked?.event(++round))).milliseconds);
        if (start < STARTS - 1) continue;
        const own = new Map<string, number>();
        for (const { name, event } of each.asked) {
          const taken: number[] = [];
          for (let again = 0; again < WARM; again++) taken.push((await invoke(lambda, event(++round))).milliseconds);
          own.set(name, median(taken));
        }
        warm.set(each.name, own);
      } finally {
        await lambda.stop();
      }
    }
  }
  return new Map(
    [...times].map(([name, { init, first }]) => [
      name,
      { init: median(init), first: median(first), warm: warm.get(name) ?? new Map() },
    ]),
  );
}

/** Blocks of requests of one function in a comparison, and their requests. */
const BLOCKS = 20;
const BLOCK = 10;

/** Duration of a request when warm: medians in milliseconds. */
export interface Compared {
  name: string;
  /** Of each function: processor time and elapsed time. */
  times: readonly { cpu: number; wall: number }[];
}

/** Returns the processor time of a process with all its threads, in milliseconds. NaN on other systems than Linux. */
function processorTimeOf(pid: number | undefined): number {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return Number.NaN;
  const nanoseconds = readdirSync(tasks).map((task) =>
    Number(readFileSync(join(tasks, task, "schedstat"), "utf8").split(" ")[0]),
  );
  return nanoseconds.reduce((total, each) => total + each, 0) / 1_000_000;
}

/** Lists the paths of all properties of a JSON value, sorted. Of a list only the first element counts. */
function propertiesOf(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) return propertiesOf(value[0], `${path}[]`);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) => [`${path}.${name}`, ...propertiesOf(each, `${path}.${name}`)]);
}

/**
 * Compares the same requests to functions when warm, in blocks that alternate.
 *
 * @throws Error if the functions return different properties for the first request
 */
export async function compareWarm(all: readonly ServedFunction[]): Promise<Compared[]> {
  const started: { lambda: RunningFunction; asked: readonly MeasuredRequest[] }[] = [];
  let round = 1_000_000;
  try {
    for (const each of all) started.push({ lambda: await startFunction(each), asked: each.asked });
    const [properties, ...others] = await Promise.all(
      started.map(async ({ lambda, asked }) => {
        const { body } = await invoke(lambda, asked[0]?.event(++round));
        return propertiesOf(JSON.parse(body)).sort().join(" ");
      }),
    );
    for (const other of others)
      if (other !== properties) throw new Error(`different properties: ${properties}; ${other}`);
    const compared: Compared[] = [];
    for (const [position, { name }] of (all[0]?.asked ?? []).entries()) {
      const times = all.map(() => ({ cpu: [] as number[], wall: [] as number[] }));
      // The first blocks are not measured: until then code is compiled.
      for (let block = -5; block < BLOCKS; block++) {
        for (const [at, { lambda, asked }] of started.entries()) {
          const before = processorTimeOf(lambda.pid);
          const wall: number[] = [];
          for (let request = 0; request < BLOCK; request++) {
            wall.push((await invoke(lambda, asked[position]?.event(++round))).milliseconds);
          }
          if (block < 0) continue;
          times[at]?.cpu.push((processorTimeOf(lambda.pid) - before) / BLOCK);
          times[at]?.wall.push(...wall);
        }
      }
      compared.push({ name, times: times.map(({ cpu, wall }) => ({ cpu: median(cpu), wall: median(wall) })) });
    }
    return compared;
  } finally {
    for (const { lambda } of started) await lambda.stop();
  }
}

/** Requests to each function; the first and warm times are those of the first request. */
export function buildRequests(tenant: Tenant): Record<BundleName, MeasuredRequest[]> {
  const ask = asking(tenant.admin);
  const cluster = tenant.path("production", "c0");
  return {
    clusters: buildComparedRequests(tenant.admin, tenant.slug, (name) => tenant.creation({ name, nodePools: [POOL] })),
    "node-pools": [ask("list node pools", "GET", `${cluster}/pools`)],
    organisations: [ask("list environments", "GET", `/api/v1/orgs/${tenant.slug}/environments`)],
    "scheduled-upgrades": [
      ask("list scheduled upgrades", "GET", `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`),
    ],
    observability: [ask("list observability tenants", "GET", `/api/v1/orgs/${tenant.slug}/monitoring`)],
    "cloud-accounts": [ask("list cloud accounts", "GET", `/api/v1/orgs/${tenant.slug}/cloud-accounts`)],
    references: [ask("list cloud profiles", "GET", `/api/v1/orgs/${tenant.slug}/cloud-profiles`)],
    configurations: [ask("kubeconfig", "GET", `${cluster}/kubeconfig`)],
    health: [ask("readiness", "GET", "/readyz")],
    default: [ask("the document", "GET", "/openapi.json")],
    reconcile: [{ name: "sweep", event: () => ({}) }],
  };
}

/** The pool of every cluster. */
export const POOL = { name: "web", nodeSize: "t3.medium" };

const asking =
  (token: string) =>
  (name: string, method: string, target: string, body?: (round: number) => unknown): MeasuredRequest => ({
    name,
    event(round) {
      const headers = [["authorization", `Token ${token}`] as const, ["content-type", "application/json"] as const];
      return eventOf({ method, target, headers, ...(body && { body: JSON.stringify(body(round)) }) });
    },
  });

/** Operations on both sides of the comparison. */
export function buildComparedRequests(
  token: string,
  organisation: string,
  creation: (name: string) => unknown,
): MeasuredRequest[] {
  const ask = asking(token);
  const clusters = `/api/v1/orgs/${organisation}/clusters`;
  return [
    ask("get a cluster", "GET", `${clusters}/production/c0`),
    ask("list 50 clusters", "GET", `${clusters}?pageSize=50`),
    ask("create a cluster", "POST", `${clusters}/staging`, (round) => creation(`new ${round}`)),
  ];
}

/** Number of clusters on each side. */
const CLUSTERS = 60;

export async function prepare(world: World, kms: string): Promise<Tenant> {
  await createTable(world.table);
  const tenant = await world.tenant();
  for (let number = 0; number < CLUSTERS; number++) {
    const body = tenant.creation({ name: `c${number}`, nodePools: [POOL] });
    await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
  }
  await bringUp(world, kms, tenant);
  return tenant;
}

/** Gives the first cluster the data that its clients need. */
async function bringUp(world: World, kms: string, tenant: Tenant): Promise<void> {
  const { body } = await world.send("GET", tenant.path("production", "c0"), { token: tenant.admin });
  const issuer = LAMBDA.OIDC_ISSUER_URL;
  const register = async () => ({ clientId: "client", clientSecret: "x".repeat(43) });
  const own = {
    keyring: createKmsKeyring(KMS_KEY_ARN, { ...ENGINE, endpoint: kms }),
    identityProvider: { issuer, register, remove: async () => true },
    warn: () => {},
  };
  await reconcile(reconcilerFrom(readConfig({ SIMULATED_STEP_MS: "1" }), world.services, own), body.identity);
}

/** Table of the peer. */
export const PEER_TABLE = "peer-table";

/** Creates the peer's table with the same content. @returns a token for it */
export async function preparePeer(endpoint: string): Promise<string> {
  const client = new DynamoDBClient({ endpoint, ...ENGINE });
  await client.send(
    new CreateTableCommand({
      TableName: PEER_TABLE,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
      AttributeDefinitions: ["pk", "sk"].map((AttributeName) => ({ AttributeName, AttributeType: "S" as const })),
    }),
  );
  const script = `import { seed } from ${JSON.stringify(join(PEER, "function.mjs"))};
    process.stdout.write(await seed("acme", ${CLUSTERS}));`;
  const env = { PATH: process.env.PATH, ...LAMBDA, TABLE_NAME: PEER_TABLE, AWS_ENDPOINT_URL_DYNAMODB: endpoint };
  return execFileSync(process.execPath, ["--input-type=module", "-e", script], { env }).toString();
}
