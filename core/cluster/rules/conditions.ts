/** Why a cluster is as it is: conditions in Kubernetes' shape, which a person and a tool can both act on. */

import { type Condition, conditionTypes } from "../condition.ts";

/** A condition before it is known since when it holds. */
export type ConditionInput = Pick<Condition, "type" | "status" | "reason" | "message">;

/**
 * What is told of a cluster that nobody has looked at yet.
 *
 * @param now RFC 3339
 * @param generation of the cluster; above 1 for one that was brought back
 */
export const initialConditions = (now: string, generation = 1): Condition[] =>
  withTransitionTimes(
    [],
    conditionTypes.map((type) => ({
      type,
      status: type === "Reconciled" ? "Unknown" : "False",
      reason: "Accepted",
      message: "The cluster was accepted; nothing was done for it yet.",
    })),
    generation,
    now,
  );

/**
 * Dates what is told now, by what was told before.
 *
 * @param generation of the cluster that was looked at
 * @param now RFC 3339
 */
export function withTransitionTimes(
  before: readonly Condition[],
  told: readonly ConditionInput[],
  generation: number,
  now: string,
): Condition[] {
  return told.map((each) => {
    const old = before.find(({ type }) => type === each.type);
    const lastTransitionTime = old?.status === each.status ? old.lastTransitionTime : now;
    return { ...each, lastTransitionTime, observedGeneration: generation };
  });
}
