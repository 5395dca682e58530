import { beforeAll, expect, test } from "vitest";
import { type Cluster, clusterEntity } from "#core/cluster/entity.ts";
import { nextRecord, type StepResult } from "#core/provisioning/next-record.ts";
import { clusterKey, type Key, keyText } from "#core/table/keys.ts";
import { makeReconciledWorld } from "#test/support/reconciling.ts";

const NOW = "2026-11-23T12:00:00.000Z";

let cluster: Cluster & Key;

beforeAll(async () => {
  const world = await makeReconciledWorld();
  const tenant = await world.tenant();
  await world.send("POST", tenant.path("production"), { token: tenant.admin, body: tenant.creation() });
  await world.settle();
  const key = clusterKey(tenant.slug, "production", "one");
  const item = (await world.table.get([key])).get(keyText(key));
  if (item === undefined) throw new Error("cluster not found");
  cluster = clusterEntity.read(item);
  expect(cluster.status).toBe("started");
});

/** Builds the result of a step on the started cluster that failed for the nth time in a row. */
const failed = (attempts: number, more: Partial<StepResult> = {}): StepResult => ({
  cluster,
  pools: [],
  observation: undefined,
  isUnobservable: true,
  isUnknown: false,
  isCurrent: false,
  isPrepared: true,
  state: { attempts },
  error: { operation: "observing the cluster", message: "no", isTimeout: false },
  ...more,
});

test("a first failure is recorded with an event and a new revision, and leaves the status", () => {
  expect(nextRecord(failed(1), NOW)).toMatchObject({
    kind: "changed",
    isTransition: false,
    cluster: { status: "started", provisionStatus: "DONE", revision: cluster.revision + 1 },
    events: [{ type: "cluster.step-failed" }],
  });
});

test("a third failure like the second one changes nothing, and a fourth is an event without a new revision", () => {
  const second = nextRecord(failed(2), NOW);
  if (second.kind !== "changed") throw new Error("expected a change");
  const recorded = { ...cluster, ...second.cluster };
  expect(nextRecord(failed(3, { cluster: recorded }), NOW)).toEqual({ kind: "unchanged" });
  expect(nextRecord(failed(4, { cluster: recorded }), NOW)).toMatchObject({
    kind: "changed",
    cluster: { revision: recorded.revision },
    events: [{ type: "cluster.step-failed" }],
  });
});

test("a cluster that is unobservable for too long becomes unknown", () => {
  expect(nextRecord(failed(3, { isUnknown: true }), NOW)).toMatchObject({
    isTransition: true,
    cluster: { status: "unknown", provisionStatus: "UNKNOWN", furthestPhase: "DONE" },
    events: [{ type: "cluster.status-changed" }],
  });
});

test("a deletion is complete only once the prerequisites are removed", () => {
  const deleting: Cluster & Key = { ...cluster, status: "deleting", desiredStatus: "deleting" };
  const gone = { cluster: deleting, isUnobservable: false, error: undefined, state: { attempts: 0 } };
  expect(nextRecord(failed(0, { ...gone, isPrepared: false }), NOW)).toMatchObject({ cluster: { status: "deleting" } });
  expect(nextRecord(failed(0, gone), NOW)).toEqual({ kind: "deleted" });
});
