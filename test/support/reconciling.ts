/** Reconciler for tests: the clock advances only during waits. */

import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import type { Cluster } from "#core/cluster/entity.ts";
import type { createClusterAccess } from "#core/cluster-access/prerequisites.ts";
import type { Provisioner, Target } from "#core/provisioning/provisioner.ts";
import { createReconciler, RESYNC_MS, type ReconcilerServices } from "#core/provisioning/services.ts";
import { type SimulationOptions, simulatedProvisioner } from "#core/provisioning/simulated/provisioner.ts";
import { type DueItem, reconcileAll } from "#core/provisioning/work-queue.ts";
import { DUE_INDEX, tableDefinition } from "#core/table/definition.ts";
import { clusterIdentityOf, dueShards } from "#core/table/keys.ts";
import { as, asTest } from "./permissions.ts";
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

const { partitionKey, sortKey } = tableDefinition.indexes[DUE_INDEX];

/**
 * Finds clusters that are due in one call, by due time. `findDue` makes a call for each partition of the index, which were three
 * quarters of all calls of the tests that let days pass. `work-queue.test.ts` tests `findDue`.
 *
 * @param until latest due time; now by default
 * @throws Error if a row is in a partition that `findDue` does not read
 */
export async function scanDue({ table, services }: Pick<World, "table" | "services">, until = services.clock()) {
  const scan = new ScanCommand({ TableName: table.name, IndexName: DUE_INDEX });
  const { Items = [], LastEvaluatedKey } = await asTest(() => table.client.send(scan));
  if (LastEvaluatedKey !== undefined) throw new Error("more clusters are due than one page contains");
  const due = Items.map((row): DueItem => {
    const identity = clusterIdentityOf({ pk: row.pk, sk: row.sk });
    if (identity === undefined || !dueShards.includes(row[partitionKey])) {
      throw new Error(`findDue does not find the row ${JSON.stringify(row)}`);
    }
    return { identity, organisation: row.organisation, dueAt: row[sortKey] };
  });
  const isDue = ({ dueAt }: DueItem) => dueAt <= until.toISOString();
  return due.filter(isDue).sort((one, other) => (one.dueAt < other.dueAt ? -1 : 1));
}

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
    /** Steps that give access to clusters; none if absent. */
    access?: (world: World) => Partial<ReturnType<typeof createClusterAccess>>;
    /** Changes the simulated provisioner, or replaces it. */
    extend?: (provisioner: Provisioner, world: World) => Provisioner;
    /** Called after each wait of the reconciler. */
    afterWait?: () => void;
  } = {},
): Promise<ReconciledWorld> {
  const {
    callMs = 200,
    resyncMs = RESYNC_MS,
    startsAt = "2026-11-23T10:00:00.000Z",
    access,
    extend = (provisioner) => provisioner,
    afterWait,
    ...given
  } = options;
  let now = Date.parse(startsAt);
  const clock = () => new Date(now);
  const world = await makeWorld({ clock, ...given });
  const faults: ReconciledWorld["faults"] = { next: undefined };
  const simulated = simulatedProvisioner({
    table: world.table,
    clock,
    stepMs: STEP_MS,
    faults: (call) => faults.next?.(call),
  });
  const provisioner = extend({ ...simulated, problemsOf: world.services.provisioner.problemsOf }, world);
  const advanceClock = (ms: number) => {
    now += ms;
  };
  const sleep = async (ms: number) => {
    advanceClock(ms);
    afterWait?.();
  };
  const reconciler = createReconciler(world.services, provisioner, {
    sleep,
    callMs,
    resyncMs,
    ...access?.(world),
  });
  const settle: ReconciledWorld["settle"] = async (withinMs = 30 * 60_000) => {
    const end = now + withinMs;
    for (;;) {
      const due = await scanDue(world, new Date(end));
      const [first] = due;
      if (first === undefined) return;
      now = Math.max(now, Date.parse(first.dueAt));
      afterWait?.();
      const identities = due.filter(({ dueAt }) => Date.parse(dueAt) <= now).map(({ identity }) => identity);
      const worked = await as("ReconcileSchedule", () => reconcileAll(reconciler, identities, 4));
      for (const each of worked) if ("error" in each) throw each.error;
    }
  };
  return { ...world, reconciler, advanceClock, settle, faults };
}

/** Returns what a simulated provisioner needs to know about a cluster, to observe it. */
export const targetOf = (identity: string): Target => ({ cluster: { identity } as Cluster, nodePools: [] });
