/** State of simulated clusters: stored in the table, so that it survives the process. Only time and calls change it. */

import * as v from "valibot";
import { defineEntity, type RawItem, sameProperties } from "../../table/entity.ts";
import { simulationKey } from "../../table/keys.ts";
import { builtPhases, type Observation, type Plan } from "../provisioner.ts";

const Pool = v.object({
  identity: v.string(),
  version: v.string(),
  minSize: v.number(),
  maxSize: v.number(),
  /** Other planned properties, as JSON, to detect a change. */
  shape: v.string(),
  /** Time at which the plan is complete, in milliseconds since the epoch. */
  readyAt: v.number(),
  before: v.object({ version: v.string(), nodes: v.number() }),
});
type Pool = v.InferOutput<typeof Pool>;

const Simulation = v.object({
  fence: v.number(),
  builtAt: v.number(),
  isRunning: v.boolean(),
  powerChangedAt: v.number(),
  version: v.string(),
  versionBefore: v.string(),
  versionChangedAt: v.number(),
  nodePools: v.array(Pool),
  destroyedAt: v.optional(v.number()),
  ttl: v.optional(v.number()),
});

/** State of a simulated cluster. */
export type Simulation = v.InferOutput<typeof Simulation>;
/** Entity of a simulated cluster. */
export const simulationEntity = defineEntity("simulation", 2, Simulation, {
  attributes: ["fence", "ttl"],
  migrations: { 1: sameProperties },
});

/** Number of steps of each operation. */
const STEPS = { phase: 1, power: 2, version: 2, replaced: 3, inPlace: 1, destroyed: 2 } as const;

/** Retention of a destroyed cluster's state, in seconds, so that a delayed plan does not build the cluster again. */
const RETENTION_SECONDS = 60 * 24 * 60 * 60;

/** Reads a simulated cluster. @throws Error if the item is of another entity */
export const readSimulation = (item: RawItem): Simulation => simulationEntity.read(item);

/** Builds the item of a simulated cluster. */
export const simulationItem = (identity: string, simulation: Simulation): RawItem =>
  simulationEntity.write(simulationKey(identity), simulation);

const nodesOf = (pool: Pool, now: number): number =>
  now >= pool.readyAt ? Math.min(Math.max(pool.before.nodes, pool.minSize), pool.maxSize) : pool.before.nodes;

/**
 * Applies a plan.
 *
 * @param before undefined if nothing exists yet
 * @param now milliseconds since the epoch
 * @param stepMs duration of a step, in milliseconds
 * @returns the same object if the plan changes nothing
 */
export function applyPlan(before: Simulation | undefined, plan: Plan, now: number, stepMs: number): Simulation {
  const old = before?.destroyedAt === undefined ? before : undefined;
  const { version, isRunning, fence } = plan;
  const nodePools = plan.nodePools.map(({ pool, version: target, upgrade }): Pool => {
    const { identity, minSize, maxSize, nodeSize, taints, labels, annotations } = pool;
    const present = old?.nodePools.find((each) => each.identity === identity);
    const shape = JSON.stringify([nodeSize, taints, labels, annotations]);
    const isSame =
      present?.version === target &&
      present.shape === shape &&
      present.minSize === minSize &&
      present.maxSize === maxSize;
    if (present !== undefined && isSame) return present;
    const steps = upgrade.method === "replace" ? STEPS.replaced : STEPS.inPlace;
    const running = present && (now >= present.readyAt ? present.version : present.before.version);
    return {
      identity,
      version: target,
      minSize,
      maxSize,
      shape,
      readyAt: now + steps * stepMs,
      before: {
        version: running ?? target,
        nodes: present === undefined ? 0 : nodesOf(present, now),
      },
    };
  });
  if (old === undefined) {
    return {
      fence,
      builtAt: now,
      isRunning,
      powerChangedAt: now,
      version,
      versionBefore: version,
      versionChangedAt: now,
      nodePools,
    };
  }
  const isRepowered = old.isRunning !== isRunning;
  const isVersioned = old.version !== version;
  const isSamePools =
    old.nodePools.length === nodePools.length && nodePools.every((pool, position) => pool === old.nodePools[position]);
  if (!isRepowered && !isVersioned && isSamePools && old.fence === fence) return old;
  return {
    ...old,
    fence,
    isRunning,
    powerChangedAt: isRepowered ? now : old.powerChangedAt,
    version,
    versionBefore: isVersioned ? versionAt(old, now, stepMs) : old.versionBefore,
    versionChangedAt: isVersioned ? now : old.versionChangedAt,
    nodePools,
  };
}

/** Destroys a cluster, also one that does not exist yet: a delayed plan must find it destroyed. */
export function applyDestroy(before: Simulation | undefined, fence: number, now: number): Simulation {
  if (before?.destroyedAt !== undefined && before.fence === fence) return before;
  const nothing = {
    builtAt: 0,
    isRunning: false,
    powerChangedAt: 0,
    version: "",
    versionBefore: "",
    versionChangedAt: 0,
  };
  return {
    ...(before ?? { ...nothing, nodePools: [], destroyedAt: 0 }),
    fence,
    destroyedAt: before === undefined ? 0 : (before.destroyedAt ?? now),
    ttl: Math.floor(now / 1_000) + RETENTION_SECONDS,
  };
}

const versionAt = (simulation: Simulation, now: number, stepMs: number): string =>
  now >= simulation.versionChangedAt + STEPS.version * stepMs ? simulation.version : simulation.versionBefore;

/**
 * Observes a simulated cluster.
 *
 * @param now milliseconds since the epoch
 * @returns undefined once the cluster is destroyed
 */
export function observe(
  identity: string,
  simulation: Simulation,
  now: number,
  stepMs: number,
): Observation | undefined {
  if (simulation.destroyedAt !== undefined && now >= simulation.destroyedAt + STEPS.destroyed * stepMs)
    return undefined;
  const steps = Math.floor((now - simulation.builtAt) / (STEPS.phase * stepMs));
  const phase = builtPhases[Math.min(steps, builtPhases.length) - 1];
  const isPowered = now >= simulation.powerChangedAt + STEPS.power * stepMs && phase === "DONE";
  const isOn = simulation.isRunning && isPowered;
  return {
    collectedAt: new Date(now).toISOString(),
    phase,
    power: simulation.isRunning ? (isPowered ? "started" : "starting") : isPowered ? "stopped" : "stopping",
    version: phase === undefined ? undefined : versionAt(simulation, now, stepMs),
    // RFC 2606 reserves the domain `invalid`, so no server can answer there.
    endpoint: phase === undefined ? undefined : `https://${identity}.clusters.invalid:6443`,
    nodePools: simulation.nodePools.map((pool) => ({
      identity: pool.identity,
      version: now >= pool.readyAt ? pool.version : pool.before.version,
      nodes: isOn ? nodesOf(pool, now) : 0,
      state: isOn && now >= pool.readyAt ? "ready" : "pending",
    })),
  };
}
