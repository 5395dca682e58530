/**
 * The reconciler: compares a cluster's requested configuration with the provisioner's observation and takes the next idempotent
 * step. It does not depend on events, and may be killed between any two calls.
 */

import { type Cluster, clusterEntity, type Pointer } from "../cluster/entity.ts";
import { type Lease, type ReconcileState, readPointer } from "../cluster/store/pointer.ts";
import type { Services } from "../context.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { nodePoolsOf } from "../node-pool/items.ts";
import { readSecrets } from "../secrets/vault.ts";
import { type Key, keyText, organisationKey } from "../table/keys.ts";
import { completeDeletion } from "./cleanup.ts";
import { acquireLease, type LeaseRefusal, raiseFence, releaseLease } from "./lease.ts";
import { isConverged, observedStatus } from "./planning.ts";
import type { PrerequisiteContext } from "./prerequisite.ts";
import type { ReconcilerServices } from "./services.ts";
import { writeStatus } from "./status-writer.ts";
import { runStep, type Step, type StepContext } from "./step.ts";

/** Default time for one cluster in one invocation, and the longest wait between two of its steps, in milliseconds. */
export const MAX_INLINE_MS = 20_000;

/** Consecutive failures after which a cluster that cannot be observed counts as unknown. */
const UNKNOWN_AFTER_FAILURES = 3;

/** Iterations without a wait after which the reconciler reports a defect instead of looping forever. */
const MAX_ITERATIONS = 1_000;

/** Delay before a failed step is retried, doubled with every failure up to the maximum, in milliseconds. */
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 5 * 60_000;

/** Interval at which a converged cluster is observed again, to detect lost resources, in milliseconds. */
export const RESYNC_MS = 60 * 60_000;

/** Result of a reconciliation: refused, released until the next due time, or ended because another worker took the lease. */
export type Outcome = LeaseRefusal | "released" | "fenced";

/**
 * Result of one iteration, as in a Kubernetes controller. `isTimeout`: a call timed out that may still take effect.
 * `requeueAfterMs` is undefined if nothing is pending.
 */
type Result =
  | { next: "fenced" }
  | { next: "requeue"; isTimeout?: boolean }
  | {
      next: "requeueAfter";
      requeueAfterMs: number | undefined;
      isTimeout?: boolean;
      state: ReconcileState;
      wakes: number;
    };

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
  let lease = await acquireLease(services, identity);
  if (typeof lease === "string") return lease;
  const now = () => services.clock().getTime();
  const end = now() + budgetMs;
  const hasTime = (ms = 0) => now() + ms < end && services.stopping?.aborted !== true;
  for (let iteration = 1; ; iteration++) {
    const result = await reconcileOnce(services, lease);
    if (result.next === "fenced") return "fenced";
    if (result.isTimeout) {
      const raised = await raiseFence(services, lease);
      if (raised === undefined) return "fenced";
      lease = raised;
    }
    if (result.next === "requeue") {
      if (iteration < MAX_ITERATIONS) continue;
      throw new Error(`cluster ${identity} does not converge: ${MAX_ITERATIONS} iterations without a wait`);
    }
    const { requeueAfterMs, state, wakes } = result;
    if (requeueAfterMs !== undefined && requeueAfterMs <= MAX_INLINE_MS && hasTime(requeueAfterMs)) {
      await services.sleep(requeueAfterMs);
      continue;
    }
    const dueAt = requeueAfterMs === undefined ? undefined : new Date(now() + requeueAfterMs);
    const released = await releaseLease(services, lease, { wakes, state, dueAt, keepIfRequested: hasTime() });
    if (released !== "requested") return released;
  }
}

/** Reads a cluster, runs its next step, and records the result. */
async function reconcileOnce(services: ReconcilerServices, lease: Lease): Promise<Result> {
  // Read before the cluster: a request after this read raises `wakes`, which the release of the lease detects.
  const pointer = await readPointer(services, lease.identity);
  if (pointer === undefined || pointer.fence !== lease.fence) return { next: "fenced" };
  if (pointer.ttl !== undefined) return await reconcileDeleted(services, pointer);
  const cluster = await readCluster(services, pointer);
  // The cluster was moved between the two reads.
  if (cluster === undefined) return { next: "requeue" };
  const [pools, secrets] = await Promise.all([
    nodePoolsOf(services.table, cluster.identity),
    readSecrets(services.table, cluster.identity),
  ]);
  const context = { cluster, secrets };
  const step = await runStep(services, lease, context, pools);
  if (step === "interrupted") return { next: "requeue" };
  return await recordStep(services, lease, pointer, context, pools, step);
}

