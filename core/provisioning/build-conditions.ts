/** Builds the conditions of a cluster from its record, the observation and the last error. Pure rules. */

import type { ClusterCondition } from "../cluster/condition.ts";
import type { Cluster } from "../cluster/entity.ts";
import type { ConditionInput } from "../cluster/rules/conditions.ts";
import { BUILDING, SERVING } from "../cluster/rules/status-conditions.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { isLive, nodePoolLabel } from "../node-pool/rules.ts";
import type { StepError } from "./call.ts";
import type { Observation } from "./provisioner.ts";

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
    return { status: "False", reason: "NodePoolFailed", detail: names(failed) };
  }
  const moving = pools.filter(({ provisionStatus }) => provisionStatus !== "DONE");
  if (moving.length > 0) {
    return { status: "False", reason: "NodePoolsUpdating", detail: names(moving) };
  }
  return { status: "True", reason: "NodePoolsReady" };
}

function versionCondition(
  cluster: Cluster,
  pools: readonly NodePool[],
  observation: Observation | undefined,
): ConditionBody {
  const early = BUILDING[cluster.status];
  if (early !== undefined) return early;
  const { version } = cluster;
  if (observation?.version !== version) {
    return { status: "False", reason: "ControlPlaneUpgrading", detail: observation?.version };
  }
  const late = pools.filter(isLive).filter((pool) => {
    const observed = observation.nodePools.find(({ identity }) => identity === pool.identity);
    return observed !== undefined && observed.version !== version;
  });
  if (late.length > 0) {
    return { status: "False", reason: "NodePoolsUpgrading", detail: names(late) };
  }
  return { status: "True", reason: "VersionReached" };
}

function reconciledCondition(error: StepError | undefined): ConditionBody {
  if (error === undefined) return { status: "True", reason: "Reconciled" };
  const { operation, message, isTimeout, isPrerequisite } = error;
  return {
    status: "False",
    reason:
      error.reason ?? (isPrerequisite ? "PreparationFailed" : isTimeout ? "ProvisionerTimedOut" : "ProvisionerFailed"),
    detail: message,
    operation,
  };
}

/** Reasons whose messages say what the provisioner says. */
const WITH_DETAIL: ReadonlySet<ConditionBody["reason"]> = new Set(["Provisioning", "Starting", "Deleting"]);

function readyCondition({ status }: Cluster, observation: Observation | undefined): ConditionBody {
  const detail = observation?.message;
  if (status === "started" && observation?.health === "degraded")
    return { status: "False", reason: "Degraded", detail };
  const condition = SERVING[status] ?? BUILDING[status] ?? (BUILDING.unknown as ConditionBody);
  return WITH_DETAIL.has(condition.reason) && detail !== undefined ? { ...condition, detail } : condition;
}

/**
 * Builds all conditions, without times and generations.
 *
 * @param cluster cluster with the status and phase to record
 * @param observation undefined if nothing exists, or the cluster is unobservable
 * @param error error of the last step, or of a follow-up that waits for its next attempt
 */
export function buildConditions(
  cluster: Cluster,
  pools: readonly NodePool[],
  observation: Observation | undefined,
  error: StepError | undefined,
): ConditionInput[] {
  const { status } = cluster;
  const built: ConditionBody = { status: "True", reason: "Provisioned" };
  return [
    { type: "Provisioned", ...(BUILDING[status] ?? built) },
    { type: "Ready", ...readyCondition(cluster, observation) },
    { type: "NodePoolsReady", ...nodePoolsCondition(cluster, pools) },
    { type: "UpToDate", ...versionCondition(cluster, pools, observation) },
    { type: "Reconciled", ...reconciledCondition(error) },
  ];
}

const comparable = (conditions: readonly ClusterCondition[]) =>
  conditions.map(({ type, status, reason }) => [type, status, reason]);

/** Returns true if conditions differ in a status or a reason, which raises the revision of the cluster. */
export const conditionsChanged = (one: readonly ClusterCondition[], other: readonly ClusterCondition[]): boolean =>
  JSON.stringify(comparable(one)) !== JSON.stringify(comparable(other));
