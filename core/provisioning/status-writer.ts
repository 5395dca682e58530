/** Writing down what became of a step: status, phase, pools, conditions and the event of it, in one fenced transaction. */

import type { Condition } from "../cluster/condition.ts";
import { type Cluster, clusterEntity } from "../cluster/entity.ts";
import type { EventOf, ProgressChange } from "../cluster/event-types.ts";
import { type ConditionInput, withTransitionTimes } from "../cluster/rules/conditions.ts";
import { canFollow } from "../cluster/rules/transitions.ts";
import { provisionStatuses } from "../cluster/schema.ts";
import { appendEvent } from "../cluster/store/event-log.ts";
import { TOMBSTONE_DAYS, tombstoneTransaction } from "../cluster/store/tombstone.ts";
import type { Services } from "../context.ts";
import { readChunkOf } from "../listing/page-index.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { nodePoolItem } from "../node-pool/items.ts";
import { nodePoolPath } from "../node-pool/rules.ts";
import { deadlineIn } from "../shared/retry.ts";
import { type Key, nodePoolKey, tombstoneKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import { buildConditions, conditionsChanged, type StepError } from "./build-conditions.ts";
import { deleteLeftovers } from "./cleanup.ts";
import { type Lease, type ReconcileNotes, renewLease } from "./lease.ts";
import { observedPool } from "./plan.ts";
import { nextPhase, nextPoolStatus, nextStatus } from "./planning.ts";
import type { Observation } from "./provisioner.ts";

/** What is known after a step. */
export interface StepResult {
  cluster: Cluster & Key;
  pools: readonly NodePool[];
  seen: Observation | undefined;
  /** Whether the provisioner told what is there. */
  isSeen: boolean;
  /** Whether what is seen was observed after everything that is asked for was applied. */
  isCurrent: boolean;
  /** Whether it could not tell for so long that the cluster counts as unknown. */
  isBlind: boolean;
  /** Whether the reconciler's own steps are done: before building, or after tearing down. */
  isPrepared: boolean;
  error: StepError | undefined;
  /** Failures in a row. */
  attempts: number;
  note: ReconcileNotes;
}

/** A cluster as it is recorded now. */
interface WrittenStatus {
  cluster: Cluster;
  pools: readonly NodePool[];
}

/**
 * Records at most one transition of the cluster's state and one of its phase.
 *
 * @returns what is recorded, where there is nothing more to record; `again` where there may be, or somebody else wrote to the
 *   cluster meanwhile; `fenced` where another worker has it
 * @throws AppError unavailable as `commit`
 */
export async function writeStatus(
  services: Services,
  lease: Lease,
  known: StepResult,
): Promise<WrittenStatus | "again" | "fenced"> {
  const { cluster, pools } = known;
  const next = statusOf(known);
  if (next === "deleted") return await finalizeDeletion(services, lease, known);
  const now = services.clock().toISOString();
  const phase = known.isSeen || next === "unknown" ? nextPhase(cluster, next, known) : cluster.provisionStatus;
  // Whoever sees that it serves shall find every phase behind it.
  const status = next === "started" && phase !== "DONE" ? cluster.status : next;
  const kept = pools.map((pool): [NodePool, NodePool["provisionStatus"] | undefined] => [
    pool,
    known.isSeen ? nextPoolStatus(cluster, pool, known.seen, known.isCurrent) : pool.provisionStatus,
  ]);
  const poolsAfter = kept.flatMap(([pool, provisionStatus]) =>
    provisionStatus === undefined ? [] : [{ ...pool, provisionStatus, runningVersion: versionOf(known, pool) }],
  );
  const { pk: _, sk: _sk, ...before } = cluster;
  const after: Cluster = { ...before, status, provisionStatus: phase, furthestPhase: furthest(cluster, phase) };
  if (known.isSeen) after.runningVersion = known.seen?.version;
  const told = buildConditions(after, poolsAfter, known.seen, known.error);
  after.conditions = conditionsOf(known, told, status, now);
  const changes = changesOf(cluster, after, kept);
  const moved = changes.length > 0;
  const retold = conditionsChanged(cluster.conditions, after.conditions);
  const event = eventOf(known, changes);
  const isVersioned =
    cluster.runningVersion !== after.runningVersion ||
    kept.some(
      ([pool, provisionStatus]) => provisionStatus !== undefined && pool.runningVersion !== versionOf(known, pool),
    );
  if (event === undefined && !retold && !isVersioned && sameConditions(cluster.conditions, after.conditions)) {
    if (known.error === undefined) return { cluster, pools };
    // There is nothing new to tell, but one more failure to count.
    const counted = new Transaction();
    renewLease(services, counted, lease, known.note);
    return (await failedLabel(services, counted)) ?? { cluster, pools };
  }
  if (moved || retold) after.revision = cluster.revision + 1;
  const transaction = new Transaction().put("cluster", clusterItemAt(cluster, after), {
    condition: "#identity = :identity AND #revision = :revision",
    values: { ":identity": cluster.identity, ":revision": cluster.revision },
  });
  for (const [pool, status] of kept) writePool(transaction, pool, status, versionOf(known, pool));
  if (event !== undefined) {
    appendEvent(services, transaction, event, { clusterIdentity: cluster.identity, at: now });
  }
  renewLease(services, transaction, lease, known.note);
  const failed = await failedLabel(services, transaction);
  if (failed !== undefined) return failed;
  return moved ? "again" : { cluster: after, pools: poolsAfter };
}

/** Commits. @returns undefined where it is written */
async function failedLabel(services: Services, transaction: Transaction): Promise<"again" | "fenced" | undefined> {
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  if (failures.length === 0) return undefined;
  return failures.some(({ label }) => label === "pointer") ? "fenced" : "again";
}

function statusOf({ cluster, seen, isSeen, isBlind, isPrepared }: StepResult): Cluster["status"] {
  if (isSeen) {
    const next = nextStatus(cluster, seen);
    // It is gone once what lies elsewhere is gone too.
    return next === "deleted" && !isPrepared ? cluster.status : next;
  }
  const isLost = isBlind && canFollow(cluster.status, "unknown", cluster.desiredStatus);
  return isLost ? "unknown" : cluster.status;
}

/**
 * Dates conditions and says what they have observed. What cannot be seen, and what was seen before the asked configuration was
 * applied, has observed nothing newer than before.
 */
function conditionsOf(
  known: StepResult,
  told: readonly ConditionInput[],
  status: Cluster["status"],
  now: string,
): Condition[] {
  const { cluster, isSeen, isCurrent, error } = known;
  const before = new Map(cluster.conditions.map((each) => [each.type, each]));
  const isCarried = ({ type }: ConditionInput) => {
    if (type === "Reconciled") return false;
    if (!isSeen) return status !== "unknown";
    return !isCurrent && (type === "UpToDate" || type === "NodePoolsReady") && cluster.desiredStatus !== "deleting";
  };
  const present = told.map((each) => (isCarried(each) ? (before.get(each.type) ?? each) : each));
  return withTransitionTimes(cluster.conditions, present, cluster.generation, now).map((each) => {
    const isObserved = isCurrent || (each.type === "Reconciled" && error !== undefined);
    const old = before.get(each.type)?.observedGeneration ?? 0;
    return isObserved ? each : { ...each, observedGeneration: old };
  });
}

/** The version of a pool's nodes, as it was last observed. */
const versionOf = ({ seen, isSeen }: StepResult, pool: NodePool): string | undefined =>
  isSeen ? observedPool(seen, pool)?.version : pool.runningVersion;

const furthest = ({ furthestPhase }: Cluster, phase: Cluster["provisionStatus"]) =>
  provisionStatuses.indexOf(phase) > provisionStatuses.indexOf(furthestPhase) ? phase : furthestPhase;

/** Conditions are told again where their words or what they have observed changed, too, though that raises no revision. */
const sameConditions = (one: readonly Condition[], other: readonly Condition[]) =>
  JSON.stringify(one) === JSON.stringify(other);

/** The item under the key it was read from: a displaced holder stays where it is. */
const clusterItemAt = (read: Key, after: Cluster) =>
  clusterEntity.write({ pk: read.pk, sk: read.sk }, after, { slimSk: read.sk });

function writePool(
  transaction: Transaction,
  pool: NodePool,
  status: NodePool["provisionStatus"] | undefined,
  runningVersion: string | undefined,
): void {
  if (status === pool.provisionStatus && runningVersion === pool.runningVersion) return;
  const asRead = { condition: "#revision = :revision", values: { ":revision": pool.revision } };
  if (status === undefined) transaction.delete("pool", nodePoolKey(pool.clusterIdentity, pool.id), asRead);
  else {
    // The version of nodes is not shown, so it raises no revision.
    const revision = pool.revision + (status === pool.provisionStatus ? 0 : 1);
    const after = { ...pool, provisionStatus: status, runningVersion, revision };
    transaction.put("pool", nodePoolItem(after), asRead);
  }
}

function changesOf(
  before: Cluster,
  after: Cluster,
  pools: readonly [NodePool, NodePool["provisionStatus"] | undefined][],
): ProgressChange[] {
  const own: ProgressChange[] = [
    { path: "status" as const, from: before.status, to: after.status },
    { path: "provisionStatus" as const, from: before.provisionStatus, to: after.provisionStatus },
  ].filter(({ from, to }) => from !== to);
  const theirs = pools
    .filter(([pool, status]) => pool.provisionStatus !== status)
    .map(([pool, to]): ProgressChange => {
      const path = `${nodePoolPath(pool)}.provisionStatus` as const;
      return to === undefined ? { path, from: pool.provisionStatus } : { path, from: pool.provisionStatus, to };
    });
  return [...own, ...theirs];
}

/** What is told of a step: a change, or that it failed; of failures in a row the first, second, fourth, eighth and so on. */
function eventOf({ error, attempts }: StepResult, changes: readonly ProgressChange[]): EventOf | undefined {
  const isRound = Number.isInteger(Math.log2(attempts));
  const failure =
    error === undefined || !isRound
      ? []
      : [{ path: "conditions[Reconciled]", to: `${error.operation}: ${error.message}` } as const];
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

/**
 * Turns a cluster of which nothing is left into its tombstone, its secrets before it: where there is a tombstone, there are none.
 * The pointer stays due: there may be more to finish.
 */
async function finalizeDeletion(
  services: Services,
  lease: Lease,
  { cluster, pools, note }: StepResult,
): Promise<"again" | "fenced"> {
  const { organisation, environment, slug, identity } = cluster;
  const isBare = await deleteLeftovers(services, identity, (transaction) =>
    renewLease(services, transaction, lease, note),
  );
  if (!isBare) return "fenced";
  const chunk = await readChunkOf(services.table, organisation, environment, slug);
  if (chunk === undefined) throw new Error(`${environment} has no page index`);
  const now = services.clock();
  const transaction = tombstoneTransaction(services, cluster, [...pools], chunk, now.toISOString());
  renewLease(services, transaction, lease, note, {
    sets: ["#path = :path", "#ttl = :ttl"],
    values: { ":path": tombstoneKey(organisation, environment, slug, identity).sk, ":ttl": ttlOf(now) },
  });
  return (await failedLabel(services, transaction)) ?? "again";
}

const ttlOf = (now: Date) => Math.floor(now.getTime() / 1_000) + TOMBSTONE_DAYS * 24 * 60 * 60;
