import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createReconciler } from "#core/provisioning/services.ts";
import { simulatedProvisioner } from "#core/provisioning/simulated/provisioner.ts";
import { runWorker, type WorkerOptions } from "#functions/local/worker.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { until } from "#test/support/server.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** Only the first sweep runs: a test ends before the next one. */
const UNSWEPT: WorkerOptions = { sweepMs: 600_000, concurrency: 4 };

let world: World;
let tenant: Tenant;
let logs: string[];
let stop: () => Promise<void>;

beforeEach(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  logs = [];
});

afterEach(() => stop());

/** Starts a worker in the process of a world. @param stepMs duration of a build step, in milliseconds */
function begin(options: WorkerOptions, stepMs = 1): void {
  const stopping = new AbortController();
  const { services, table } = world;
  const provisioner = simulatedProvisioner({ table, clock: services.clock, stepMs });
  const log = createLogger("debug", (line) => logs.push(line));
  const given = { stopping: stopping.signal };
  const done = runWorker(createReconciler(services, provisioner, given), table.commits, stopping.signal, log, options);
  stop = () => {
    stopping.abort();
    return done;
  };
}

const path = () => tenant.path("production", "one");
const send = (method: string, at: string, body?: unknown, by: World = world): Promise<Json> =>
  by.send(method, at, { token: tenant.admin, body });
const become = (status: string) =>
  until(async () => ((await send("GET", path())).body.status === status ? true : undefined), 10_000);
const outcomes = () => logs.map((line) => JSON.parse(line).outcome);

test("the worker processes writes of its own process at once, and again after a change", async () => {
  begin(UNSWEPT);
  await until(() => (world.wire.spans.length > 0 ? true : undefined));
  await send("POST", tenant.path("production"), tenant.creation());
  await become("started");
  await send("PATCH", path(), { status: "stopping" });
  await become("stopped");
  await send("PATCH", path(), { status: "deleting" });
  await until(async () => ((await send("GET", path())).status === 404 ? true : undefined), 10_000);
  // Clusters without pending work were not processed again and again.
  await until(() => (outcomes().at(-1) === "notPending" ? true : undefined));
  expect(outcomes().length).toBeLessThan(10);
});

test("the sweep finds writes of other processes and clusters that were due before", async () => {
  const sibling = world.sibling();
  await send("POST", tenant.path("production"), tenant.creation(), sibling);
  begin({ ...UNSWEPT, sweepMs: 100 });
  await become("started");
  await send("PATCH", path(), { status: "stopping" }, sibling);
  await become("stopped");
});

test("more clusters than the worker processes at a time are all processed", async () => {
  begin(UNSWEPT);
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  await Promise.all(names.map((name) => send("POST", tenant.path("production"), tenant.creation({ name }))));
  const started = async () => (await send("GET", `${tenant.path()}?status=started&pageSize=1`)).body.totalElements;
  await until(async () => ((await started()) === names.length ? true : undefined), 10_000);
});

test("a stopping worker releases its clusters and starts no new ones", async () => {
  begin(UNSWEPT, 60_000);
  await send("POST", tenant.path("production"), tenant.creation());
  await become("provisioning");
  await stop();
  const before = logs.length;
  await send("PATCH", path(), { status: "deleting" });
  await sleep(50);
  expect(logs.length).toBe(before);
  expect(outcomes()).toContain("released");
});
