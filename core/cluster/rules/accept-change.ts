/** Builds the state of a cluster between an accepted write and the next reconciliation: no change shows as done. */

import type { NodePool } from "../../node-pool/entity.ts";
import type { ClusterCondition } from "../condition.ts";
import type { Cluster } from "../entity.ts";
import type { ConditionInput } from "./conditions.ts";
import { conditionsOfStatus } from "./status-conditions.ts";

/** Properties that the provisioner applies, in addition to version and status. */
const CONFIGURATION = [
  "addons",
  "clusterAutoscalerSettings",
  "cloudCredentialsIdentity",
  "cni",
  "highlyAvailable",
  "enableNetworkEncryption",
  "environment",
  "environmentPrometheusRules",
  "ipWhitelist",
  "podSecurityStandardsProfile",
] as const satisfies readonly (keyof Cluster)[];

const differs = (name: keyof Cluster, before: Cluster, after: Cluster): boolean =>
  JSON.stringify(before[name]) !== JSON.stringify(after[name]);

const UPDATING: ConditionInput = {
  type: "NodePoolsReady",
  status: "False",
  reason: "NodePoolsUpdating",
};

/** Builds the conditions that a write makes untrue. */
function unfinishedConditions(before: Cluster, after: Cluster, arePoolsChanged: boolean): ConditionInput[] {
  const isVersioned = before.version !== after.version;
  const isRestarted = before.status !== after.status && after.status === "starting";
  const unfinished: ConditionInput[] = before.status === after.status ? [] : conditionsOfStatus(after.status);
  if (isVersioned) {
    unfinished.push({ type: "UpToDate", status: "False", reason: "ControlPlaneUpgrading" });
  } else if (CONFIGURATION.some((name) => differs(name, before, after))) {
    unfinished.push({ type: "UpToDate", status: "False", reason: "ConfigurationPending" });
  }
  if (isVersioned || isRestarted || arePoolsChanged) unfinished.push(UPDATING);
  if (unfinished.length === 0) return [];
  return [...unfinished, { type: "Reconciled", status: "Unknown", reason: "Accepted" }];
}

/**
 * Returns a condition after a write: the last new condition of its type applies. A condition that is not True already shows as
 * unfinished with a reason and stays, except after a change of status.
 */
function replace(
  old: ClusterCondition,
  unfinished: readonly ConditionInput[],
  isNewStatus: boolean,
  now: string,
): ClusterCondition {
  const next = unfinished.findLast(({ type }) => type === old.type);
  if (next === undefined || (old.status !== "True" && !(isNewStatus && next.type !== "Reconciled"))) return old;
  const { observedGeneration } = old;
  return { ...next, lastTransitionTime: next.status === old.status ? old.lastTransitionTime : now, observedGeneration };
}

/**
 * Builds a cluster after a write: with the next generation, and with conditions for what is unfinished. Their
 * `observedGeneration` does not change.
 *
 * @param arePoolsChanged whether the write creates, changes or deletes a node pool
 * @param now RFC 3339
 */
export function acceptChange(before: Cluster, after: Cluster, arePoolsChanged: boolean, now: string): Cluster {
  const unfinished = unfinishedConditions(before, after, arePoolsChanged);
  const isNewStatus = before.status !== after.status;
  const conditions = before.conditions.map((each) => replace(each, unfinished, isNewStatus, now));
  return { ...after, conditions, generation: before.generation + 1 };
}

/**
 * Returns whether a change of a cluster makes its node pools unfinished: they follow its version, and have no nodes while it
 * is stopped.
 */
export const affectsNodePools = (before: Cluster, after: Cluster): boolean =>
  before.version !== after.version || (before.status !== after.status && after.status === "starting");

/**
 * Builds the node pools that a change of their cluster makes unfinished.
 *
 * @param pools all pools of the cluster
 * @returns the pools that were DONE, now ACCEPTED and with the next revision
 */
export const reopenNodePools = (pools: readonly NodePool[]): NodePool[] =>
  pools
    .filter(({ provisionStatus }) => provisionStatus === "DONE")
    .map((pool) => ({ ...pool, provisionStatus: "ACCEPTED", revision: pool.revision + 1 }));
