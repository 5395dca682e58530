/** Delays after which the reconciler takes the next step of a cluster. */

import type { Cluster } from "../cluster/entity.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { withJitter } from "./backoff.ts";
import type { Observation } from "./provisioner.ts";
import type { ReconcilerServices } from "./services.ts";
import type { StoredState } from "./step.ts";

/** Time after a change or a transition in which the next transition is expected, in milliseconds. */
const SETTLING_MS = 5 * 60_000;

/** Delay between two observations of a cluster that stays unhealthy or unfinished, in milliseconds. */
const SLOW_POLL_MS = 60_000;

/**
 * Returns the delay before the next observation of a cluster that has its requested configuration, in milliseconds. What is observed of
 * its health follows a change after some seconds. After minutes it may stay as it is for long.
 */
function restDelay(services: ReconcilerServices, cluster: Cluster, observation: Observation | undefined): number {
  const health = observation?.health ?? "available";
  return health === "available" ? withJitter(services.resyncMs) : pollDelay(services, cluster, []);
}

/**
 * Returns the delay before the next observation of a cluster that is not healthy or not finished, in milliseconds. It may stay so for long,
 * for example while a quota of its cloud account is exhausted.
 */
function pollDelay({ clock, provisioner }: ReconcilerServices, cluster: Cluster, pools: readonly NodePool[]): number {
  const times = [
    ...[cluster, ...pools].map(({ modifiedAt }) => modifiedAt),
    ...cluster.conditions.map(({ lastTransitionTime }) => lastTransitionTime),
  ];
  const changedAt = Math.max(...times.map((each) => Date.parse(each)));
  return clock().getTime() - changedAt < SETTLING_MS ? provisioner.pollMs : SLOW_POLL_MS;
}

/** Returns the delay before the next observation, or before a prerequisite is due again, in milliseconds. */
export function nextDelay(
  services: ReconcilerServices,
  context: StoredState,
  isDone: boolean,
  observation: Observation | undefined,
): number | undefined {
  const isUp = context.cluster.desiredStatus === "starting";
  // What a stopped cluster keeps outside, such as credentials, has to follow changes.
  const stopped = () => (services.provisioner.hasApiServers ? withJitter(services.resyncMs) : undefined);
  const atRest = () => (isUp ? restDelay(services, context.cluster, observation) : stopped());
  const delay = isDone ? atRest() : pollDelay(services, context.cluster, context.pools);
  if (context.cluster.desiredStatus === "deleting") return delay;
  const now = services.clock().getTime();
  const delays = services.prerequisites
    .map(({ dueAt }) => dueAt?.(context)?.getTime())
    .filter((at) => at !== undefined)
    .map((at) => Math.max(0, at - now));
  return soonest(delay, ...delays);
}

/** Returns the shortest delay; undefined if there is none. */
export function soonest(...delays: (number | undefined)[]): number | undefined {
  const known = delays.filter((delay) => delay !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
