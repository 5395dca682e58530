/** Decides what to record after a step: status, phase, node pools, conditions and event. Pure rules. */

import { type ClusterCondition, storeConditions } from "../cluster/condition.ts";
import type { Cluster } from "../cluster/entity.ts";
import type { EventOf, ProgressChange } from "../cluster/event-types.ts";
import { type ConditionInput, withTransitionTimes } from "../cluster/rules/conditions.ts";
import { canFollow } from "../cluster/rules/transitions.ts";
import { provisionStatuses } from "../cluster/schema.ts";
import type { ReconcileState } from "../cluster/store/pointer.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { nodePoolPath } from "../node-pool/rules.ts";
import { buildConditions, conditionsChanged } from "./build-conditions.ts";
import { observedPool } from "./plan.ts";
import { nextPhase, nextPoolStatus, nextStatus } from "./planning.ts";
import type { Step } from "./step.ts";

/** Result of a step, with what it has to be compared with. */
export interface StepResult extends Step {
  pools: readonly NodePool[];
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
  event: EventOf | undefined;
  /** True if a status or phase changed: then the next transition may be due at once. */
  isTransition: boolean;
}

/** Decision on a record: nothing to write, changes to write, or the completion of a deletion. */
type NextRecord = { kind: "unchanged" } | { kind: "deleted" } | RecordChanges;

/**
 * Decides what to record after a step: at most one transition of the cluster's status and one of its phase.
 *
 * @param now RFC 3339
 */
export function nextRecord(step: StepResult, now: string): NextRecord {
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
  return { kind: "changed", cluster: after, pools, event, isTransition };
}

function statusAfter(step: StepResult): Cluster["status"] {
  const { cluster, observation, isUnobservable, isUnknown, isPrepared } = step;
  if (!isUnobservable) {
    const next = nextStatus(cluster, observation);
    // The deletion is complete once the prerequisites are removed too.
    return next === "deleted" && !isPrepared ? cluster.status : next;
  }
  return isUnknown && canFollow(cluster.status, "unknown", cluster.desiredStatus) ? "unknown" : cluster.status;
}

function clusterAfter(step: StepResult, next: Cluster["status"], pools: readonly PoolRecord[], now: string): Cluster {
  const { pk: _, sk: _sk, ...before } = step.cluster;
  const { observation, isUnobservable, error } = step;
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
  const conditions = buildConditions(after, live, observation, error);
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
  const { cluster, isUnobservable, isCurrent, error } = step;
  const before = new Map(cluster.conditions.map((each) => [each.type, each]));
  const isKept = ({ type }: ConditionInput) => {
    if (type === "Reconciled") return false;
    if (isUnobservable) return status !== "unknown";
    return !isCurrent && (type === "UpToDate" || type === "NodePoolsReady") && cluster.desiredStatus !== "deleting";
  };
  const present = built.map((each) => (isKept(each) ? (before.get(each.type) ?? each) : each));
  return withTransitionTimes(cluster.conditions, present, cluster.generation, now).map((each) => {
    const isObserved = isCurrent || (each.type === "Reconciled" && error !== undefined);
    return isObserved ? each : { ...each, observedGeneration: before.get(each.type)?.observedGeneration ?? 0 };
  });
}

const furthest = ({ furthestPhase }: Cluster, phase: Cluster["provisionStatus"]) =>
  provisionStatuses.indexOf(phase) > provisionStatuses.indexOf(furthestPhase) ? phase : furthestPhase;

/** Compares all of the conditions: details and observed generations too, although these do not raise the revision. */
const isSame = (one: readonly ClusterCondition[], other: readonly ClusterCondition[]) =>
  JSON.stringify(storeConditions(one)) === JSON.stringify(storeConditions(other));

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
function eventOf(
  { error, state: { attempts } }: StepResult,
  changes: readonly ProgressChange[],
): RecordChanges["event"] {
  const isReported = error !== undefined && Number.isInteger(Math.log2(attempts));
  const failure = isReported
    ? [{ path: "conditions[Reconciled]", to: `${error.operation}: ${error.message}` } as const]
    : [];
  const all = [...changes, ...failure];
  const [first] = all;
  if (first === undefined) return undefined;
  if (changes.length === 0) return { type: "cluster.step-failed", changes: failure };
  if (first.path === "status") return { type: "cluster.status-changed", changes: all };
  return {
    type: first.path === "provisionStatus" ? "cluster.phase-reached" : "node-pool.status-changed",
    changes: all,
  };
}
