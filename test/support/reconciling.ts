/** Reconciler for tests: the clock advances only during waits. */

import type { Cluster } from "#core/cluster/entity.ts";
import type { Prerequisite } from "#core/provisioning/prerequisite.ts";
import type { Target } from "#core/provisioning/provisioner.ts";
import { createReconciler, RESYNC_MS, type ReconcilerServices } from "#core/provisioning/services.ts";
import { type SimulationOptions, simulatedProvisioner } from "#core/provisioning/simulated/provisioner.ts";
import { findDue, reconcileAll } from "#core/provisioning/work-queue.ts";
import { as } from "./permissions.ts";
import { makeWorld, type World, type WorldOptions } from "./world.ts";

/** World with a reconciler. */
export interface ReconciledWorld extends World {
  reconciler: ReconcilerServices;
  /** Advances the clock. @param ms milliseconds */
  advanceClock(ms: number): void;
  /** Reconciles everything that is due, and again after the requested delay, until nothing is due within a limit. */
  settle(withinMs?: number): Promise<void>;
  faults: { next: SimulationOptions["faults"] };
}

/** Duration of one build step, in milliseconds. */
export const STEP_MS = 800;

/**
 * Creates a world with a reconciler next to its server, both with one clock that is advanced explicitly.
 *
 * @param options `callMs` is the timeout of a call of the reconciler, `resyncMs` its longest time without an observation, `startsAt` the start of the clock, `prerequisites` its own steps; none by default
 */
export async function makeReconciledWorld(
  options: WorldOptions & {
    callMs?: number;
    resyncMs?: number;
    startsAt?: string;
    prerequisites?: (world: World) => readonly Prerequisite[];
  } = {},
): Promise<ReconciledWorld> {
  const {
    callMs = 200,
    resyncMs = RESYNC_MS,
    startsAt = "2026-11-23T10:00:00.000Z",
    prerequisites,
    ...given
  } = options;
  let now = Date.parse(startsAt);
  const clock = () => new Date(now);
  const world = await makeWorld({ clock, ...given });
  const faults: ReconciledWorld["faults"] = { next: undefined };
  const provisioner = simulatedProvisioner({
    table: world.table,
    clock,
    stepMs: STEP_MS,
    faults: (call) => faults.next?.(call),
  });
  const advanceClock = (ms: number) => {
    now += ms;
  };
  const sleep = async (ms: number) => advanceClock(ms);
  const reconciler = createReconciler(world.services, provisioner, {
    sleep,
    callMs,
    resyncMs,
    prerequisites: prerequisites?.(world) ?? [],
  });
  const settle: ReconciledWorld["settle"] = async (withinMs = 30 * 60_000) => {
    const end = now + withinMs;
    for (;;) {
      const due = await as("ReconcileSchedule", () => findDue(reconciler, new Date(end)));
      const [first] = due;
      if (first === undefined) return;
      now = Math.max(now, Date.parse(first.dueAt));
      const identities = due.filter(({ dueAt }) => Date.parse(dueAt) <= now).map(({ identity }) => identity);
      const worked = await as("ReconcileSchedule", () => reconcileAll(reconciler, identities, 4));
      for (const each of worked) if ("error" in each) throw each.error;
    }
  };
  return { ...world, reconciler, advanceClock, settle, faults };
}

/** Returns what a simulated provisioner needs to know about a cluster, to observe it. */
export const targetOf = (identity: string): Target => ({ cluster: { identity } as Cluster, nodePools: [] });
