/**
 * The reconciler: compares a cluster's requested configuration with the provisioner's observation and takes the next idempotent
 * step. It does not depend on events, and may be killed between any two calls.
 */

import { clusterEntity, type Pointer } from "../cluster/entity.ts";
import { isLeaseHeld, type Lease, type Release, readPointer } from "../cluster/store/pointer.ts";
import type { Services } from "../context.ts";
import { readNodePools } from "../node-pool/items.ts";
import { readSecrets, secretsByName } from "../secrets/vault.ts";
import { keyText, NODE_POOL_PREFIX, organisationKey, poolsAndSecretsRange } from "../table/keys.ts";
import { backoffDelay } from "./backoff.ts";
import { completeDeletion } from "./cleanup.ts";
import { nextDelay, soonest } from "./delays.ts";
import { type FailedFollowUp, retryDelay } from "./follow-up.ts";
import { acquireLease, type LeaseRefusal, raiseFence, releaseForRequest } from "./lease.ts";
import { nextRecord, recorded, type StepResult, withoutPoolVersions } from "./next-record.ts";
import { isConverged } from "./planning.ts";
import { stateAfter } from "./reconcile-state.ts";
import type { ReconcilerServices } from "./services.ts";
import { finalizeDeletion, releaseLease, writeRecord } from "./status-writer.ts";
import { runStep, type Step, type StoredState } from "./step.ts";
import { readUpgrade, stepUpgrade, upgradeDelay } from "./upgrade-step.ts";

/** Default time for one cluster in one invocation, and the longest wait between two of its steps, in milliseconds. */
export const MAX_INLINE_MS = 20_000;

/** Consecutive failures after which a cluster that cannot be observed counts as unknown. */
const UNKNOWN_AFTER_FAILURES = 3;

/** Iterations without a wait after which the reconciler reports a defect instead of looping forever. */
const MAX_ITERATIONS = 1_000;

/** Result of a reconciliation: refused, released until the next due time, or ended because another worker took the lease. */
export type Outcome = LeaseRefusal | "released" | "fenced";

/**
 * State of a worker during its lease. It keeps what was read or written, so that no iteration reads it again. Every write is
 * conditional on it.
 */
interface LeaseSession {
  lease: Lease;
  /** Undefined to read it again. */
  pointer: Pointer | undefined;
  /** True after a wait, in which a request may have arrived: then the pointer is read again. */
  isStale: boolean;
  /** Undefined to read it again, which is not done before the pointer is known. */
  stored: StoredState | undefined;
  /** True after a failed call, which may still take effect after the lease. */
  hasFailed: boolean;
  /** Failed follow-up that waits for its next attempt; undefined if there is none, and after a request, which is processed at once. */
  followUp: FailedFollowUp | undefined;
  /** Number of requests when the pointer was last read. */
  wakes: number;
}

/** Limits of a reconciliation. */
interface Limits {
  /** Returns whether an action after a wait is still within the time. @param ms wait, in milliseconds */
  hasTime(ms?: number): boolean;
}

/** Result of one iteration, as in a Kubernetes controller; or the end of the lease. */
type Result = "fenced" | "released" | "requeue" | { requeueAfterMs: number };

/**
 * Reconciles a cluster that is due until nothing is pending, the next step is due later than an invocation lasts, or the time
 * is used up.
 *
 * @param identity of the cluster
 * @param budgetMs time to spend, in milliseconds
 * @throws AppError unavailable if the database cannot be reached; the cluster then stays due
 */
export async function reconcile(
  services: ReconcilerServices,
  identity: string,
  budgetMs: number = MAX_INLINE_MS,
): Promise<Outcome> {
  const acquired = await services.yieldToRequests(() => acquireLease(services, identity));
  if (typeof acquired === "string") return acquired;
  const now = () => services.clock().getTime();
  const end = now() + budgetMs;
  const limits = { hasTime: (ms = 0) => now() + ms < end && services.stopping?.aborted !== true };
  const { pointer } = acquired;
  const followUp = pointer.requestedAt === undefined ? pointer.followUp : undefined;
  const kept = { stored: undefined, followUp, wakes: pointer.wakes };
  const session: LeaseSession = { ...acquired, ...kept, isStale: false, hasFailed: false };
  for (let iteration = 1; ; iteration++) {
    const result = await services.yieldToRequests(() => iterate(services, session, limits));
    if (result === "fenced" || result === "released") return result;
    if (result === "requeue") {
      if (iteration < MAX_ITERATIONS) continue;
      throw new Error(`cluster ${identity} does not converge: ${MAX_ITERATIONS} iterations without a wait`);
    }
    await services.sleep(result.requeueAfterMs);
    session.isStale = true;
  }
}

