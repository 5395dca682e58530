/** Worker of the local server: triggered by commits of its process, and by a periodic sweep. */

import { AsyncResource } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { reconcile } from "#core/provisioning/reconcile.ts";
import type { ReconcilerServices } from "#core/provisioning/services.ts";
import { findDue } from "#core/provisioning/work-queue.ts";
import type { CommitListeners } from "#core/table/commit-listeners.ts";
import { clusterIdentityOf } from "#core/table/keys.ts";
import { errorFields, type Logger } from "../runtime/log.ts";

/** Options of the worker. */
export interface WorkerOptions {
  /** Interval between two sweeps, in milliseconds. */
  sweepMs: number;
  /** Maximum number of clusters reconciled at a time. Most of them wait for their next step. */
  concurrency: number;
}

const DEFAULTS: WorkerOptions = { sweepMs: 5_000, concurrency: 256 };

/**
 * Reconciles clusters until it is stopped. Commits trigger it at once. A sweep, the first at the start, finds clusters that other
 * processes changed, and clusters that became due.
 *
 * @param commits of this process
 * @param stopping aborted to stop
 * @returns resolves when it was stopped and all steps in progress are complete; never rejects
 */
export async function runWorker(
  services: ReconcilerServices,
  commits: CommitListeners,
  stopping: AbortSignal,
  log: Logger,
  { sweepMs, concurrency }: WorkerOptions = DEFAULTS,
): Promise<void> {
  const running = new Map<string, Promise<void>>();
  const waiting = new Set<string>();
  // Bound, because a reconciliation must not run in the asynchronous context of the request that triggered it.
  const startWaiting = AsyncResource.bind(() => {
    for (const identity of waiting) {
      if (stopping.aborted || running.size >= concurrency) return;
      if (running.has(identity)) continue;
      waiting.delete(identity);
      const done = reconcileAndLog(services, log, identity).finally(() => {
        running.delete(identity);
        startWaiting();
      });
      running.set(identity, done);
    }
  });
  const unsubscribe = commits.subscribe((keys) => {
    for (const key of keys) {
      const identity = clusterIdentityOf(key);
      // A running cluster is added too: the write may have come after the last read of its reconciliation.
      if (identity !== undefined) waiting.add(identity);
    }
    startWaiting();
  });
  while (!stopping.aborted) {
    try {
      for (const { identity } of await findDue(services)) if (!running.has(identity)) waiting.add(identity);
      startWaiting();
    } catch (error) {
      log.warn("failed to find due clusters", errorFields(error));
    }
    await sleep(sweepMs, undefined, { signal: stopping }).catch(() => {});
  }
  unsubscribe();
  await Promise.all(running.values());
}

async function reconcileAndLog(services: ReconcilerServices, log: Logger, identity: string): Promise<void> {
  try {
    log.debug("reconciled", { clusterIdentity: identity, outcome: await reconcile(services, identity) });
  } catch (error) {
    log.warn("reconciling failed; the cluster stays due", { clusterIdentity: identity, ...errorFields(error) });
  }
}
