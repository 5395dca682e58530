/** One step of a reconciliation: a prerequisite, or calls to the provisioner. Every step is idempotent and may be interrupted. */

import type { Cluster } from "../cluster/entity.ts";
import { hasReached } from "../cluster/store/items.ts";
import type { Lease } from "../cluster/store/pointer.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { deadlineIn } from "../shared/retry.ts";
import type { Key } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import { callWithTimeout, type StepError } from "./call.ts";
import { type FailedFollowUp, runFollowUp } from "./follow-up.ts";
import { renewLease } from "./lease.ts";
import { firstRecord, recorded } from "./next-record.ts";
import { buildPlan } from "./plan.ts";
import type { PrerequisiteContext } from "./prerequisite.ts";
import type { Observation } from "./provisioner.ts";
import type { ReconcilerServices } from "./services.ts";
import { addChanges } from "./status-writer.ts";
import type { UpgradeReads } from "./upgrade-step.ts";

/** Cluster as stored: with its key, its secrets and its node pools. */
export interface StoredState extends PrerequisiteContext {
  cluster: Cluster & Key;
  pools: readonly NodePool[];
  /** Items by which the cluster's scheduled upgrade is decided; undefined if there is nothing to decide. */
  upgrade: UpgradeReads | undefined;
}

/** Result of a step. */
export interface Step {
  /** Cluster and pools as stored after the step. */
  cluster: Cluster & Key;
  pools: readonly NodePool[];
  /** Last observation; undefined if nothing exists, or `isUnobservable`. */
  observation: Observation | undefined;
  /** True if the provisioner failed to observe the cluster. */
  isUnobservable: boolean;
  /** True if the observation was made after the whole requested configuration was applied. */
  isCurrent: boolean;
  /** True if all prerequisites are satisfied, or, for a deleting cluster, removed. */
  isPrepared: boolean;
  error: StepError | undefined;
  /** Failed follow-up, which delays nothing else; undefined if there is none. */
  followUp: FailedFollowUp | undefined;
  /** True if the follow-up failed in this step. */
  isFollowUpNew: boolean;
}

/** Step without a result to record: a prerequisite was satisfied, or the stored state changed meanwhile. */
export type Unfinished = "prepared" | "changed";

/**
 * Runs the next step of a cluster.
 *
 * @param failed follow-up that failed in an earlier step
 * @returns `prepared` if the secrets have to be read again, `changed` if the whole stored state has to be
 * @throws AppError unavailable as `commit`
 */
export async function runStep(
  services: ReconcilerServices,
  lease: Lease,
  stored: StoredState,
  failed: FailedFollowUp | undefined,
): Promise<Step | Unfinished> {
  return stored.cluster.desiredStatus === "deleting"
    ? await destroy(services, lease, stored)
    : await build(services, lease, stored, failed);
}

const observe = ({ provisioner, callMs }: ReconcilerServices, cluster: Cluster, nodePools: readonly NodePool[]) =>
  callWithTimeout({ callMs }, "observing the cluster", (signal) => provisioner.observe({ cluster, nodePools }, signal));

async function destroy(services: ReconcilerServices, { fence }: Lease, stored: StoredState): Promise<Step> {
  const { cluster, pools } = stored;
  const destroyed = await callWithTimeout(services, "deleting the cluster", (signal) =>
    services.provisioner.destroy({ cluster, nodePools: pools }, fence, signal),
  );
  const { value: observation, error: unobservable } = await observe(services, cluster, pools);
  // What a cluster leaves is deleted after it: a cluster that ended between the two calls may have left something.
  const isGone = destroyed.value === true && unobservable === undefined && observation === undefined;
  const remaining = isGone ? await removePrerequisites(services, stored) : undefined;
  const error = destroyed.error ?? unobservable ?? remaining;
  return {
    cluster,
    pools,
    observation,
    isUnobservable: unobservable !== undefined,
    isCurrent: error === undefined,
    isPrepared: isGone && remaining === undefined,
    error,
    followUp: undefined,
    isFollowUpNew: false,
  };
}

async function build(
  services: ReconcilerServices,
  lease: Lease,
  stored: StoredState,
  failed: FailedFollowUp | undefined,
): Promise<Step | Unfinished> {
  const { cluster, pools } = stored;
  // Before the observation: a secret is renewed in time even if the provisioner is unavailable.
  const prepared = await satisfyNext(services, lease, stored);
  // The new secrets are read before the next step depends on them.
  if (prepared === "prepared" || prepared === "changed") return prepared;
  const isPrepared = prepared === undefined;
  const { value: observation, error } = await observe(services, cluster, pools);
  const isUnobservable = error !== undefined;
  const kept = { followUp: failed, isFollowUpNew: false };
  const observed = { cluster, pools, observation, isUnobservable, isCurrent: false, isPrepared, ...kept };
  if (error !== undefined) return { ...observed, error };
  // A cluster whose prerequisites were satisfied before, for example with another issuer, is not blocked by a renewal.
  if (prepared !== undefined && !hasReached(cluster, "OIDC_PROVISIONED")) return { ...observed, error: prepared };
  const write = (transaction: Transaction) => commitUnderLease(services, lease, transaction);
  const followed = await runFollowUp(services, write, stored, observation, failed);
  if (followed === "prepared" || followed === "changed") return followed;
  const isFollowUpNew = followed !== undefined && followed !== failed;
  return await apply(services, lease, stored, { ...observed, error: prepared, followUp: followed, isFollowUpNew });
}

