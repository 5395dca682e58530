/** Decides about the next step of a cluster's scheduled upgrade. Pure functions of the stored state and the time. */

import { isAvailableVersion } from "../../catalogue/index.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { type MaintenanceWindow, nextPeriod } from "../../shared/maintenance-windows.ts";
import { DAY_MS } from "../../shared/time.ts";
import type { Cluster } from "../entity.ts";
import type { ScheduledUpgrade } from "../upgrade-entity.ts";
import type { UpgradeStatus } from "../upgrade-schema.ts";
import { automaticTarget } from "./automatic-upgrade.ts";
import { finishedTtl, upgradeIdentity } from "./upgrade-reference.ts";
import { isReachable } from "./versions.ts";

/** Time before the start of a period at which the upgrade is announced, in milliseconds. */
const NOTICE_MS = DAY_MS;

/** Duration of the period of an upgrade that does not depend on a maintenance schedule, in milliseconds. */
const UNSCHEDULED_MS = DAY_MS;

/** Stored state that decides about a scheduled upgrade. */
export interface UpgradeState {
  cluster: Cluster;
  /** Node pools of the cluster. */
  pools: readonly NodePool[];
  /** Newest upgrade of the cluster; undefined if there is none. */
  newest: ScheduledUpgrade | undefined;
  /** Maintenance schedule of the cluster; undefined if it has none. */
  schedule: { identity: string; windows: readonly MaintenanceWindow[] } | undefined;
  /** Returns why the cluster cannot get a version; undefined if it can. */
  unsupported: (version: string) => string | undefined;
}

/** Decision about a scheduled upgrade. */
export type UpgradeDecision =
  /** Nothing to do before a time, or before the cluster changes. */
  | { kind: "wait"; until: Date | undefined }
  /** A new automatic upgrade. */
  | { kind: "create"; upgrade: ScheduledUpgrade }
  /** A change of the upgrade. `starts` is true if the cluster gets the version. */
  | { kind: "change"; before: ScheduledUpgrade; after: ScheduledUpgrade; starts: boolean };

const FINISHED: readonly UpgradeStatus[] = ["SUCCEEDED", "SUPERSEDED", "FAILED", "MISSED"];

/** Returns whether an upgrade is finished: it does not change any more. */
export const isFinished = ({ status }: Pick<ScheduledUpgrade, "status">): boolean => FINISHED.includes(status);

/**
 * Builds a finished upgrade, which expires after `UPGRADE_DAYS`.
 *
 * @param reason undefined if there is nothing to explain
 */
export function finishUpgrade(
  upgrade: ScheduledUpgrade,
  status: "SUCCEEDED" | "SUPERSEDED" | "FAILED" | "MISSED",
  reason: string | undefined,
  now: Date,
): ScheduledUpgrade {
  return { ...changed(upgrade, now), status, reason, ttl: finishedTtl(now) };
}

const changed = (upgrade: ScheduledUpgrade, now: Date): ScheduledUpgrade => ({
  ...upgrade,
  modifiedAt: now.toISOString(),
  revision: upgrade.revision + 1,
});

/** Decides about the next step. */
export function decideUpgrade(state: UpgradeState, now: Date): UpgradeDecision {
  const { newest } = state;
  if (newest === undefined || isFinished(newest)) return decideAutomatic(state, now);
  const after = nextState(state, newest, now);
  if (after instanceof Date || after === undefined) return { kind: "wait", until: after };
  return {
    kind: "change",
    before: newest,
    after,
    starts: newest.startedAt === undefined && after.startedAt !== undefined,
  };
}

