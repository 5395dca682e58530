/** Deletes a cluster from the management cluster. Cluster API deletes its machines in the necessary order. */

import { errorText } from "../../shared/errors.ts";
import { requireFence } from "./apply.ts";
import { type Call, deleteObject, getObject } from "./calls.ts";
import { CLUSTER, typeOfCluster } from "./kinds.ts";
import { FIELD_MANAGER } from "./labels.ts";
import { deleteLeftovers, type GoneCluster } from "./leftovers.ts";
import { type BalancedCluster, deleteLoadBalancers } from "./load-balancers.ts";
import { existing, type ObservedCluster } from "./observed-objects.ts";

/** Time limit of reading and applying credentials, in milliseconds. It leaves time for the deletion in the same call. */
const CREDENTIALS_MS = 3_000;

/** Cluster to delete. */
export interface Deletion extends GoneCluster, Omit<BalancedCluster, "type"> {
  fence: number;
  /** Applies the present credentials of the cloud account, without which Cluster API cannot delete machines. */
  applyCredentials(call: Call): Promise<void>;
}

/**
 * Requests the deletion of a cluster. Once its Cluster is gone, deletes everything else that this service created for it. The call is
 * idempotent. Credentials that cannot be applied do not stop it, because the management cluster may have working ones.
 *
 * @returns true if nothing is left to delete; false if the Cluster existed
 * @throws KubernetesError; OutdatedFenceError; Error if the credentials could not be applied, after the deletion was requested
 */
export async function destroyCluster(call: Call, deletion: Deletion): Promise<boolean> {
  const { name, namespace, identity, fence } = deletion;
  const cluster = await getObject<ObservedCluster>(call, { ...CLUSTER, name, namespace });
  if (cluster === undefined) {
    await deleteLeftovers(call, deletion);
    return true;
  }
  requireFence(cluster, identity, fence);
  const refusal = await applyCredentials(call, deletion);
  await deleteCluster(call, deletion, cluster);
  if (refusal !== undefined) throw refusal;
  return false;
}

/** Applies the credentials within a time limit. @returns the error; undefined if they were applied */
async function applyCredentials({ client, signal }: Call, deletion: Deletion): Promise<Error | undefined> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(CREDENTIALS_MS)]);
  const { promise: end, reject } = Promise.withResolvers<never>();
  const expire = () => reject(new Error(`no answer within ${CREDENTIALS_MS / 1_000} s`));
  limited.addEventListener("abort", expire, { once: true });
  try {
    await Promise.race([deletion.applyCredentials({ client, signal: limited }), end]);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    const text = `the credentials of the cloud account could not be applied: ${errorText(error)}`;
    return new Error(`${text}; the cluster is deleted with those that the management cluster has`, { cause: error });
  } finally {
    limited.removeEventListener("abort", expire);
  }
}

/** Requests the deletion of a Cluster, unless it was requested before, or load balancers have to be deleted first. */
async function deleteCluster(call: Call, deletion: Deletion, cluster: ObservedCluster): Promise<void> {
  const { client, signal } = call;
  const { name, namespace } = deletion;
  const { metadata, spec } = cluster;
  // Cluster API would not delete a paused cluster.
  if (spec?.paused === true) {
    await client.apply(unpaused(cluster), { signal, fieldManager: `${FIELD_MANAGER}-deletion` });
  }
  if (metadata.deletionTimestamp !== undefined) return;
  const type = deletion.type ?? typeOfCluster(cluster);
  if (!(await deleteLoadBalancers(call, { ...deletion, type }, cluster))) return;
  await deleteObject(call, { ...CLUSTER, name, namespace }, metadata.uid);
}

/** Returns a Cluster with the only field that a deletion changes. Its own field manager leaves all other fields unchanged. */
const unpaused = (cluster: ObservedCluster) => ({ ...CLUSTER, metadata: existing(cluster), spec: { paused: false } });
