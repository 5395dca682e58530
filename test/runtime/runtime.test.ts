import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BatchWriteCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { getRequestListener } from "@hono/node-server";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { clusterEntity } from "#core/cluster/entity.ts";
import type { IdentityProvider } from "#core/cluster-access/identity-provider.ts";
import { createServices, type Services } from "#core/context.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { createKmsKeyring } from "#core/secrets/kms-keyring.ts";
import { openTable, type Table } from "#core/table/client.ts";
import { createTable } from "#core/table/create.ts";
import type { RawItem } from "#core/table/entity.ts";
import { buildAll } from "#functions/build/build.ts";
import { BUNDLES_DIRECTORY, type BundleName, bundles } from "#functions/build/bundles.ts";
import type { GatewayResult } from "#functions/http/gateway.ts";
import { createLocalApp } from "#functions/local/app.ts";
import { type Engine, startEngine } from "#functions/local/engine.ts";
import { limitWrites } from "#functions/local/request-priority.ts";
import { stream } from "#functions/reconciler/handlers.ts";
import { type Config, readConfig } from "#functions/runtime/config.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { saveEnvironment } from "#test/support/environment.ts";
import { KMS_KEY_ARN, type Kms, startKms } from "#test/support/kms.ts";
import { type Json, type Tenant, type World, worldOn } from "#test/support/world.ts";
import { answerOf, eventOf, HOST, sendTo } from "./client.ts";
import { movingGiven } from "./given.ts";
import { type RunningFunction, startFunction } from "./lambda.ts";
import { LARGE, LARGE_CLUSTERS, type Scenario, scenarios } from "./requests.ts";

const ROOT = join(import.meta.dirname, "../..");
const ENGINE = { region: "eu-west-1", credentials: { accessKeyId: "local", secretAccessKey: "local" } };
const START = Math.ceil(Date.now() / 1_000) * 1_000;
const ISSUER = "https://issuer.example.test";

/** Issuer that registers every client. */
const provider: IdentityProvider = {
  issuer: ISSUER,
  register: async (name) => ({ clientId: `client of ${name}`, clientSecret: "secret" }),
  remove: async () => true,
};

let world: World;
let tenant: Tenant;
let kms: Kms;
/** Copy of the world's table, from before the first request to either. */
let other: Table;
let engine: Engine;
let folder: string;
let server: Server;
let config: Config;
let given: ReturnType<typeof movingGiven>;
const running = new Map<BundleName, RunningFunction>();

/** Builds the module that Lambda calls, which gives the built bundle the same clock and ids as the local server. */
function entryOf(name: BundleName): string {
  const file = (path: string) => JSON.stringify(join(ROOT, path));
  return `import * as bundle from ${file(`${BUNDLES_DIRECTORY}/${name}/bundle.mjs`)};
import { movingGiven } from ${file("test/runtime/given.ts")};
const given = movingGiven(${START}, ${firstOf(name)});
const identityProvider = {
  issuer: ${JSON.stringify(ISSUER)},
  register: async (name) => ({ clientId: "client of " + name, clientSecret: "secret" }),
  remove: async () => true,
};
const own = ${name === "reconcile"} ? { identityProvider, sleep: given.sleep } : {};
const called = (made) => {
  const mine = made.with?.({ clock: given.clock, ids: given.ids, ...own }) ?? made;
  return async (event, context) => {
    given.next();
    return await mine(event, context);
  };
};
${bundles[name].handlers.map((handler) => `export const ${handler} = called(bundle.${handler});`).join("\n")}
`;
}

/** First number of a bundle's requests, so that no two generate the same ids. */
const firstOf = (name: BundleName) => Object.keys(bundles).indexOf(name) * 1_000;

/** Clock and ids of each function's requests. Requests to several functions may alternate. */
const givens = new Map<BundleName, ReturnType<typeof movingGiven>>();

async function start(name: BundleName, handler = "handler"): Promise<RunningFunction> {
  const present = running.get(name);
  given = givens.get(name) ?? movingGiven(START, firstOf(name));
  givens.set(name, given);
  if (present !== undefined) return present;
  writeFileSync(join(folder, `${name}.mjs`), entryOf(name));
  const made = await startFunction({
    taskRoot: folder,
    handler: `${name}.${handler}`,
    environment: environment(engine.endpoint),
  });
  running.set(name, made);
  return made;
}

const environment = (endpoint: string) => ({
  TABLE_NAME: world.table.name,
  STAGE: "test",
  KMS_KEY_ID: KMS_KEY_ARN,
  OIDC_ISSUER_URL: ISSUER,
  CORS_ORIGINS: "https://console.example.test",
  AWS_ENDPOINT_URL_DYNAMODB: endpoint,
  AWS_ENDPOINT_URL_KMS: kms.endpoint,
});

