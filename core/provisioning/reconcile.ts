/**
 * The reconciler: compares what is asked of a cluster with what is seen of it and takes the next idempotent step. It trusts no
 * event to have arrived, and may be killed between any two calls.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type Cluster, clusterEntity, type Pointer } from "../cluster/entity.ts";
import { hasReached } from "../cluster/store/items.ts";
import type { Services } from "../context.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { nodePoolsOf } from "../node-pool/items.ts";
import { readSecrets } from "../secrets/vault.ts";
import { deadlineIn } from "../shared/retry.ts";
import { type Key, keyText, organisationKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import type { StepError } from "./build-conditions.ts";
import { completeDeletion } from "./cleanup.ts";
import {
  acquireLease,
  type Lease,
  type LeaseRefusal,
  type ReconcileNotes,
  raiseFence,
  readPointer,
  release,
  renewLease,
} from "./lease.ts";
import { buildPlan } from "./plan.ts";
import { isConverged, observedStatus } from "./planning.ts";
import { type Prerequisite, type PrerequisiteContext, PrerequisiteError, RetryableError } from "./prerequisite.ts";
import type { Observation, Provisioner } from "./provisioner.ts";
import { writeStatus } from "./status-writer.ts";

/** How long one invocation goes on with a cluster, and the longest it waits in between, in milliseconds. */
export const MAX_INLINE_MS = 20_000;

/** How long one call to the provisioner may take, in milliseconds. */
export const CALL_TIMEOUT_MS = 10_000;

/** Failures in a row until a cluster that cannot be seen counts as unknown. */
export const UNKNOWN_AFTER_FAILURES = 3;

/** Turns in a row after which something is wrong that another turn will not mend. */
const MAX_ITERATIONS = 1_000;

/** How soon a failed step is tried again, doubled with every failure up to the longest, in milliseconds. */
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 5 * 60_000;

/** How soon a cluster is looked at again that is as it was asked: what went away by itself is found then, in milliseconds. */
export const RESYNC_MS = 60 * 60_000;

/** How much is kept of what a provisioner says when it fails, in characters. */
const MAX_MESSAGE_LENGTH = 1_000;

/** What the reconciler works with. */
export interface ReconcilerServices extends Services {
  readonly provisioner: Provisioner;
  /** What is done before the provisioner builds a cluster, in this order. */
  readonly preparations: readonly Prerequisite[];
  /** Waits so many milliseconds; given from outside like the clock, which it moves. */
  readonly sleep: (ms: number) => Promise<void>;
  /** How long one call to the provisioner may take, in milliseconds. */
  readonly callMs: number;
  /** Leases taken before this are of a process that is known to be gone. */
  readonly startedAt?: Date;
  /** Once aborted, clusters are put down after the step under way. */
  readonly stopping?: AbortSignal;
}

/** Services of a reconciler with what they default to. */
export function createReconciler(
  services: Services,
  provisioner: Provisioner,
  given: Partial<Pick<ReconcilerServices, "preparations" | "sleep" | "callMs" | "startedAt" | "stopping">> = {},
): ReconcilerServices {
  const signal = given.stopping;
  // Being told to stop ends a wait, which is then short and not wrong.
  const wait = (ms: number) => sleep(ms, undefined, signal && { signal }).catch(() => {});
  return { preparations: [], sleep: wait, callMs: CALL_TIMEOUT_MS, ...given, ...services, provisioner };
}

/** How it ended: refused before it began, at rest until it is due again, or another worker took the cluster away. */
export type Outcome = LeaseRefusal | "released" | "fenced";

/** What one turn leads to. `isLate`: a call was given up that may still have its effect. */
type TurnResult =
  | { next: "fenced" }
  | { next: "again"; isLate?: boolean }
  | { next: "wait"; isLate?: boolean; ms: number | undefined; note: ReconcileNotes; wakes: number };

/**
 * Takes a cluster that is due and carries it on until nothing is pending, its next step is further off than an invocation
 * lasts, or the time is up.
 *
 * @param identity of the cluster
 * @param budgetMs how long to go on, in milliseconds
 * @throws AppError unavailable where the database cannot be reached; the cluster then stays due
 */
