/** The reconciler inside the local server: woken by what this process writes, with a sweep for everything else. */

import { setTimeout as sleep } from "node:timers/promises";
import { reconcile } from "#core/provisioning/reconcile.ts";
import type { ReconcilerServices } from "#core/provisioning/services.ts";
import { findDue } from "#core/provisioning/work-queue.ts";
import { clusterIdentityOf } from "#core/table/keys.ts";
import { errorFields, type Logger } from "../runtime/log.ts";

/** How a worker works. */
export interface WorkerOptions {
  /** How long between two sweeps, in milliseconds. */
  sweepMs: number;
  /** How many clusters are worked on at a time. */
  concurrency: number;
}

const DEFAULTS: WorkerOptions = { sweepMs: 5_000, concurrency: 64 };

/**
 * Works on whatever is due until it is told to stop: at once on what this process writes, and by a sweep, first at the start, on
 * what other processes wrote and on what is due by the clock.
 *
 * @param stopping what tells it to stop
 * @returns resolves once it is told to stop and the steps under way are done; never rejects
 */
export async function work(
  services: ReconcilerServices,
  stopping: AbortSignal,
  log: Logger,
  { sweepMs, concurrency }: WorkerOptions = DEFAULTS,
): Promise<void> {
  const running = new Map<string, Promise<void>>();
  const waiting = new Set<string>();
  const begin = () => {
    for (const identity of waiting) {
      if (stopping.aborted || running.size >= concurrency) return;
      if (running.has(identity)) continue;
      waiting.delete(identity);
      const done = carry(services, log, identity).finally(() => {
        running.delete(identity);
        begin();
      });
      running.set(identity, done);
    }
  };
  const unsubscribe = services.table.commits.subscribe((keys) => {
    for (const key of keys) {
      const identity = clusterIdentityOf(key);
      // One that is being worked on is looked at once more: this may have come after its last look.
      if (identity !== undefined) waiting.add(identity);
    }
    begin();
  });
  while (!stopping.aborted) {
    try {
      for (const { identity } of await findDue(services)) if (!running.has(identity)) waiting.add(identity);
      begin();
    } catch (error) {
      log.warn("looking for due clusters failed", errorFields(error));
    }
    await sleep(sweepMs, undefined, { signal: stopping }).catch(() => {});
  }
  unsubscribe();
  await Promise.all(running.values());
}

async function carry(services: ReconcilerServices, log: Logger, cluster: string): Promise<void> {
  try {
    log.debug("reconciled", { clusterIdentity: cluster, outcome: await reconcile(services, cluster) });
  } catch (error) {
    log.warn("reconciling failed; the cluster stays due", { clusterIdentity: cluster, ...errorFields(error) });
  }
}