async function itemsOf(table: Table): Promise<RawItem[]> {
  const items: RawItem[] = [];
  for await (const item of table.scan()) items.push(item);
  return items.sort((one, two) => (`${one.pk} ${one.sk}` < `${two.pk} ${two.sk}` ? -1 : 1));
}

async function copy(from: Table, to: Table): Promise<void> {
  const items = await itemsOf(from);
  for (let at = 0; at < items.length; at += 25) {
    const puts = items.slice(at, at + 25).map((Item) => ({ PutRequest: { Item } }));
    await to.client.send(new BatchWriteCommand({ RequestItems: { [to.name]: puts } }));
  }
}

/** Services of the local side, with the clock and ids of the current request. */
const localServices = (): Services =>
  createServices({
    table: world.table,
    provisioner: simulatedTraits,
    clock: () => given.clock(),
    ids: {
      identity: () => given.ids.identity(),
      number: () => given.ids.number(),
      ulid: (at) => given.ids.ulid(at),
    },
  });

beforeAll(async () => {
  await buildAll();
  kms = await startKms();
  folder = mkdtempSync(join(tmpdir(), "ame-runtime-"));
  world = worldOn(`runtime-${randomUUID()}`, { endpoint: inject("endpoint"), maxAttempts: 4 }, new Set());
  await createTable(world.table);
  tenant = await world.tenant();
  const make = (environment: string, body: Record<string, unknown>) =>
    world.send("POST", tenant.path(environment), { token: tenant.admin, body: tenant.creation(body) });
  for (let number = 0; number < LARGE_CLUSTERS; number++) {
    const { status, text } = await make("staging", { name: `large ${number}`, ...LARGE });
    expect(status, text).toBe(200);
  }
  await make("production", { name: "ready" });
  given = movingGiven(START, 10_000);
  expect(await carry(await recordsOf(world.table, "ready"))).toEqual({ batchItemFailures: [] });
  // Of the same name, because secrets are bound to it.
  engine = await startEngine();
  other = openTable({ name: world.table.name, endpoint: engine.endpoint, client: ENGINE });
  await createTable(other);
  await copy(world.table, other);
  config = { ...readConfig({ CORS_ORIGINS: "https://console.example.test" }) };
  const app = createLocalApp({
    services: localServices(),
    log: createLogger("silent"),
    config,
    keyring: createKmsKeyring(KMS_KEY_ARN, { endpoint: kms.endpoint, ...ENGINE }),
    ready: async () => true,
    writes: limitWrites(),
  });
  server = createServer(getRequestListener(app.fetch));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
}, 120_000);