/** Reads the pointer, unless it is known and no wait followed. @returns undefined if the lease is lost */
async function readPointerInSession(services: Services, session: LeaseSession): Promise<Pointer | undefined> {
  const before = session.pointer;
  if (before === undefined || session.isStale) {
    session.pointer = await readPointer(services, session.lease.identity);
    session.isStale = false;
    if (!isSameRequest(before, session.pointer)) session.stored = undefined;
    const wakes = session.pointer?.wakes ?? session.wakes;
    if (wakes !== session.wakes) session.followUp = undefined;
    session.wakes = wakes;
  }
  return isLeaseHeld(session.pointer, session.lease) ? session.pointer : undefined;
}

/** Returns whether no request, move or deletion came between two reads of a pointer. Each changes one of these attributes. */
const isSameRequest = (one: Pointer | undefined, other: Pointer | undefined): boolean =>
  one?.wakes === other?.wakes && one?.path === other?.path && one?.ttl === other?.ttl;

/** Forgets what is stored, so that the next iteration reads everything. */
function forget(session: LeaseSession): "requeue" {
  session.pointer = undefined;
  session.stored = undefined;
  return "requeue";
}

/** Runs the next step of a cluster, and records the result. */
async function iterate(services: ReconcilerServices, session: LeaseSession, limits: Limits): Promise<Result> {
  // Read before the cluster: a request after this read raises `wakes`, which the release of the lease detects.
  const pointer = await readPointerInSession(services, session);
  if (pointer === undefined) return "fenced";
  if (pointer.ttl !== undefined) return await reconcileDeleted(services, session, pointer, limits);
  session.stored ??= await readStored(services, pointer);
  // The cluster was moved between the two reads.
  if (session.stored === undefined) return forget(session);
  const { stored } = session;
  if (await stepUpgrade(services, session.lease, stored)) return forget(session);
  const step = await runStep(services, session.lease, stored, session.followUp);
  if (step === "changed") return forget(session);
  if (step === "prepared") {
    session.stored = { ...stored, secrets: await readSecrets(services.table, session.lease.identity) };
    return "requeue";
  }
  if (step.error !== undefined) session.hasFailed = true;
  // Before the record, which may end the lease. It fails if another worker has the lease and sent the higher token.
  const highest = step.error?.highestFence;
  if (highest !== undefined && !(await raiseFenceInSession(services, session, highest))) return "fenced";
  session.followUp = step.followUp;
  const result = await recordStep(services, session, pointer, stored, step, limits);
  if (step.error?.isTimeout !== true || result === "fenced" || result === "released") return result;
  return (await raiseFenceInSession(services, session)) ? result : "fenced";
}

/** Raises the fencing token of the session's lease. @param above see `raiseFence` @returns false if the lease is lost */
async function raiseFenceInSession(services: Services, session: LeaseSession, above?: number): Promise<boolean> {
  const raised = await raiseFence(services, session.lease, above);
  if (raised === undefined) return false;
  session.lease = raised;
  session.pointer = session.pointer && { ...session.pointer, fence: raised.fence };
  return true;
}

async function reconcileDeleted(
  services: ReconcilerServices,
  session: LeaseSession,
  pointer: Pointer,
  limits: Limits,
): Promise<Result> {
  const { lease, hasFailed } = session;
  const [, environment = ""] = pointer.path.split("#");
  await completeDeletion(services, { ...pointer, environment });
  const ending: Release = { wakes: pointer.wakes, state: { attempts: 0 }, dueAt: undefined, mustFence: hasFailed };
  const written = await releaseLease(services, lease, ending);
  if (written === "written") return "released";
  if (written === "fenced") return "fenced";
  return limits.hasTime() ? forget(session) : await releaseForRequest(services, lease, ending);
}