/** Applies the next plan. @param observed result so far: the observation, and the error of a prerequisite */
async function apply(
  services: ReconcilerServices,
  lease: Lease,
  { secrets }: StoredState,
  observed: Step,
): Promise<Step | Unfinished> {
  const { cluster, pools, observation, error } = observed;
  const plan = { ...buildPlan(cluster, pools, observation, lease.fence), oidc: services.oidcClientOf(secrets) };
  const step = await recordPlan(services, lease, observed, plan.version);
  if (step === undefined) return "changed";
  const applied = await callWithTimeout(services, "applying the configuration", (signal) =>
    services.provisioner.apply(plan, signal),
  );
  if (applied.error !== undefined) return { ...step, error: applied.error };
  const isObserved = cluster.conditions.every(({ observedGeneration }) => observedGeneration === cluster.generation);
  if (isObserved && observation !== undefined) return { ...step, isCurrent: true };
  // The first observation of a generation must be newer than its plan: the one before shows the former configuration, or nothing.
  const after = await observe(services, cluster, pools);
  const isUnobservable = after.error !== undefined;
  return {
    ...step,
    observation: after.value,
    isUnobservable,
    isCurrent: !isUnobservable,
    error: after.error ?? error,
  };
}

/**
 * Stores the version of the control plane in a plan before the provisioner gets the plan. Later requests for a version are
 * validated against it, whatever the result of the call. Before the first plan the cluster also becomes `provisioning`.
 *
 * @param step observation that the plan follows from
 * @returns the step with the cluster and pools as stored; undefined if another worker has the lease, or the cluster changed
 */
async function recordPlan(
  services: ReconcilerServices,
  lease: Lease,
  step: Step,
  version: string,
): Promise<Step | undefined> {
  const { cluster, pools, observation } = step;
  if (cluster.plannedVersion === version) return step;
  const transaction = new Transaction();
  const isNew = observation === undefined && cluster.plannedVersion === undefined;
  if (isNew && cluster.status === "new") {
    const now = services.clock().toISOString();
    const record = firstRecord(cluster, pools, version, now);
    addChanges(services, transaction, cluster, record, now);
    return (await commitUnderLease(services, lease, transaction)) ? recorded(step, record) : undefined;
  }
  const { rollbackVersion, ...rest } = cluster;
  // A cluster that is built with this version never ran the former one.
  const after = { ...rest, plannedVersion: version, ...(isNew ? {} : { rollbackVersion }) };
  transaction.update("cluster", cluster, `SET #plannedVersion = :version${isNew ? " REMOVE #rollbackVersion" : ""}`, {
    condition: "#identity = :identity AND #revision = :revision",
    values: { ":version": version, ":identity": cluster.identity, ":revision": cluster.revision },
  });
  return (await commitUnderLease(services, lease, transaction)) ? { ...step, cluster: after } : undefined;
}

async function commitUnderLease(services: ReconcilerServices, lease: Lease, transaction: Transaction) {
  renewLease(services, transaction, lease);
  return (await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs))).length === 0;
}

/**
 * Satisfies the first prerequisite that is not satisfied.
 *
 * @returns its error or its success; undefined if all are satisfied already
 */
async function satisfyNext(
  services: ReconcilerServices,
  lease: Lease,
  context: PrerequisiteContext,
): Promise<StepError | Unfinished | undefined> {
  const next = services.prerequisites.find((each) => !each.isDone(context));
  if (next === undefined) return undefined;
  const write = (transaction: Transaction) => commitUnderLease(services, lease, transaction);
  const { value: isCommitted, error } = await callWithTimeout(services, next.operation, (signal) =>
    next.prepare(context, write, signal),
  );
  if (error !== undefined) return { ...error, isPrerequisite: true };
  return isCommitted === true ? "prepared" : "changed";
}

/** Removes what prerequisites created outside of the table. @returns the first error */
async function removePrerequisites(
  services: ReconcilerServices,
  context: PrerequisiteContext,
): Promise<StepError | undefined> {
  for (const { remove, operation } of services.prerequisites) {
    if (remove === undefined) continue;
    const { error } = await callWithTimeout(services, `undoing: ${operation}`, (signal) => remove(context, signal));
    if (error !== undefined) return { ...error, isPrerequisite: true };
  }
  return undefined;
}
