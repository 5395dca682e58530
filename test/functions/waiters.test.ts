/** Many concurrent requests that wait. */

import { setTimeout as sleep } from "node:timers/promises";
import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { beforeEach, expect, test, vi } from "vitest";
import { PollingStatusWatcher } from "#core/cluster/operations/status-watcher.ts";
import { clusterKey } from "#core/table/keys.ts";
import { until } from "#test/support/server.ts";
import { makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

const PER_TOKEN = 100;

let world: World;
let tenant: Tenant;

beforeEach(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  await create("one");
});

async function create(name: string, owner = tenant): Promise<void> {
  const body = owner.creation({ name });
  const response = await world.send("POST", owner.path("production"), { token: owner.admin, body });
  expect(response.status, response.text).toBe(200);
}

/** Sends a request that waits for a cluster to stop. */
const wait = (seconds: number, token = tenant.admin, cluster = "one", query = "") =>
  world.send("GET", `${tenant.path("production", cluster)}?waitFor=status:stopped${query}`, {
    token,
    headers: { prefer: `wait=${seconds}` },
  });

const reads = () => world.wire.spans.filter(({ operation, end }) => operation === "BatchGetItem" && end > 0);

/** Sends waiting requests, all at the same moment, and returns them when all are authorized. Resets the recorded calls. */
async function startWaiting(
  count: number,
  seconds: number,
  { tokens = [tenant.admin], clusters = ["one"], query = "" } = {},
): Promise<Promise<TestResponse>[]> {
  const reserved = vi.spyOn(world.services.statusWatcher, "reserve");
  const waiting = Array.from({ length: count }, (_, position) =>
    wait(seconds, tokens[position % tokens.length], clusters[position % clusters.length], query),
  );
  await until(() => reserved.mock.calls.length === count || undefined);
  reserved.mockRestore();
  await sleep(50);
  world.wire.spans.length = 0;
  return waiting;
}

/** Sets a cluster's status to `stopped`, like another process. */
const stop = (cluster = "one") =>
  world.table.client.send(
    new UpdateCommand({
      TableName: world.table.name,
      Key: clusterKey(tenant.slug, "production", cluster),
      UpdateExpression: "SET #status = :status ADD revision :one",
      ExpressionAttributeNames: { "#status": "status" },
      ExpressionAttributeValues: { ":status": "stopped", ":one": 1 },
    }),
  );

const appliedIn = ({ headers }: TestResponse) => headers.get("preference-applied");
const retryAfterIn = ({ headers }: TestResponse) => headers.get("retry-after");

const people = async (count: number) => {
  const tokens: string[] = [];
  for (let each = 0; each < count; each++) tokens.push((await tenant.person("viewer")).token);
  return tokens;
};

test("500 waiting requests do not slow down another tenant's GET", async () => {
  const other = await world.tenant();
  await create("one", other);
  const names = ["two", "three", "four", "five"];
  for (const name of names) await create(name);
  const tokens = await people(5);
  const latencies = async (count: number) => {
    const taken: number[] = [];
    for (let each = 0; each < count; each++) {
      const started = performance.now();
      const { status } = await world.send("GET", other.path("production", "one"), { token: other.admin });
      taken.push(performance.now() - started);
      expect(status).toBe(200);
      await sleep(30);
    }
    return taken.sort((one, another) => one - another)[Math.floor(count * 0.95)] ?? 0;
  };
  await latencies(20);
  const atRest = await latencies(80);
  const waiting = await startWaiting(500, 10, { tokens, clusters: ["one", ...names] });
  const beside = await latencies(80);
  const polls = reads().length - 80;
  const responses = await Promise.all(waiting);
  expect(responses.map(appliedIn)).toEqual(Array(500).fill("wait=10"));
  // The 95th percentiles. If each request polls by itself, the ratio is about six on an idle machine.
  expect(beside / atRest).toBeLessThan(3);
  // One poll a second for all, in about four seconds; individual polls made about 2,000.
  expect(polls).toBeLessThan(40);
});

