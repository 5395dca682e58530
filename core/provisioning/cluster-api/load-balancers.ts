/**
 * Deletes the load balancers of Services in a cluster before the cluster. Only the cloud controller manager in the cluster can delete them,
 * which takes up to some minutes. Afterwards they would remain in the cloud, and block the deletion of the network.
 */

import { isKindNotServed, isKubernetesError } from "../../kubernetes/errors.ts";
import { refOf } from "../../kubernetes/objects.ts";
import { absentIfNotServed, type Call, deleteObject, getObject, listObjects, runTogether } from "./calls.ts";
import type { TranslatedType } from "./input.ts";
import { CLUSTER, KAMAJI_CONTROL_PLANE } from "./kinds.ts";
import { BALANCERS, FIELD_MANAGER } from "./labels.ts";
import { existing, type ObservedCluster, type ObservedControlPlane, type ObservedObject } from "./observed-objects.ts";
import { type NamespacedName, type OpenClient, openWorkloadCluster } from "./workload-cluster.ts";

/** Time limit of the calls to the API server of the cluster in one step, in milliseconds. */
const CALLS_MS = 3_000;

/** Longest wait until the last Service is gone, in milliseconds. A cloud controller manager needs 30 to 120 s for a load balancer. */
const WAIT_MS = 5 * 60_000;

/** Longest wait for an API server that has not answered since the deletion began, in milliseconds. */
const UNANSWERED_MS = 60_000;

const SERVICE = { apiVersion: "v1", kind: "Service" };
const NODE = { apiVersion: "v1", kind: "Node" };

/** Cluster that is being deleted. */
export interface BalancedCluster extends NamespacedName {
  /** Undefined if it is not known. */
  type: TranslatedType | undefined;
  open: OpenClient;
  now: Date;
}

/** Whether a cluster has Services of type LoadBalancer; `unanswered` if its API server does not answer. */
type Found = "none" | "services" | "unanswered";

/**
 * Deletes all Services of type LoadBalancer.
 *
 * @param cluster Cluster as read, whose deletion was not requested yet
 * @returns true if the Cluster can be deleted: no load balancer is left, or nothing removes it within the limits; false to call again
 * @throws KubernetesError
 */
export async function deleteLoadBalancers(
  call: Call,
  located: BalancedCluster,
  cluster: ObservedCluster,
): Promise<boolean> {
  if (!(await canHaveBalancers(call, located, cluster))) return true;
  const [since, known] = cluster.metadata.annotations?.[BALANCERS]?.split(" ") ?? [];
  const found = await deleteServices(call, located);
  if (found === "none") return true;
  const state = found === "services" ? found : (known ?? found);
  const begin = since ?? located.now.toISOString();
  const waitedMs = located.now.getTime() - Date.parse(begin);
  // In this form, so that a text that is no time ends the wait.
  const mustWait = waitedMs < (state === "services" ? WAIT_MS : UNANSWERED_MS);
  if (mustWait && (since === undefined || state !== known)) return await mark(call, cluster, `${begin} ${state}`);
  return !mustWait;
}

/**
 * Returns whether a cluster can have load balancers that something can delete. Not in memory, not before its API server was there, and
 * not while its control plane has no pods.
 */
async function canHaveBalancers(
  call: Call,
  { name, namespace, type }: BalancedCluster,
  { status }: ObservedCluster,
): Promise<boolean> {
  if (type === "none" || status?.initialization?.controlPlaneInitialized !== true) return false;
  if (type !== "byon") return true;
  const reference = { ...KAMAJI_CONTROL_PLANE, name, namespace };
  const controlPlane = await absentIfNotServed(getObject<ObservedControlPlane>(call, reference));
  return (controlPlane?.spec?.replicas ?? 0) > 0;
}

/** Requests the deletion of the Services. @returns what is left */
async function deleteServices({ client, signal }: Call, { name, namespace, open }: BalancedCluster): Promise<Found> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(CALLS_MS)]);
  try {
    const workload = await openWorkloadCluster({ client, signal: limited }, { name, namespace }, open);
    try {
      return await deleteIn(workload);
    } finally {
      workload.client.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    // Only API servers that are not real ones have no Services.
    return isKindNotServed(error) ? "none" : "unanswered";
  }
}

async function deleteIn(workload: Call): Promise<"none" | "services"> {
  const found = await listBalanced(workload);
  if (found.length === 0) return "none";
  const tasks = found
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(
      ({ metadata }) =>
        (each: Call) =>
          deleteObject(each, refOf({ ...SERVICE, metadata })),
    );
  await runTogether(workload, tasks);
  // A Service without a load balancer has no finalizer, and is gone at once. Without a node, no manager runs that removes finalizers.
  if ((await listBalanced(workload)).length === 0) return "none";
  return (await listObjects(workload, NODE)).length === 0 ? "none" : "services";
}

async function listBalanced(workload: Call) {
  const services = await listObjects<ObservedObject & { spec?: { type?: string } }>(workload, SERVICE);
  return services.filter(({ spec }) => spec?.type === "LoadBalancer");
}

/**
 * Stores the begin of the wait, with a field manager that owns nothing else.
 *
 * @returns false; true if the API server refuses it, because the wait would have no end
 */
async function mark({ client, signal }: Call, cluster: ObservedCluster, value: string): Promise<boolean> {
  const manifest = { ...CLUSTER, metadata: { ...existing(cluster), annotations: { [BALANCERS]: value } } };
  try {
    await client.apply(manifest, { signal, fieldManager: `${FIELD_MANAGER}-load-balancers` });
    return false;
  } catch (error) {
    if (isKubernetesError(error, "refused")) return true;
    throw error;
  }
}
