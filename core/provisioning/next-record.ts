/** Decides what to record after a step: status, phase, node pools, conditions and event. Pure rules. */

import { type ClusterCondition, storeConditions } from "../cluster/condition.ts";
import type { Cluster } from "../cluster/entity.ts";
import type { EventOf, ProgressChange } from "../cluster/event-types.ts";
import { type ConditionInput, withTransitionTimes } from "../cluster/rules/conditions.ts";
import { conditionsOfStatus } from "../cluster/rules/status-conditions.ts";
import { canFollow } from "../cluster/rules/transitions.ts";
import { provisionStatuses } from "../cluster/schema.ts";
import type { ReconcileState } from "../cluster/store/pointer.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { nodePoolPath } from "../node-pool/rules.ts";
import type { Key } from "../table/keys.ts";
import { buildConditions, conditionsChanged } from "./build-conditions.ts";
import { observedPool } from "./plan.ts";
import { nextPhase, nextPoolStatus, nextStatus } from "./planning.ts";
import type { Step } from "./step.ts";

/** Result of a step, with what it has to be compared with. */
export interface StepResult extends Step {
  /** True if the cluster was unobservable so often that it counts as unknown. */
  isUnknown: boolean;
  /** State for the pointer, with the number of consecutive failures. */
  state: ReconcileState;
}

/** Node pool before and after a step; `after` is undefined if the pool no longer exists. */
export interface PoolRecord {
  before: NodePool;
  after: NodePool | undefined;
}

/** Changes of a cluster to write. */
export interface RecordChanges {
  kind: "changed";
  cluster: Cluster;
  pools: readonly PoolRecord[];
  /** Events of the changes, in their order: at most one change of the cluster's status each. */
  events: readonly EventOf[];
  /** True if a worker that takes the next step soon may write the changes together with those of that step. */
  isDeferrable: boolean;
  /** True if a status or phase changed: then the next transition may be due at once. */
  isTransition: boolean;
}

/** Decision on a record: nothing to write, changes to write, or the completion of a deletion. */
type NextRecord = { kind: "unchanged" } | { kind: "deleted" } | RecordChanges;

/**
 * Decides what to record after a step: all transitions that the observation shows, one after the other. After an error it is at most
 * one, because another attempt decides about the next. The completion of a deletion is recorded on its own.
 *
 * @param now RFC 3339
 */
export function nextRecord(step: StepResult, now: string): NextRecord {
  const first = nextChanges(step, now);
  if (first.kind !== "changed") return first;
  let record = first;
  while (record.isTransition && step.error === undefined) {
    const next = nextChanges(recorded(step, record), now);
    if (next.kind !== "changed") break;
    record = joined(record, next);
  }
  return record;
}

/** Returns a step with the recorded cluster and node pools. The failure of its follow-up is reported with them. */
export const recorded = <Result extends Step>(step: Result, { cluster, pools }: RecordChanges): Result => ({
  ...step,
  cluster: { ...cluster, pk: step.cluster.pk, sk: step.cluster.sk },
  pools: pools.flatMap((pool) => pool.after ?? []),
  isFollowUpNew: false,
});

/** Leaves out changes of nothing but a pool's running version, which no response shows: they may be written with the next change. */
export const withoutPoolVersions = (record: RecordChanges): RecordChanges => ({
  ...record,
  pools: record.pools.map(({ before, after }) =>
    after?.provisionStatus === before.provisionStatus ? { before, after: before } : { before, after },
  ),
});

/** Joins the changes of two steps, the second of which follows from the first. */
function joined(one: RecordChanges, other: RecordChanges): RecordChanges {
  const later = new Map(other.pools.map((pool) => [pool.before.identity, pool.after]));
  return {
    ...other,
    pools: one.pools.map(({ before, after }) => ({ before, after: after && later.get(before.identity) })),
    events: joinedEvents(one.events, other.events),
    isDeferrable: one.isDeferrable && other.isDeferrable,
  };
}

/** Joins the events of two steps. Changes of a phase or of pools are part of the event of the next status. */
function joinedEvents(one: readonly EventOf[], other: readonly EventOf[]): readonly EventOf[] {
  const [next, ...rest] = other;
  const last = one.at(-1);
  if (last?.type !== "cluster.phase-reached" || next === undefined) return [...one, ...other];
  const changes = [...last.changes, ...next.changes] as ProgressChange[];
  return [...one.slice(0, -1), progressEvent(changes), ...rest];
}

