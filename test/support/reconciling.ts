/** A reconciler for tests: the clock moves only when somebody waits. */

import type { Prerequisite } from "#core/provisioning/prerequisite.ts";
import { createReconciler, type ReconcilerServices } from "#core/provisioning/reconcile.ts";
import { type SimulationOptions, simulatedProvisioner } from "#core/provisioning/simulated/provisioner.ts";
import { findDue, reconcileAll } from "#core/provisioning/work-queue.ts";
import { as } from "./permissions.ts";
import { makeWorld, type World, type WorldOptions } from "./world.ts";

/** A world whose clusters come to life. */
export interface LivingWorld extends World {
  reconciler: ReconcilerServices;
  /** Moves the clock. @param ms milliseconds */
  pass(ms: number): void;
  /** Works on everything that is due, and again after the time it asks for, until nothing is due within a while. */
  settle(withinMs?: number): Promise<void>;
  faults: { next: SimulationOptions["faults"] };
}

/** One step of building, in milliseconds. */
export const STEP_MS = 800;

/**
 * Makes a world with a reconciler beside its server, both on one clock that stands still unless it is moved.
 *
 * @param options `callMs` is how long a call of the reconciler may take, `preparations` its own steps; none unless given
 */
export async function makeLivingWorld(
  options: WorldOptions & { callMs?: number; preparations?: (world: World) => readonly Prerequisite[] } = {},
): Promise<LivingWorld> {
  let now = Date.parse("2026-11-23T10:00:00.000Z");
  const clock = () => new Date(now);
  const { callMs = 200, preparations, ...given } = options;
  const world = await makeWorld({ clock, ...given });
  const faults: LivingWorld["faults"] = { next: undefined };
  const provisioner = simulatedProvisioner({
    table: world.table,
    clock,
    stepMs: STEP_MS,
    faults: (call) => faults.next?.(call),
  });
  const pass = (ms: number) => {
    now += ms;
  };
  const sleep = async (ms: number) => pass(ms);
  const reconciler = createReconciler(world.services, provisioner, {
    sleep,
    callMs,
    preparations: preparations?.(world) ?? [],
  });
  const settle: LivingWorld["settle"] = async (withinMs = 30 * 60_000) => {
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
  return { ...world, reconciler, pass, settle, faults };
}
