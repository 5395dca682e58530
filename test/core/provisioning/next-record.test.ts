import { beforeAll, expect, test } from "vitest";
import { type Cluster, clusterEntity } from "#core/cluster/entity.ts";
import { acceptChange } from "#core/cluster/rules/accept-change.ts";
import { describeConditions } from "#core/cluster/rules/condition-messages.ts";
import { initialConditions } from "#core/cluster/rules/conditions.ts";
import { firstRecord, nextRecord, type StepResult } from "#core/provisioning/next-record.ts";
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
  followUp: undefined,
  isFollowUpNew: false,
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

test("a cluster whose provisioning has started reports its acceptance, and a change only after one", () => {
  const accepted: Cluster & Key = {
    ...cluster,
    status: "new",
    provisionStatus: "ACCEPTED",
    furthestPhase: "ACCEPTED",
    generation: 1,
    conditions: initialConditions(NOW),
  };
  const messageOf = (each: Cluster) => describeConditions(each).find(({ type }) => type === "Reconciled")?.message;
  expect(messageOf(accepted)).toBe("The cluster was accepted; provisioning has not started.");
  const { cluster: started } = firstRecord(accepted, [], cluster.version, NOW);
  expect(messageOf(started)).toBe("The cluster was accepted; provisioning has started.");
  const changed = acceptChange(started, { ...started, highlyAvailable: !started.highlyAvailable }, false, NOW);
  expect(messageOf(changed)).toBe("A change was accepted; the reconciler has not processed it yet.");
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

/** Builds the result of a step on a cluster that is being built, whose observation shows a phase. */
const observed = (
  phase: "CLUSTER_PROVISIONED" | "INITIAL_ADDONS_PROVISIONED" | "DONE",
  more: Partial<Cluster> = {},
) => {
  const building: Cluster & Key = {
    ...cluster,
    status: "provisioning",
    provisionStatus: "OIDC_PROVISIONED",
    furthestPhase: "OIDC_PROVISIONED",
    ...more,
  };
  const power = phase === "DONE" ? ("started" as const) : ("starting" as const);
  const { version } = cluster;
  const observation = { collectedAt: NOW, phase, power, version, endpoint: undefined, nodePools: [] };
  return failed(0, { cluster: building, observation, isUnobservable: false, isCurrent: true, error: undefined });
};

test("all transitions that one observation shows are one record, with an event for each status", () => {
  const record = nextRecord(observed("DONE"), NOW);
  if (record.kind !== "changed") throw new Error("expected a change");
  expect(record.cluster).toMatchObject({ status: "started", provisionStatus: "DONE", furthestPhase: "DONE" });
  const steps = record.events.map(({ type, changes }) => [type, ...changes.map(({ to }) => to)]);
  expect(steps).toEqual([
    ["cluster.status-changed", "provisioned", "CLUSTER_PROVISIONED"],
    ["cluster.status-changed", "starting", "INITIAL_NODE_POOLS_PROVISIONED"],
    ["cluster.status-changed", "INITIAL_ADDONS_PROVISIONED", "started", "DONE"],
  ]);
  expect(nextRecord({ ...observed("DONE"), cluster: { ...cluster, ...record.cluster } }, NOW).kind).toBe("unchanged");
});

test("a phase without a status may be recorded later, and a status may not", () => {
  const starting = { status: "starting", provisionStatus: "INITIAL_NODE_POOLS_PROVISIONED" } as const;
  const first = nextRecord(observed("CLUSTER_PROVISIONED", starting), NOW);
  const conditions = first.kind === "changed" ? first.cluster.conditions : cluster.conditions;
  const later = nextRecord(observed("INITIAL_ADDONS_PROVISIONED", { ...starting, conditions }), NOW);
  expect(later).toMatchObject({ isDeferrable: true, events: [{ type: "cluster.phase-reached" }] });
  expect(nextRecord(observed("CLUSTER_PROVISIONED"), NOW)).toMatchObject({ isDeferrable: false });
  const error = { operation: "applying the configuration", message: "no", isTimeout: false };
  const failedToo = { ...observed("INITIAL_ADDONS_PROVISIONED", { ...starting, conditions }), error };
  expect(nextRecord(failedToo, NOW)).toMatchObject({ isDeferrable: false });
});

test("a deletion is complete only once the prerequisites are removed", () => {
  const deleting: Cluster & Key = { ...cluster, status: "deleting", desiredStatus: "deleting" };
  const gone = { cluster: deleting, isUnobservable: false, error: undefined, state: { attempts: 0 } };
  expect(nextRecord(failed(0, { ...gone, isPrepared: false }), NOW)).toMatchObject({ cluster: { status: "deleting" } });
  expect(nextRecord(failed(0, gone), NOW)).toEqual({ kind: "deleted" });
});