/** Decides about the next changes: at most one transition of the cluster's status and one of its phase. */
function nextChanges(step: StepResult, now: string): NextRecord {
  const { cluster } = step;
  const next = statusAfter(step);
  if (next === "deleted") return { kind: "deleted" };
  const pools = step.pools.map((pool): PoolRecord => ({ before: pool, after: poolAfter(step, pool) }));
  const after = clusterAfter(step, next, pools, now);
  const changes = changesOf(cluster, after, pools);
  const event = eventOf(step, changes);
  const isVersionObserved =
    cluster.runningVersion !== after.runningVersion ||
    pools.some((pool) => pool.after !== undefined && pool.before.runningVersion !== pool.after.runningVersion);
  if (event === undefined && !isVersionObserved && isSame(cluster.conditions, after.conditions)) {
    return { kind: "unchanged" };
  }
  const isTransition = changes.length > 0;
  if (isTransition || conditionsChanged(cluster.conditions, after.conditions)) after.revision = cluster.revision + 1;
  const isDeferrable =
    step.error === undefined &&
    !step.isFollowUpNew &&
    cluster.runningVersion === after.runningVersion &&
    changes.every(({ path }) => path === "provisionStatus") &&
    isSameExceptSuccess(cluster.conditions, after.conditions);
  return {
    kind: "changed",
    cluster: after,
    pools,
    events: event === undefined ? [] : [event],
    isTransition,
    isDeferrable,
  };
}

/**
 * Decides what to record before the first plan of a new cluster: that it is being provisioned, and with which version. The next
 * observation follows from the plan, so it shows nothing else of it.
 *
 * @param version version of the control plane in the plan
 * @param now RFC 3339
 */
export function firstRecord(
  cluster: Cluster & Key,
  pools: readonly NodePool[],
  version: string,
  now: string,
): RecordChanges {
  // A cluster that is built with this version never ran the former one.
  const { pk: _, sk: _sk, rollbackVersion: _rollback, ...before } = cluster;
  const provisioning = conditionsOfStatus("provisioning");
  const built = before.conditions.map((each) => provisioning.find(({ type }) => type === each.type) ?? each);
  const generations = new Map(before.conditions.map(({ type, observedGeneration }) => [type, observedGeneration]));
  const after: Cluster = {
    ...before,
    plannedVersion: version,
    status: "provisioning",
    provisionStatus: "OIDC_PROVISIONED",
    furthestPhase: furthest(before, "OIDC_PROVISIONED"),
    conditions: withTransitionTimes(before.conditions, built, before.generation, now).map((each) => ({
      ...each,
      observedGeneration: generations.get(each.type) ?? 0,
    })),
    revision: before.revision + 1,
  };
  const records = pools.map((pool): PoolRecord => {
    if (pool.provisionStatus !== "ACCEPTED") return { before: pool, after: pool };
    return { before: pool, after: { ...pool, provisionStatus: "PROVISIONING", revision: pool.revision + 1 } };
  });
  const changes = changesOf(before, after, records);
  return {
    kind: "changed",
    cluster: after,
    pools: records,
    events: [progressEvent(changes)],
    isDeferrable: false,
    isTransition: true,
  };
}

function statusAfter(step: StepResult): Cluster["status"] {
  const { cluster, observation, isUnobservable, isUnknown, isPrepared } = step;
  if (!isUnobservable) {
    const isLost = observation?.isUnreachable === true && canFollow(cluster.status, "unknown", cluster.desiredStatus);
    if (isLost || (observation?.isUnreachable && cluster.status === "unknown")) return "unknown";
    const next = nextStatus(cluster, observation);
    // The deletion is complete once the prerequisites are removed too.
    return next === "deleted" && !isPrepared ? cluster.status : next;
  }
  return isUnknown && canFollow(cluster.status, "unknown", cluster.desiredStatus) ? "unknown" : cluster.status;
}

function clusterAfter(step: StepResult, next: Cluster["status"], pools: readonly PoolRecord[], now: string): Cluster {
  const { pk: _, sk: _sk, ...before } = step.cluster;
  const { observation, isUnobservable, error, followUp } = step;
  const isKnown = !isUnobservable || next === "unknown";
  const provisionStatus = isKnown ? nextPhase(before, next, step) : before.provisionStatus;
  // A client that sees the cluster as started must find every phase complete.
  const status = next === "started" && provisionStatus !== "DONE" ? before.status : next;
  const after: Cluster = {
    ...before,
    status,
    provisionStatus,
    furthestPhase: furthest(before, provisionStatus),
    ...(isUnobservable ? {} : { runningVersion: observation?.version }),
  };
  const live = pools.flatMap((pool) => pool.after ?? []);
  const conditions = buildConditions(after, live, observation, error ?? followUp);
  return { ...after, conditions: datedConditions(step, conditions, status, now) };
}