/** Decides whether the cluster gets a new automatic upgrade. */
function decideAutomatic({ cluster, newest, schedule, unsupported }: UpgradeState, now: Date): UpgradeDecision {
  const target = automaticTarget(cluster);
  const nothing: UpgradeDecision = { kind: "wait", until: undefined };
  if (target === undefined || schedule === undefined || cluster.status !== "started") return nothing;
  if (unsupported(target) !== undefined) return nothing;
  // One upgrade in each period: a second minor version follows in the next one, and a rollback is not reverted at once.
  const isUsed =
    newest?.startedAt !== undefined && newest.windowEnd !== undefined && newest.windowEnd > now.toISOString();
  const from = isUsed ? new Date(newest.windowEnd as string) : now;
  const period = nextPeriod(schedule.windows, from);
  if (period === undefined) return nothing;
  const number = (cluster.scheduledUpgrade?.number ?? 0) + 1;
  const at = now.toISOString();
  return {
    kind: "create",
    upgrade: {
      identity: upgradeIdentity(cluster.identity, number),
      organisation: cluster.organisation,
      clusterIdentity: cluster.identity,
      clusterSlug: cluster.slug,
      environment: cluster.environment,
      environmentIdentity: cluster.environmentIdentity,
      number,
      automatic: true,
      fromVersion: cluster.version,
      toVersion: target,
      status: "SCHEDULED",
      ignoreMaintenanceSchedule: false,
      requestedAt: from.toISOString(),
      windowStart: period.start.toISOString(),
      windowEnd: period.end.toISOString(),
      maintenanceScheduleIdentity: schedule.identity,
      createdAt: at,
      modifiedAt: at,
      revision: 1,
    },
  };
}

/** Returns the changed upgrade; or the time before which it does not change, undefined for none. */
function nextState(state: UpgradeState, upgrade: ScheduledUpgrade, now: Date): ScheduledUpgrade | Date | undefined {
  const { cluster } = state;
  const supersede = (reason: string) => finishUpgrade(upgrade, "SUPERSEDED", reason, now);
  if (cluster.desiredStatus === "deleting") return supersede("The cluster was deleted.");
  if (upgrade.status === "IN_PROGRESS") {
    if (cluster.version !== upgrade.toVersion) return supersede(`Version ${cluster.version} was requested.`);
    return isReached(state) ? finishUpgrade(upgrade, "SUCCEEDED", undefined, now) : undefined;
  }
  if (cluster.version !== upgrade.fromVersion) return supersede(`Version ${cluster.version} was requested.`);
  const obstacle = upgrade.automatic ? automaticObstacle(state, upgrade) : undefined;
  if (obstacle !== undefined) return supersede(obstacle);
  if (upgrade.windowEnd !== undefined && upgrade.windowEnd <= now.toISOString()) {
    const { reason } = upgrade;
    if (reason !== undefined) return finishUpgrade(upgrade, "FAILED", reason, now);
    return finishUpgrade(upgrade, "MISSED", "The cluster was not processed during the window.", now);
  }
  return withPlace(state, upgrade, now) ?? nextInPlace(state, upgrade, now);
}

/** Returns whether control plane and node pools run the requested version. */
const isReached = ({ cluster, pools }: UpgradeState): boolean =>
  cluster.status === "started" &&
  cluster.runningVersion === cluster.version &&
  pools.every(({ provisionStatus }) => provisionStatus === "DONE");

/** Returns why an automatic upgrade is not wanted any more; undefined if it is. */
function automaticObstacle({ cluster, schedule }: UpgradeState, { toVersion }: ScheduledUpgrade): string | undefined {
  if (!cluster.autoUpgrade) return "Automatic upgrades were turned off.";
  if (schedule === undefined) return "The cluster has no maintenance schedule any more.";
  if (cluster.desiredStatus === "stopping") return "The cluster was stopped.";
  if (automaticTarget(cluster) !== toVersion) return `The cluster no longer follows its channel to ${toVersion}.`;
  return undefined;
}

/** Place of an upgrade: the period in which it may start. */
type UpgradePlace = Pick<ScheduledUpgrade, "windowStart" | "windowEnd" | "maintenanceScheduleIdentity">;

