/** Conditions, and replicas of machines. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { at, type Json, numberAt, textAt } from "../json.ts";
import type { Access } from "./access.ts";

/** State of a condition: its status, its reason and its message. */
export type ConditionState = readonly [status: boolean | "Unknown", reason: string, message?: string];

/** Returns the conditions of an object; a status that stays the same keeps the time of its transition. */
export function conditionsFor(
  access: Access,
  object: KubernetesObject,
  states: Readonly<Record<string, ConditionState>>,
): Json[] {
  const previous = (at(object, "status", "conditions") ?? []) as Json[];
  return Object.entries(states).map(([type, [value, reason, message = ""]]) => {
    const status = value === "Unknown" ? value : value ? "True" : "False";
    const before = previous.find((each) => each.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : access.store.now;
    return { type, status, reason, message, lastTransitionTime, observedGeneration: object.metadata.generation };
  });
}

/** Returns whether a condition of an object is True. */
export const isTrue = (object: KubernetesObject | undefined, type: string): boolean =>
  ((at(object, "status", "conditions") ?? []) as Json[]).some((each) => each.type === type && each.status === "True");

/** Returns the message of a condition of an object. */
export const messageOf = (object: KubernetesObject | undefined, type: string): string =>
  textAt(
    ((at(object, "status", "conditions") ?? []) as Json[]).find((each) => each.type === type),
    "message",
  );

/** Returns whether a machine is ready. */
export const isReady = (machine: KubernetesObject): boolean =>
  textAt(machine, "status", "phase") === "Running" && machine.metadata.deletionTimestamp === undefined;

/** Counts machines, as the status of their owner does. @param isCurrent whether a machine is up to date */
export function countMachines(
  machines: readonly KubernetesObject[],
  isCurrent: (machine: KubernetesObject) => boolean,
) {
  const ready = machines.filter(isReady).length;
  const versions = [...new Set(machines.map((machine) => textAt(machine, "spec", "version")))].sort();
  return {
    replicas: machines.length,
    readyReplicas: ready,
    availableReplicas: ready,
    upToDateReplicas: machines.filter(isCurrent).length,
    versions:
      versions.length === 0
        ? undefined
        : versions.map((version) => ({
            version,
            replicas: machines.filter((machine) => textAt(machine, "spec", "version") === version).length,
          })),
  };
}

/** Returns the conditions on replicas that owners of machines share. */
export function replicaConditions(
  desired: number,
  { replicas, readyReplicas, upToDateReplicas }: ReturnType<typeof countMachines>,
  isDeleting: boolean,
): Record<string, ConditionState> {
  const outdated = replicas - upToDateReplicas;
  const scaling = (direction: string) => `Scaling ${direction} from ${replicas} to ${desired} replicas`;
  return {
    RollingOut:
      outdated > 0 ? [true, "RollingOut", `Rolling out ${outdated} not up-to-date replicas`] : [false, "NotRollingOut"],
    ScalingUp: replicas < desired ? [true, "ScalingUp", scaling("up")] : [false, "NotScalingUp"],
    ScalingDown: replicas > desired ? [true, "ScalingDown", scaling("down")] : [false, "NotScalingDown"],
    MachinesReady:
      replicas === 0
        ? [true, "NoReplicas"]
        : readyReplicas === replicas
          ? [true, "Ready"]
          : [false, "NotReady", `${replicas - readyReplicas} machines are not ready`],
    MachinesUpToDate:
      replicas === 0 ? [true, "NoReplicas"] : outdated === 0 ? [true, "UpToDate"] : [false, "NotUpToDate"],
    Remediating: [false, "NotRemediating"],
    Paused: [false, "NotPaused"],
    Deleting: isDeleting ? [true, "Deleting"] : [false, "NotDeleting"],
  };
}

/** Returns the requested replicas of an object. */
export const desiredReplicas = (object: KubernetesObject): number =>
  object.metadata.deletionTimestamp === undefined ? numberAt(object, "spec", "replicas") : 0;