async function reconcileDeleted(services: ReconcilerServices, pointer: Pointer): Promise<Result> {
  const [, environment = ""] = pointer.path.split("#");
  await completeDeletion(services, { ...pointer, environment });
  return { next: "requeueAfter", requeueAfterMs: undefined, state: { attempts: 0 }, wakes: pointer.wakes };
}

async function readCluster(services: Services, pointer: Pointer): Promise<(Cluster & Key) | undefined> {
  const key = { pk: organisationKey(pointer.organisation).pk, sk: pointer.path };
  const item = (await services.table.get([key])).get(keyText(key));
  return item && clusterEntity.read(item);
}

/** Records the result of a step and determines when the next one is due. */
async function recordStep(
  services: ReconcilerServices,
  lease: Lease,
  pointer: Pointer,
  context: StepContext,
  pools: readonly NodePool[],
  step: Step,
): Promise<Result> {
  const { wakes } = pointer;
  const { error, observation, isUnobservable } = step;
  const attempts = error === undefined ? 0 : pointer.attempts + 1;
  const state = stateAfter(services, context.cluster, pointer, step, attempts);
  const isUnknown = isUnobservable && attempts >= UNKNOWN_AFTER_FAILURES;
  const recorded = await writeStatus(services, lease, { ...step, pools, isUnknown, state });
  if (recorded === "fenced") return { next: "fenced" };
  const isTimeout = error?.isTimeout === true;
  if (recorded === "again") return { next: "requeue", isTimeout };
  const requeueAfterMs =
    error === undefined
      ? nextDelay(services, context, recorded.cluster, isConverged(recorded.cluster, recorded.pools, observation))
      : Math.max(backoffDelay(attempts), error.retryAfterMs ?? 0);
  return { next: "requeueAfter", requeueAfterMs, isTimeout, state, wakes };
}

/** Builds the state that is stored on the pointer. If the cluster was not observed, the last observation stays. */
function stateAfter(
  { clock }: Services,
  cluster: Cluster,
  pointer: Pointer,
  { observation, isUnobservable, error }: Step,
  attempts: number,
): ReconcileState {
  const at = clock().toISOString();
  const observed = isUnobservable
    ? pointer.observation
    : {
        collectedAt: observation?.collectedAt ?? at,
        status: observedStatus(observation, cluster.desiredStatus),
        version: observation?.version,
        endpoint: observation?.endpoint,
      };
  return {
    ...(observed === undefined ? {} : { observation: observed }),
    attempts,
    ...(error === undefined ? {} : { lastError: { at, operation: error.operation, message: error.message } }),
  };
}

/** Returns the delay before the next observation, or before a prerequisite is due again, in milliseconds. */
function nextDelay(
  services: ReconcilerServices,
  context: PrerequisiteContext,
  recorded: Cluster,
  isDone: boolean,
): number | undefined {
  const isUp = recorded.desiredStatus === "starting";
  const delay = isDone ? (isUp ? withJitter(RESYNC_MS) : undefined) : services.provisioner.pollMs;
  if (context.cluster.desiredStatus === "deleting") return delay;
  const now = services.clock().getTime();
  const delays = services.prerequisites
    .map(({ dueAt }) => dueAt?.(context)?.getTime())
    .filter((at) => at !== undefined)
    .map((at) => Math.max(0, at - now));
  return delays.length === 0 ? delay : Math.min(delay ?? Number.POSITIVE_INFINITY, ...delays);
}

/** Returns a random delay between half of a duration and all of it, so that clusters that failed together are retried apart. */
const withJitter = (ms: number) => ms / 2 + (Math.random() * ms) / 2;

const backoffDelay = (attempts: number) => withJitter(Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempts - 1)));