export async function reconcile(
  services: ReconcilerServices,
  identity: string,
  budgetMs: number = MAX_INLINE_MS,
): Promise<Outcome> {
  const taken = await acquireLease(services, identity);
  if (typeof taken === "string") return taken;
  let lease = taken;
  const now = () => services.clock().getTime();
  const end = now() + budgetMs;
  const hasTime = (ms = 0) => now() + ms < end && services.stopping?.aborted !== true;
  for (let turns = 1; ; turns++) {
    const turn = await reconcileOnce(services, lease);
    if (turn.next === "fenced") return "fenced";
    if (turn.isLate) {
      const raised = await raiseFence(services, lease);
      if (raised === undefined) return "fenced";
      lease = raised;
    }
    if (turn.next === "again" && turns < MAX_ITERATIONS) continue;
    if (turn.next === "again") throw new Error(`cluster ${identity} comes to no rest`);
    const { ms, note, wakes } = turn;
    if (ms !== undefined && ms <= MAX_INLINE_MS && hasTime(ms)) {
      await services.sleep(ms);
      continue;
    }
    const dueAt = ms === undefined ? undefined : new Date(now() + ms);
    const left = await release(services, lease, wakes, note, dueAt, hasTime());
    if (left !== "woken") return left;
  }
}

/** Looks at a cluster once, takes its next step, and records what became of it. */
async function reconcileOnce(services: ReconcilerServices, lease: Lease): Promise<TurnResult> {
  // The pointer before the cluster: whoever writes after this reading leaves a mark on the pointer that is seen at the end.
  const pointer = await readPointer(services, lease.identity);
  if (pointer === undefined || pointer.fence !== lease.fence) return { next: "fenced" };
  const { wakes } = pointer;
  const rest: ReconcileNotes = { attempts: 0 };
  if (pointer.ttl !== undefined) {
    const [, environment = ""] = pointer.path.split("#");
    await completeDeletion(services, { ...pointer, environment });
    return { next: "wait", ms: undefined, note: rest, wakes };
  }
  const cluster = await readCluster(services, pointer);
  // It moved between the two readings.
  if (cluster === undefined) return { next: "again" };
  const [pools, held] = await Promise.all([
    nodePoolsOf(services.table, cluster.identity),
    readSecrets(services.table, cluster.identity),
  ]);
  const step = await runStep(services, lease, { cluster, held }, pools);
  if (step === "interrupted") return { next: "again" };
  const attempts = step.error === undefined ? 0 : pointer.attempts + 1;
  const note = notesOf(services, cluster, pointer, step, attempts);
  const recorded = await writeStatus(services, lease, {
    cluster: step.cluster,
    pools,
    seen: step.seen,
    isBlind: step.isBlind && attempts >= UNKNOWN_AFTER_FAILURES,
    isSeen: !step.isBlind,
    isCurrent: step.isCurrent,
    isPrepared: step.isPrepared,
    error: step.error,
    attempts,
    note,
  });
  if (recorded === "fenced") return { next: "fenced" };
  const isLate = step.error?.isTimeout === true;
  if (recorded === "again") return { next: "again", isLate };
  if (step.error !== undefined) {
    const ms = Math.max(backoffDelay(attempts), step.error.retryAfterMs ?? 0);
    return { next: "wait", isLate, ms, note, wakes };
  }
  const isDone = isConverged(recorded.cluster, recorded.pools, step.seen);
  const isUp = recorded.cluster.desiredStatus === "starting";
  const pollMs = isDone ? (isUp ? withJitter(RESYNC_MS) : undefined) : services.provisioner.pollMs;
  return { next: "wait", ms: soonest(services, { cluster, held }, pollMs), note, wakes };
}

/** The earlier of the next look, in milliseconds from now, and when the reconciler's own steps are due again. */
function soonest(
  services: ReconcilerServices,
  prepared: PrerequisiteContext,
  ms: number | undefined,
): number | undefined {
  if (prepared.cluster.desiredStatus === "deleting") return ms;
  const now = services.clock().getTime();
  const due = services.preparations
    .map(({ dueAt }) => dueAt?.(prepared)?.getTime())
    .filter((at) => at !== undefined)
    .map((at) => Math.max(0, at - now));
  return due.length === 0 ? ms : Math.min(ms ?? Number.POSITIVE_INFINITY, ...due);
}

