/** What conditions tell of a cluster: from what is recorded, what is seen and what went wrong. Pure rules. */

import type { Condition } from "../cluster/condition.ts";
import type { Cluster } from "../cluster/entity.ts";
import { BUILDING, SERVING } from "../cluster/rules/condition-messages.ts";
import type { ConditionInput } from "../cluster/rules/conditions.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { isLive, nodePoolLabel } from "../node-pool/rules.ts";
import type { Observation } from "./provisioner.ts";

/** What went wrong with a step. */
export interface StepError {
  operation: string;
  message: string;
  isTimeout: boolean;
  /** Whether it was a step of the reconciler's own, such as registering an OIDC client. */
  isOwn?: boolean;
  /** A reason of its own; by default it follows from what failed. */
  reason?: Condition["reason"];
  /** Whether it is not tried again until an operator allows it. */
  waitsForOperator?: boolean;
  /** How long to wait before the next try, in milliseconds, where more than the back-off. */
  retryAfterMs?: number | undefined;
}

type ConditionBody = Omit<ConditionInput, "type">;

const names = (pools: readonly NodePool[]): string => {
  const shown = pools.slice(0, 5).map(nodePoolLabel);
  return `${shown.join(", ")}${pools.length > shown.length ? `, and ${pools.length - shown.length} more` : ""}`;
};

function nodePoolsCondition({ status }: Cluster, pools: readonly NodePool[]): ConditionBody {
  const early = BUILDING[status];
  if (early !== undefined) return early;
  if (status === "stopped" || status === "stopping") return SERVING[status] as ConditionBody;
  const failed = pools.filter(({ provisionStatus }) => provisionStatus === "FAILED");
  if (failed.length > 0) {
    const message = `The provisioner could not make ${names(failed)}; change or delete them, or wait: it keeps trying.`;
    return { status: "False", reason: "NodePoolFailed", message };
  }
  const moving = pools.filter(({ provisionStatus }) => provisionStatus !== "DONE");
  if (moving.length > 0) {
    return { status: "False", reason: "NodePoolsUpdating", message: `Not yet as asked: ${names(moving)}.` };
  }
  return { status: "True", reason: "NodePoolsReady", message: "Every node pool is as it was asked." };
}

function versionCondition(cluster: Cluster, pools: readonly NodePool[], seen: Observation | undefined): ConditionBody {
  const early = BUILDING[cluster.status];
  if (early !== undefined) return early;
  const { version } = cluster;
  if (seen?.version !== version) {
    const message = `The control plane comes from ${seen?.version ?? "no version"} to ${version}.`;
    return { status: "False", reason: "ControlPlaneUpgrading", message };
  }
  const late = pools.filter(isLive).filter((pool) => {
    const observed = seen.nodePools.find(({ identity }) => identity === pool.identity);
    return observed !== undefined && observed.version !== version;
  });
  if (late.length > 0) {
    return { status: "False", reason: "NodePoolsUpgrading", message: `Not yet at ${version}: ${names(late)}.` };
  }
  return { status: "True", reason: "VersionReached", message: `The cluster runs ${version}.` };
}

function reconciledCondition(error: StepError | undefined): ConditionBody {
  if (error === undefined) return { status: "True", reason: "Reconciled", message: "The last step went well." };
  const { operation, message, isTimeout, isOwn, waitsForOperator } = error;
  return {
    status: "False",
    reason: error.reason ?? (isOwn ? "PreparationFailed" : isTimeout ? "ProvisionerTimedOut" : "ProvisionerFailed"),
    message: `${operation} did not succeed and ${waitsForOperator ? "waits for an operator" : "is tried again"}: ${message}`,
  };
}

/**
 * Tells everything that conditions tell.
 *
 * @param cluster as it is being recorded
 * @param error of the last step; undefined where it went well
 */
export function buildConditions(
  cluster: Cluster,
  pools: readonly NodePool[],
  seen: Observation | undefined,
  error: StepError | undefined,
): ConditionInput[] {
  const { status } = cluster;
  const built: ConditionBody = { status: "True", reason: "Provisioned", message: "The cluster is built." };
  const unknown = BUILDING.unknown as ConditionBody;
  return [
    { type: "Provisioned", ...(BUILDING[status] ?? built) },
    { type: "Ready", ...(SERVING[status] ?? BUILDING[status] ?? unknown) },
    { type: "NodePoolsReady", ...nodePoolsCondition(cluster, pools) },
    { type: "UpToDate", ...versionCondition(cluster, pools, seen) },
    { type: "Reconciled", ...reconciledCondition(error) },
  ];
}

const comparable = (conditions: readonly Condition[]) =>
  conditions.map(({ type, status, reason }) => [type, status, reason]);

/** Whether conditions differ in what raises a cluster's revision. */
export const conditionsChanged = (one: readonly Condition[], other: readonly Condition[]): boolean =>
  JSON.stringify(comparable(one)) !== JSON.stringify(comparable(other));
