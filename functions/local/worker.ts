/** The reconciler inside the local server: a sweep at the start and then every half second. */

import { setTimeout as sleep } from "node:timers/promises";
import { findDue } from "#core/provisioning/due.ts";
import { type ReconcilerServices, reconcile } from "#core/provisioning/reconcile.ts";
import { errorFields, type Logger } from "../log.ts";

/** How long between two sweeps, in milliseconds. */
const SWEEP_MS = 500;

/** How many clusters are worked on at a time. */
const CONCURRENCY = 64;

/**
 * Works on whatever is due until it is told to stop.
 *
 * @param stopping what tells it to stop
 * @returns resolves once it is told to stop and the steps under way are done; never rejects
 */
export async function work(services: ReconcilerServices, stopping: AbortSignal, log: Logger): Promise<void> {
  const running = new Map<string, Promise<void>>();
  const begin = (identity: string) => {
    const done = carry(services, log, identity).finally(() => running.delete(identity));
    running.set(identity, done);
  };
  while (!stopping.aborted) {
    try {
      const due = await findDue(services);
      for (const { identity } of due) {
        if (running.size < CONCURRENCY && !running.has(identity)) begin(identity);
      }
    } catch (error) {
      log.warn("looking for due clusters failed", errorFields(error));
    }
    await sleep(SWEEP_MS, undefined, { signal: stopping }).catch(() => {});
  }
  await Promise.all(running.values());
}

async function carry(services: ReconcilerServices, log: Logger, cluster: string): Promise<void> {
  try {
    log.debug("reconciled", { cluster, outcome: await reconcile(services, cluster) });
  } catch (error) {
    log.warn("reconciling failed; the cluster stays due", { cluster, ...errorFields(error) });
  }
}
