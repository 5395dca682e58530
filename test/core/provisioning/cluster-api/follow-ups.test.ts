/** Bootstrap tokens for clusters whose API server does not answer the reconciler. */

import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { type ManagedWorld, makeManagedWorld, PLACES } from "#test/support/cluster-api/managed-world.ts";
import { scanDue } from "#test/support/reconciling.ts";
import type { Json } from "#test/support/world.ts";

let managed: ManagedWorld;
let name = 0;
/** Requests to the management cluster and to API servers of clusters, with their times. */
let requests: { at: number; method: string; path: string }[];
let isReachable: boolean;

beforeAll(async () => {
  managed = await makeManagedWorld();
});
beforeEach(() => {
  isReachable = true;
  requests = [];
  managed.world.server.fault = ({ method, path }) => {
    requests.push({ at: now(), method, path });
    return path.startsWith("/workloads/") && !isReachable ? { type: "before" } : undefined;
  };
});
afterAll(async () => {
  await managed.world.stop();
  useCatalogue(shippedCatalogue);
});

const now = () => managed.world.services.clock().getTime();
const pathOf = (cluster: Json) => managed.tenant.path("production", cluster.slug.slugValue);
const get = async (cluster: Json) => (await managed.send("GET", pathOf(cluster))).body;
const conditionOf = ({ conditions }: Json, type: string) => conditions.find((each: Json) => each.type === type);
const attempts = () => requests.filter(({ path }) => path.startsWith("/workloads/"));

async function createStarted(type: "none" | "byon", nodePools: Json[] = []): Promise<Json> {
  const { region } = PLACES[type];
  const cluster = await managed.create({
    name: `c${++name}`,
    cloudAccountIdentity: await managed.account(type),
    region,
    version: "v1.33.4-u-ame.2",
    nodePools,
  });
  await managed.world.settle(20 * 60_000);
  expect((await get(cluster)).status).toBe("started");
  requests = [];
  return cluster;
}

async function issueToken(cluster: Json): Promise<void> {
  const joined = await managed.send("GET", `${pathOf(cluster)}/join-config`);
  expect(joined.status, joined.text).toBe(200);
}

async function patch(cluster: Json, change: Json): Promise<void> {
  const changed = await managed.send("PATCH", pathOf(cluster), change);
  expect(changed.status, changed.text).toBe(200);
}

/** Upgrades a cluster with a node pool. @returns duration in milliseconds, and the number of observations */
async function upgrade(withToken: boolean): Promise<{ ms: number; observations: number }> {
  const cluster = await createStarted("none", [{ name: "web", nodeSize: "small", minSize: 3 }]);
  isReachable = !withToken;
  if (withToken) await issueToken(cluster);
  const start = now();
  requests = [];
  await patch(cluster, { version: "v1.34.4-u-ame.2" });
  await managed.world.settle(10 * 60_000);
  const upgraded = await get(cluster);
  expect(conditionOf(upgraded, "UpToDate")).toMatchObject({ status: "True", observedGeneration: upgraded.generation });
  expect(conditionOf(upgraded, "Reconciled").status).toBe(withToken ? "False" : "True");
  const end = Date.parse(conditionOf(upgraded, "UpToDate").lastTransitionTime);
  const observed = requests.filter(
    ({ at, method, path }) => at <= end && method === "GET" && /\/clusters\//.test(path),
  );
  isReachable = true;
  await managed.world.settle(10 * 60_000);
  expect(conditionOf(await get(cluster), "Reconciled").status).toBe("True");
  await patch(cluster, { status: "deleting" });
  await managed.world.settle(20 * 60_000);
  return { ms: end - start, observations: observed.length };
}

test("a token that cannot be created delays no upgrade and makes no further observation", async () => {
  const without = await upgrade(false);
  expect(await upgrade(true)).toEqual(without);
});

test("a token that cannot be created is in the condition Reconciled, and is retried less and less often, up to every five minutes", async () => {
  const cluster = await createStarted("none");
  isReachable = false;
  await issueToken(cluster);
  const start = now();
  await managed.world.settle(60_000);
  const failing = await get(cluster);
  expect(failing.status).toBe("started");
  expect(conditionOf(failing, "Reconciled")).toMatchObject({ status: "False", reason: "ProvisionerFailed" });
  expect(conditionOf(failing, "Reconciled").message).toContain("creating the bootstrap tokens");
  await managed.world.settle(60 * 60_000 - (now() - start));
  const times = attempts().map(({ at }) => at);
  const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(times.length).toBeGreaterThan(15);
  expect(times.length).toBeLessThan(40);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(5 * 60_000);
  expect(Math.min(...pauses.slice(9))).toBeGreaterThanOrEqual(2.5 * 60_000);
  isReachable = true;
  await managed.world.settle(5 * 60_000);
  expect(conditionOf(await get(cluster), "Reconciled").status).toBe("True");
  const [due] = await scanDue(managed.world, new Date(now() + 24 * 60 * 60_000));
  expect(Date.parse(due?.dueAt ?? "") - now()).toBeGreaterThan(20 * 60_000);
});

test.each([
  ["for another token", issueToken, ["POST", "POST"]],
  ["for a change", (cluster: Json) => patch(cluster, { deleteProtection: true }), ["POST"]],
])("a request %s makes the next attempt at once", async (_, request, methods) => {
  const cluster = await createStarted("none");
  isReachable = false;
  await issueToken(cluster);
  await managed.world.settle(10 * 60_000);
  isReachable = true;
  requests = [];
  const start = now();
  await request(cluster);
  await managed.world.settle(1_000);
  expect(attempts().map(({ at, method }) => [at - start, method])).toEqual(methods.map((method) => [0, method]));
});

test("a token for a stopped cluster whose control plane is pods waits until the cluster starts", async () => {
  const cluster = await createStarted("byon");
  await patch(cluster, { status: "stopping" });
  await managed.world.settle(10 * 60_000);
  isReachable = false;
  requests = [];
  await issueToken(cluster);
  await managed.world.settle(60 * 60_000);
  expect(attempts()).toEqual([]);
  const stopped = await get(cluster);
  expect([stopped.status, conditionOf(stopped, "Reconciled").status]).toEqual(["stopped", "True"]);
  isReachable = true;
  await patch(cluster, { status: "starting" });
  await managed.world.settle(10 * 60_000);
  expect(attempts().map(({ method }) => method)).toEqual(["POST"]);
});