async function readCluster(services: Services, pointer: Pointer): Promise<(Cluster & Key) | undefined> {
  const key = { pk: organisationKey(pointer.organisation).pk, sk: pointer.path };
  const item = (await services.table.get([key])).get(keyText(key));
  return item && clusterEntity.read(item);
}

interface Step {
  /** The cluster as it is stored after the step. */
  cluster: Cluster & Key;
  seen: Observation | undefined;
  /** Whether the provisioner could not tell. */
  isBlind: boolean;
  /** Whether what is seen was observed after everything that is asked for was applied. */
  isCurrent: boolean;
  /** Whether the reconciler's own steps are done: before building, or after tearing down. */
  isPrepared: boolean;
  error: StepError | undefined;
}

/** Asks the provisioner for the next step, and what it sees. @returns `interrupted` where it has to be begun again */
async function runStep(
  services: ReconcilerServices,
  lease: Lease,
  prepared: PrerequisiteContext & { cluster: Cluster & Key },
  pools: readonly NodePool[],
): Promise<Step | "interrupted"> {
  const { provisioner } = services;
  const { cluster } = prepared;
  const { identity } = cluster;
  const { fence } = lease;
  const look = () => attempt(services, "observing the cluster", (signal) => provisioner.observe(identity, signal));
  if (cluster.desiredStatus === "deleting") {
    const gone = await attempt(services, "tearing the cluster down", (signal) =>
      provisioner.destroy(identity, fence, signal),
    );
    const { value: seen, error } = await look();
    const isGone = gone.error === undefined && error === undefined && seen === undefined;
    const removal = isGone ? await removePrerequisites(services, prepared) : undefined;
    const isPrepared = isGone && removal === undefined;
    const failed = gone.error ?? error ?? removal;
    return { cluster, seen, isBlind: error !== undefined, isCurrent: failed === undefined, isPrepared, error: failed };
  }
  const isPrepared = services.preparations.every((each) => each.isDone(prepared));
  // Before the look: a secret is renewed in time also while the provisioner cannot tell.
  const failed = isPrepared ? undefined : await satisfyPrerequisites(services, lease, prepared);
  // What was made is read again before anything is built on it.
  if (!isPrepared && failed === undefined) return "interrupted";
  const { value: seen, error } = await look();
  if (error !== undefined) return { cluster, seen: undefined, isBlind: true, isCurrent: false, isPrepared, error };
  // What was prepared once, such as with another issuer, is not held up by what cannot be had now.
  if (failed !== undefined && !hasReached(cluster, "OIDC_PROVISIONED")) {
    return { cluster, seen, isBlind: false, isCurrent: false, isPrepared, error: failed };
  }
  const plan = buildPlan(cluster, pools, seen, fence);
  const planned = await recordPlan(services, lease, cluster, plan.version, seen);
  if (planned === undefined) return "interrupted";
  const applied = await attempt(services, "applying the configuration", (signal) => provisioner.apply(plan, signal));
  const isObserved = cluster.conditions.every(({ observedGeneration }) => observedGeneration === cluster.generation);
  if (applied.error !== undefined || isObserved) {
    const isCurrent = applied.error === undefined;
    return { cluster: planned, seen, isBlind: false, isCurrent, isPrepared, error: applied.error ?? failed };
  }
  // What was seen before the plan was applied shows the end of the change before.
  const after = await look();
  const isBlind = after.error !== undefined;
  const result = { seen: after.value, isBlind, isCurrent: !isBlind, error: after.error ?? failed };
  return { cluster: planned, isPrepared, ...result };
}

/**
 * Stores the version of the control plane in a plan before the provisioner gets the plan, so that a change of version that is
 * asked for later is judged by it, whatever becomes of the call.
 *
 * @returns the cluster as it is stored then; undefined where another worker has it or somebody wrote to it
 */