function poolAfter({ cluster, observation, isUnobservable, isCurrent }: StepResult, pool: NodePool) {
  if (isUnobservable) return pool;
  const provisionStatus = nextPoolStatus(cluster, pool, observation, isCurrent);
  if (provisionStatus === undefined) return undefined;
  // The version of the nodes is not part of responses, so it does not raise the revision.
  const revision = pool.revision + (provisionStatus === pool.provisionStatus ? 0 : 1);
  return { ...pool, provisionStatus, runningVersion: observedPool(observation, pool)?.version, revision };
}

/**
 * Adds transition times and observed generations to conditions. An unobservable cluster, and an observation from before the
 * requested configuration was applied, show no newer generation.
 */
function datedConditions(
  step: StepResult,
  built: readonly ConditionInput[],
  status: Cluster["status"],
  now: string,
): ClusterCondition[] {
  const { cluster, isUnobservable, isCurrent, error, isFollowUpNew } = step;
  const before = new Map(cluster.conditions.map((each) => [each.type, each]));
  const isKept = ({ type }: ConditionInput) => {
    if (type === "Reconciled") return false;
    if (isUnobservable) return status !== "unknown";
    return !isCurrent && (type === "UpToDate" || type === "NodePoolsReady") && cluster.desiredStatus !== "deleting";
  };
  const present = built.map((each) => (isKept(each) ? (before.get(each.type) ?? each) : each));
  return withTransitionTimes(cluster.conditions, present, cluster.generation, now).map((each) => {
    const isObserved = isCurrent || (each.type === "Reconciled" && (error !== undefined || isFollowUpNew));
    return isObserved ? each : { ...each, observedGeneration: before.get(each.type)?.observedGeneration ?? 0 };
  });
}

const furthest = ({ furthestPhase }: Cluster, phase: Cluster["provisionStatus"]) =>
  provisionStatuses.indexOf(phase) > provisionStatuses.indexOf(furthestPhase) ? phase : furthestPhase;

/** Compares all of the conditions: details and observed generations too, although these do not raise the revision. */
const isSame = (one: readonly ClusterCondition[], other: readonly ClusterCondition[]) =>
  JSON.stringify(storeConditions(one)) === JSON.stringify(storeConditions(other));

/** Compares conditions except observed generations and a Reconciled that becomes True: neither reports anything to users yet. */
function isSameExceptSuccess(one: readonly ClusterCondition[], other: readonly ClusterCondition[]): boolean {
  const comparable = (conditions: readonly ClusterCondition[]) =>
    conditions
      .filter(({ type }) => type !== "Reconciled")
      .map(({ type, status, reason, detail }) => [type, status, reason, detail]);
  const wasFailed = one.some(({ type, status }) => type === "Reconciled" && status === "False");
  return !wasFailed && JSON.stringify(comparable(one)) === JSON.stringify(comparable(other));
}

function changesOf(before: Cluster, after: Cluster, pools: readonly PoolRecord[]): ProgressChange[] {
  const own: ProgressChange[] = [
    { path: "status" as const, from: before.status, to: after.status },
    { path: "provisionStatus" as const, from: before.provisionStatus, to: after.provisionStatus },
  ].filter(({ from, to }) => from !== to);
  const ofPools = pools
    .filter((pool) => pool.before.provisionStatus !== pool.after?.provisionStatus)
    .map((pool): ProgressChange => {
      const path = `${nodePoolPath(pool.before)}.provisionStatus` as const;
      const change = { path, from: pool.before.provisionStatus };
      return pool.after === undefined ? change : { ...change, to: pool.after.provisionStatus };
    });
  return [...own, ...ofPools];
}

/** Builds the event of changes or of a failure. Of consecutive failures it reports the first, second, fourth, eighth and so on. */
function eventOf(step: StepResult, changes: readonly ProgressChange[]): EventOf | undefined {
  const failed = failureOf(step);
  const failure =
    failed !== undefined && Number.isInteger(Math.log2(failed.attempts))
      ? [{ path: "conditions[Reconciled]", to: `${failed.operation}: ${failed.message}` } as const]
      : [];
  if (changes.length > 0) return progressEvent([...changes, ...failure]);
  return failure.length === 0 ? undefined : { type: "cluster.step-failed", changes: failure };
}

/** Returns what failed in a step, with the number of consecutive failures. */
function failureOf({ error, state: { attempts }, followUp, isFollowUpNew }: StepResult) {
  if (error !== undefined) return { ...error, attempts };
  return isFollowUpNew ? followUp : undefined;
}

/** Builds the event of changes; its type names the most important one. */
function progressEvent(changes: readonly ProgressChange[]): EventOf {
  const changed = new Set<string>(changes.map(({ path }) => path));
  if (changed.has("status")) return { type: "cluster.status-changed", changes };
  return { type: changed.has("provisionStatus") ? "cluster.phase-reached" : "node-pool.status-changed", changes };
}