test("500 requests that begin to wait at the same moment are authorized by few shared reads", async () => {
  const tokens = await people(5);
  world.wire.spans.length = 0;
  const waiting = Array.from({ length: 500 }, (_, position) => wait(3, tokens[position % tokens.length]));
  const responses = await Promise.all(waiting);
  expect(responses.map(({ status }) => status)).toEqual(Array(500).fill(200));
  expect(responses.map(appliedIn)).toEqual(Array(500).fill("wait=3"));
  // Also the poll, and the reads when the wait is over.
  expect(reads().length).toBeLessThan(100);
});

test("waiting requests that finish together share their reads", async () => {
  const tokens = await people(4);
  const waiting = await startWaiting(200, 10, { tokens, query: "&includeDetails=true" });
  await stop();
  const responses = await Promise.all(waiting);
  expect(responses.map(({ status, body }) => [status, body.status])).toEqual(Array(200).fill([200, "stopped"]));
  // The poll, the authorization reads, the reads of details.
  expect(reads().length).toBeLessThan(30);
});

test("waiting requests of many clusters each finish with their own cluster", async () => {
  const names = ["two", "three", "four"];
  for (const name of names) await create(name);
  const waiting = await startWaiting(8, 4, { clusters: ["one", ...names] });
  await stop("three");
  const responses = await Promise.all(waiting);
  const seen = responses.map(({ body }) => [body.slug.slugValue, body.status]);
  const expected = ["one", ...names].map((name) => [name, name === "three" ? "stopped" : "new"]);
  expect(seen).toEqual([...expected, ...expected]);
});

test("a token's request beyond its limit returns at once with Retry-After, while another token's request waits", async () => {
  const [another = ""] = await people(1);
  const waiting = await startWaiting(PER_TOKEN, 4);
  const settled: string[] = [];
  const [beyond, others] = [wait(4), wait(4, another)];
  void beyond.then(() => settled.push("beyond"));
  void waiting[0]?.then(() => settled.push("waiting"));
  const refused = await beyond;
  expect(settled).toEqual(["beyond"]);
  expect([refused.status, refused.body.status]).toEqual([200, "new"]);
  expect([retryAfterIn(refused), appliedIn(refused)]).toEqual(["5", null]);
  for (const response of await Promise.all([...waiting, others])) {
    expect([retryAfterIn(response), appliedIn(response)]).toEqual([null, "wait=4"]);
  }
  // Their places are free again.
  const last = await wait(1);
  expect([retryAfterIn(last), appliedIn(last)]).toEqual([null, "wait=1"]);
});

test("a request beyond the limit of the process gets no place until one is released", () => {
  const watcher = new PollingStatusWatcher(world.table.commits, { perToken: 2, perProcess: 3 });
  const release = watcher.reserve("a");
  expect([watcher.reserve("a"), watcher.reserve("a")]).toEqual([expect.any(Function), undefined]);
  expect([watcher.reserve("b"), watcher.reserve("b")]).toEqual([expect.any(Function), undefined]);
  release?.();
  expect([watcher.reserve("b"), watcher.reserve("a")]).toEqual([expect.any(Function), undefined]);
});

test("a wait continues after failed polls, and returns the cluster at its end", async () => {
  const waiting = await startWaiting(1, 3);
  world.wire.fault = ({ input }) => (JSON.stringify(input).includes("ProjectionExpression") ? "before" : undefined);
  await stop();
  const [response] = await Promise.all(waiting);
  expect([response?.status, response?.body.status]).toEqual([200, "stopped"]);
  expect(world.wire.spans.length).toBeGreaterThan(2);
});

test("requests whose reads at the end of the wait fail all return 503", async () => {
  const waiting = await startWaiting(30, 2);
  world.wire.fault = () => "before";
  const responses = await Promise.all(waiting);
  world.wire.fault = () => undefined;
  expect(responses.map(({ status }) => status)).toEqual(Array(30).fill(503));
});