async function recordPlan(
  services: ReconcilerServices,
  lease: Lease,
  cluster: Cluster & Key,
  version: string,
  seen: Observation | undefined,
): Promise<(Cluster & Key) | undefined> {
  if (cluster.plannedVersion === version) return cluster;
  const { rollbackVersion, ...rest } = cluster;
  // A cluster that is built with the version never ran the one before.
  const isNew = seen === undefined && cluster.plannedVersion === undefined;
  const after = { ...rest, plannedVersion: version, ...(isNew ? {} : { rollbackVersion }) };
  const transaction = new Transaction().update(
    "cluster",
    cluster,
    `SET #plannedVersion = :version${isNew ? " REMOVE #rollbackVersion" : ""}`,
    {
      condition: "#identity = :identity AND #revision = :revision",
      values: { ":version": version, ":identity": cluster.identity, ":revision": cluster.revision },
    },
  );
  renewLease(services, transaction, lease);
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  return failures.length === 0 ? after : undefined;
}

/** Takes the first of the reconciler's own steps that is not done. @returns what went wrong, where something did */
async function satisfyPrerequisites(
  services: ReconcilerServices,
  lease: Lease,
  prepared: PrerequisiteContext,
): Promise<StepError | undefined> {
  const step = services.preparations.find((each) => !each.isDone(prepared));
  if (step === undefined) return undefined;
  const write = async (transaction: Transaction) => {
    renewLease(services, transaction, lease);
    return (await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs))).length === 0;
  };
  // Whether it was written makes no difference here: the next look tells, and whether the cluster is still ours.
  const done = await attempt(services, step.operation, (signal) => step.prepare(prepared, write, signal));
  return done.error && { ...done.error, isOwn: true };
}

/** Takes away what lies elsewhere. @returns what went wrong, where something did */
async function removePrerequisites(
  services: ReconcilerServices,
  prepared: PrerequisiteContext,
): Promise<StepError | undefined> {
  for (const { remove, operation } of services.preparations) {
    if (remove === undefined) continue;
    const { error } = await attempt(services, `undoing: ${operation}`, (signal) => remove(prepared, signal));
    if (error !== undefined) return { ...error, isOwn: true };
  }
  return undefined;
}

/** Does a call to the provisioner or an own step, but not for longer than it may take. */
async function attempt<T>(
  { callMs }: ReconcilerServices,
  operation: string,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<{ value?: T; error: StepError | undefined }> {
  const late = new AbortController();
  const waiting = new AbortController();
  const timeout = sleep(callMs, undefined, { signal: waiting.signal }).then(
    () => {
      late.abort();
      return { error: { operation, message: `no answer within ${callMs / 1_000} s`, isTimeout: true } };
    },
    () => new Promise<never>(() => {}),
  );
  const done = call(late.signal).then(
    (value) => ({ value, error: undefined }),
    (error: unknown) => ({ error: { operation, message: messageOf(error), isTimeout: false, ...hintsOf(error) } }),
  );
  try {
    return await Promise.race([done, timeout]);
  } finally {
    waiting.abort();
  }
}

/** Returns what an error of an own step says beside its message. */
function hintsOf(error: unknown): Partial<StepError> {
  const { reason, waitsForOperator } = error instanceof PrerequisiteError ? error : {};
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(waitsForOperator ? { waitsForOperator } : {}),
    ...(error instanceof RetryableError ? { retryAfterMs: error.retryAfterMs } : {}),
  };
}

/** What an error says, as much of it as is kept. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH).toWellFormed()}…` : text;
}

function notesOf(services: Services, cluster: Cluster, pointer: Pointer, step: Step, attempts: number): ReconcileNotes {
  const { seen, error } = step;
  const observation = step.isBlind
    ? pointer.observation
    : {
        collectedAt: seen?.collectedAt ?? services.clock().toISOString(),
        status: observedStatus(seen, cluster.desiredStatus),
        version: seen?.version,
        endpoint: seen?.endpoint,
      };
  const at = services.clock().toISOString();
  return {
    ...(observation === undefined ? {} : { observation }),
    attempts,
    ...(error === undefined ? {} : { lastError: { at, operation: error.operation, message: error.message } }),
  };
}

/** Half of it for certain, the other half by chance, so that many that failed together do not come back together. */
const withJitter = (ms: number) => ms / 2 + (Math.random() * ms) / 2;

const backoffDelay = (attempts: number) => withJitter(Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempts - 1)));
