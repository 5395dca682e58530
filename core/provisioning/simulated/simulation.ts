/** The world in which simulated clusters are: kept in the table, so that it outlives the process, and moved by the clock alone. */

import * as v from "valibot";
import { defineEntity, type RawItem, sameProperties } from "../../table/entity.ts";
import { simulationKey } from "../../table/keys.ts";
import { builtPhases, type Observation, type Plan } from "../provisioner.ts";

const Pool = v.object({
  identity: v.string(),
  version: v.string(),
  minSize: v.number(),
  maxSize: v.number(),
  /** What else was planned of it, to tell a change. */
  shape: v.string(),
  /** When it will have become like this, in milliseconds since the epoch. */
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

/** A simulated cluster. */
export type Simulation = v.InferOutput<typeof Simulation>;
/** A simulated cluster, as it is stored. */
export const simulationEntity = defineEntity("simulation", 2, Simulation, {
  attributes: ["fence", "ttl"],
  steps: { 1: sameProperties },
});

/** How many steps each thing takes. */
const STEPS = { phase: 1, power: 2, version: 2, replaced: 3, inPlace: 1, destroyed: 2 } as const;

/** What is left of a destroyed cluster stays this long, so that no late plan builds it again, in seconds. */
const RETENTION_SECONDS = 60 * 24 * 60 * 60;

/** Reads a simulated cluster. @throws Error where the item is none */
export const readSimulation = (item: RawItem): Simulation => simulationEntity.read(item);

/** Makes the item of a simulated cluster. */
export const simulationItem = (identity: string, simulation: Simulation): RawItem =>
  simulationEntity.write(simulationKey(identity), simulation);

const nodesOf = (pool: Pool, now: number): number =>
  now >= pool.readyAt ? Math.min(Math.max(pool.before.nodes, pool.minSize), pool.maxSize) : pool.before.nodes;

/**
 * What becomes of the world by a plan.
 *
 * @param before undefined where there is nothing yet
 * @param now milliseconds since the epoch
 * @param stepMs how long a step takes
 * @returns the same object where the plan changes nothing
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

/** What becomes of the world when a cluster is to be taken away; also where there is nothing, for a late plan shall find it gone. */
export function applyDestroy(before: Simulation | undefined, fence: number, now: number): Simulation {
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

const versionAt = (world: Simulation, now: number, stepMs: number): string =>
  now >= world.versionChangedAt + STEPS.version * stepMs ? world.version : world.versionBefore;

/**
 * What can be seen of a simulated cluster.
 *
 * @param now milliseconds since the epoch
 * @returns undefined once nothing is there of it any more
 */
export function observe(identity: string, world: Simulation, now: number, stepMs: number): Observation | undefined {
  if (world.destroyedAt !== undefined && now >= world.destroyedAt + STEPS.destroyed * stepMs) return undefined;
  const steps = Math.floor((now - world.builtAt) / (STEPS.phase * stepMs));
  const phase = builtPhases[Math.min(steps, builtPhases.length) - 1];
  const isPowered = now >= world.powerChangedAt + STEPS.power * stepMs && phase === "DONE";
  const isOn = world.isRunning && isPowered;
  return {
    collectedAt: new Date(now).toISOString(),
    phase,
    power: world.isRunning ? (isPowered ? "started" : "starting") : isPowered ? "stopped" : "stopping",
    version: phase === undefined ? undefined : versionAt(world, now, stepMs),
    // Nothing answers there, and by RFC 2606 nothing ever will.
    endpoint: phase === undefined ? undefined : `https://${identity}.clusters.invalid:6443`,
    nodePools: world.nodePools.map((pool) => ({
      identity: pool.identity,
      version: now >= pool.readyAt ? pool.version : pool.before.version,
      nodes: isOn ? nodesOf(pool, now) : 0,
      state: isOn && now >= pool.readyAt ? "ready" : "pending",
    })),
  };
}