/**
 * Reads a cluster with its node pools and secrets in one round trip, and then its upgrade if it may have one.
 *
 * @returns undefined if it was moved
 */
async function readStored(services: Services, pointer: Pointer): Promise<StoredState | undefined> {
  const key = { pk: organisationKey(pointer.organisation).pk, sk: pointer.path };
  const [clusters, items] = await Promise.all([
    services.table.get([key]),
    services.table.query(poolsAndSecretsRange(pointer.identity)),
  ]);
  const item = clusters.get(keyText(key));
  if (item === undefined) return undefined;
  const pools = readNodePools(items.filter(({ sk }) => sk.startsWith(NODE_POOL_PREFIX)));
  const cluster = clusterEntity.read(item);
  return { cluster, pools, secrets: secretsByName(items), upgrade: await readUpgrade(services, cluster) };
}

/**
 * Records the result of a step in one transaction, and determines when the next step is due. The write also releases the lease, unless
 * the worker continues.
 */
async function recordStep(
  services: ReconcilerServices,
  session: LeaseSession,
  pointer: Pointer,
  stored: StoredState,
  step: Step,
  limits: Limits,
): Promise<Result> {
  const { lease } = session;
  const { error, observation, isUnobservable } = step;
  const attempts = error === undefined ? 0 : pointer.attempts + 1;
  const state = stateAfter(services, stored.cluster, pointer, step, attempts);
  const isUnknown = isUnobservable && attempts >= UNKNOWN_AFTER_FAILURES;
  const present: StepResult = { ...step, isUnknown, state };
  const now = services.clock().toISOString();
  let record = nextRecord(present, now);
  if (record.kind === "deleted") {
    return (await finalizeDeletion(services, lease, present)) === "fenced" ? "fenced" : forget(session);
  }
  let after = record.kind === "changed" ? recorded(present, record) : present;
  const isTransition = record.kind === "changed" && record.isTransition;
  // After a failed call another attempt decides about the next transition. Otherwise only the completion of a deletion is left.
  const mayContinue = isTransition && (error !== undefined || nextRecord(after, now).kind !== "unchanged");
  const upgradeIn = upgradeDelay(services, { ...stored, cluster: after.cluster, pools: after.pools });
  const isDone = isConverged(after.cluster, after.pools, observation);
  const delay = soonest(
    error === undefined
      ? nextDelay(services, { ...stored, cluster: after.cluster }, isDone, observation)
      : Math.max(
          backoffDelay(attempts),
          error.retryAfterMs ?? 0,
          // No sooner than without an error: otherwise three failures within seconds would make the cluster unknown.
          isUnobservable ? services.provisioner.pollMs : 0,
        ),
    upgradeIn,
    // Until then, each observation can retry it.
    error === undefined && isDone ? retryDelay(services, step.followUp) : undefined,
  );
  const isInline = delay !== undefined && delay <= MAX_INLINE_MS && limits.hasTime(delay);
  const dueAt = delay === undefined ? undefined : new Date(services.clock().getTime() + delay);
  const ending: Release = { wakes: pointer.wakes, state, dueAt, mustFence: session.hasFailed };
  const isLast = !mayContinue && !isInline;
  session.stored = { ...stored, cluster: step.cluster, pools: step.pools };
  // The next step of an upgrade follows from what is stored.
  const isDeferred = record.kind === "changed" && record.isDeferrable && upgradeIn !== 0;
  if (isDeferred && isInline && !mayContinue) return { requeueAfterMs: delay };
  if (record.kind === "changed" && !isLast) {
    record = withoutPoolVersions(record);
    after = recorded(present, record);
  }
  const written = await writeRecord(services, lease, present, record, now, isLast ? ending : undefined);
  if (written === "fenced") return "fenced";
  if (written === "requested" && !limits.hasTime()) return await releaseForRequest(services, lease, ending);
  if (written !== "written" || mayContinue) return forget(session);
  if (isLast) return "released";
  session.stored = { ...session.stored, cluster: after.cluster, pools: after.pools };
  return { requeueAfterMs: delay as number };
}
