/** Conditions of a cluster in the format of Kubernetes, for people and tools. */

import { type ClusterCondition, conditionTypes } from "../condition.ts";

/** Condition without its time and generation. */
export type ConditionInput = Omit<ClusterCondition, "lastTransitionTime" | "observedGeneration">;

/** Condition of a cluster that was accepted and not yet reconciled. */
export const ACCEPTED = {
  status: "False",
  reason: "Accepted",
} as const;

/**
 * Builds the conditions of a cluster before its first reconciliation.
 *
 * @param now RFC 3339
 * @param generation generation of the cluster; above 1 for an undeleted one
 */
export const initialConditions = (now: string, generation = 1): ClusterCondition[] =>
  withTransitionTimes(
    [],
    conditionTypes.map((type) => ({
      type,
      ...ACCEPTED,
      ...(type === "Reconciled" ? { status: "Unknown" } : {}),
    })),
    generation,
    now,
  );

/**
 * Adds transition times to new conditions: the earlier time if the status did not change.
 *
 * @param before conditions before the change
 * @param present conditions after the change
 * @param generation generation of the cluster that was observed
 * @param now RFC 3339
 */
export function withTransitionTimes(
  before: readonly ClusterCondition[],
  present: readonly ConditionInput[],
  generation: number,
  now: string,
): ClusterCondition[] {
  return present.map((each) => {
    const old = before.find(({ type }) => type === each.type);
    const lastTransitionTime = old?.status === each.status ? old.lastTransitionTime : now;
    return { ...each, lastTransitionTime, observedGeneration: generation };
  });
}