afterAll(async () => {
  await Promise.all([...running.values()].map((each) => each.stop()));
  server.closeAllConnections();
  server.close();
  await Promise.all([kms.stop(), engine.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

/** Returns a stream record for the pointer of a production cluster, as if it was just written. */
async function recordsOf(table: Table, ...slugs: string[]): Promise<Json[]> {
  const items = await itemsOf(table);
  return slugs.map((slug, at) => {
    const cluster = items.find(({ sk, pk }) => pk === `ORG#${tenant.slug}` && sk === `CLUSTER#production#${slug}`);
    const pointer = items.find(({ pk, sk }) => pk === `CLUSTER#${cluster?.identity}` && sk === "CLUSTER");
    if (pointer === undefined) throw new Error(`pointer of ${slug} not found`);
    return {
      eventID: `${at}`,
      eventName: "MODIFY",
      eventVersion: "1.1",
      eventSource: "aws:dynamodb",
      awsRegion: "eu-west-1",
      dynamodb: {
        ApproximateCreationDateTime: START / 1_000,
        Keys: marshall({ pk: pointer.pk, sk: pointer.sk }),
        NewImage: marshall(pointer),
        SequenceNumber: `${100 + at}`,
        SizeBytes: 500,
        StreamViewType: "NEW_AND_OLD_IMAGES",
      },
      eventSourceARN: "arn:aws:dynamodb:eu-west-1:123456789012:table/ame/stream/2026-11-27T10:00:00.000",
    };
  });
}

/** Processes records on the local side. */
async function carry(Records: Json[]) {
  const restore = saveEnvironment();
  const { AWS_ENDPOINT_URL_DYNAMODB: DYNAMODB_ENDPOINT, ...rest } = environment(inject("endpoint"));
  Object.assign(process.env, rest, { DYNAMODB_ENDPOINT, LOG_LEVEL: "silent" });
  const keyring = createKmsKeyring(KMS_KEY_ARN, { endpoint: kms.endpoint, ...ENGINE });
  const { clock, ids, sleep } = given;
  const response = await stream.with({ clock, ids, sleep, keyring, identityProvider: provider })({ Records }, {});
  restore();
  return response;
}

/** Returns both sides' responses to a request. */
async function both(scenario: Scenario) {
  const lambda = await start(scenario.bundle);
  given.next();
  config.PUBLIC_URL = `https://${HOST}${scenario.stage === undefined ? "" : `/${scenario.stage}`}`;
  const local = await sendTo((server.address() as AddressInfo).port, scenario);
  const { result, error } = await lambda.invoke(eventOf(scenario));
  expect(error, scenario.target).toBeUndefined();
  return { local, lambda: answerOf(result as GatewayResult) };
}

test("every bundle returns the same bytes as the local server, and writes the same", async () => {
  const seen = new Set<BundleName>();
  for (const scenario of scenarios(tenant)) {
    seen.add(scenario.bundle);
    const { local, lambda } = await both(scenario);
    const name = `${scenario.method} ${scenario.target} ${Buffer.from(local.body, "base64").toString().slice(0, 300)}`;
    expect(lambda, name).toEqual(local);
    expect(local.status, name).toBe(scenario.status);
  }
  expect([...seen].sort()).toEqual(
    Object.keys(bundles)
      .filter((name) => name !== "reconcile")
      .sort(),
  );
  // Encrypted secrets are random, and not every function records the use of tokens.
  const isComparable = ({ pk, sk }: Json) => !String(sk).startsWith("SECRET#") && !String(pk).startsWith("TOKEN#");
  expect((await itemsOf(other)).filter(isComparable)).toEqual((await itemsOf(world.table)).filter(isComparable));
});

test("the reconciler's bundle processes stream records like the local one", async () => {
  const lambda = await start("reconcile", "stream");
  const records = await recordsOf(world.table, "one", "three", "odd");
  const removed = { ...structuredClone(records[2]), eventName: "REMOVE" };
  delete removed.dynamodb.NewImage;
  const compare = async (...Records: Json[]) => {
    given.next();
    const local = await carry(Records);
    expect((await lambda.invoke({ Records })).result).toEqual(local);
    return local;
  };
  expect(await compare(records[0])).toEqual({ batchItemFailures: [] });
  expect(await compare(removed)).toEqual({ batchItemFailures: [] });
  expect(await compare()).toEqual({ batchItemFailures: [] });
  // A pointer of a later version: its record must be repeated, and must not block others.
  const pointer = unmarshall(records[2].dynamodb.NewImage);
  for (const { client, name: TableName } of [world.table, other]) {
    await client.send(new PutCommand({ TableName, Item: { ...pointer, entityVersion: 99 } }));
  }
  expect(await compare(records[2], records[1])).toEqual({ batchItemFailures: [{ itemIdentifier: "102" }] });
  const phases = async (table: Table) =>
    (await itemsOf(table))
      .filter(({ sk, pk }) => pk === `ORG#${tenant.slug}` && String(sk).startsWith("CLUSTER#production#"))
      .map((item) => clusterEntity.read(item))
      .map(({ slug, status, provisionStatus, revision }) => ({ slug, status, provisionStatus, revision }));
  expect(await phases(other)).toEqual(await phases(world.table));
  expect(await phases(other)).toContainEqual(expect.objectContaining({ slug: "one", status: "started" }));
});

test("the log lines of a function are JSON, one per request, and contain no token", async () => {
  const lambda = await start("clusters");
  const lines = lambda
    .output()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
  const requests = lines.filter(({ message }) => message === "request");
  expect(requests.length).toBeGreaterThan(50);
  expect(requests[0]).toMatchObject({
    requestId: "make",
    gatewayRequestId: "JKJaXmPLvHcESHA=",
    lambdaRequestId: "lambda-1",
    organisation: tenant.slug,
    status: 200,
    coldStart: true,
    Stage: "test",
    Requests: 1,
  });
  expect(requests.filter(({ coldStart }) => coldStart)).toHaveLength(1);
  expect(lines.filter(({ level }) => level === "error")).toEqual([]);
  expect(lambda.output()).not.toContain(tenant.admin.slice(-20));
});

test("a function with an invalid environment does not start, and reports every error", async () => {
  const started = startFunction({
    taskRoot: join(ROOT, BUNDLES_DIRECTORY, "clusters"),
    handler: "bundle.handler",
    environment: { TABLE_NAME: "a#b", LOG_LEVEL: "loud" },
  });
  await expect(started).rejects.toThrow(/TABLE_NAME: .*"a#b.*must be .*; LOG_LEVEL: .*"loud.*must be one of/);
});