/** Returns the present place of an upgrade if it is still right, or else the next one; empty if there is none. */
function placeOf({ schedule }: UpgradeState, upgrade: ScheduledUpgrade, now: Date): UpgradePlace {
  const { windowStart, windowEnd, maintenanceScheduleIdentity } = upgrade;
  const present: UpgradePlace = { windowStart, windowEnd, maintenanceScheduleIdentity };
  const earliest = [upgrade.requestedAt, upgrade.scheduleRequestDate].flatMap((at) =>
    at === undefined ? [] : [Date.parse(at)],
  );
  const from = new Date(Math.max(now.getTime(), ...earliest));
  if (upgrade.ignoreMaintenanceSchedule || schedule === undefined) {
    if (windowStart !== undefined && maintenanceScheduleIdentity === undefined) return present;
    return { windowStart: from.toISOString(), windowEnd: new Date(from.getTime() + UNSCHEDULED_MS).toISOString() };
  }
  const { identity, windows } = schedule;
  // A period that has begun is judged from its start, and a later one from now: an added window may come before it.
  const hasBegun = windowStart !== undefined && windowStart <= now.toISOString();
  const place = (at: Date): UpgradePlace => {
    const period = nextPeriod(windows, at);
    return period === undefined
      ? {}
      : {
          windowStart: period.start.toISOString(),
          windowEnd: period.end.toISOString(),
          maintenanceScheduleIdentity: identity,
        };
  };
  const candidate = place(hasBegun ? new Date(windowStart) : from);
  return hasBegun && !isSamePlace(candidate, present) ? place(from) : candidate;
}

const isSamePlace = (one: UpgradePlace, other: UpgradePlace): boolean =>
  one.windowStart === other.windowStart &&
  one.windowEnd === other.windowEnd &&
  one.maintenanceScheduleIdentity === other.maintenanceScheduleIdentity;

/** Returns the upgrade with another place, if its place changes. */
function withPlace(state: UpgradeState, upgrade: ScheduledUpgrade, now: Date): ScheduledUpgrade | undefined {
  const place = placeOf(state, upgrade, now);
  if (isSamePlace(place, upgrade)) return undefined;
  const {
    windowStart: _start,
    windowEnd: _end,
    maintenanceScheduleIdentity: _schedule,
    ...rest
  } = changed(upgrade, now);
  return { ...rest, ...place, status: place.windowStart === undefined ? "REQUESTED" : "SCHEDULED", reason: undefined };
}

/** Announces and starts an upgrade whose place is right. */
function nextInPlace(state: UpgradeState, upgrade: ScheduledUpgrade, now: Date): ScheduledUpgrade | Date | undefined {
  const { windowStart, windowEnd } = upgrade;
  if (windowStart === undefined || windowEnd === undefined) return undefined;
  const start = new Date(windowStart);
  const notice = new Date(start.getTime() - NOTICE_MS);
  if (upgrade.status === "SCHEDULED") {
    return now < notice ? notice : { ...changed(upgrade, now), status: "SCHEDULED_NOTIFIED" };
  }
  if (now < start) return start;
  const reason = startObstacle(state, upgrade.toVersion);
  if (reason === undefined) {
    return { ...changed(upgrade, now), status: "IN_PROGRESS", reason, startedAt: now.toISOString() };
  }
  return reason === upgrade.reason ? new Date(windowEnd) : { ...changed(upgrade, now), reason };
}

/** Returns why a cluster cannot be upgraded now; undefined if it can. */
function startObstacle({ cluster, unsupported }: UpgradeState, to: string): string | undefined {
  const { status, version, runningVersion } = cluster;
  if (status !== "started" || cluster.desiredStatus !== "starting") return `The cluster is ${status}.`;
  if (runningVersion !== version) return `A change to version ${version} is in progress.`;
  if (!isAvailableVersion(to)) return `Version ${to} is not available any more.`;
  if (!isReachable(cluster, to)) return `Version ${to} is not reachable from ${version}.`;
  const reason = unsupported(to);
  return reason === undefined ? undefined : `Version ${reason}.`;
}
