/** Deletes a cluster from the management cluster. Cluster API deletes its machines in the necessary order. */

import { isKindNotServed } from "../../kubernetes/errors.ts";
import { errorText } from "../../shared/errors.ts";
import { releaseAddress } from "./api-addresses.ts";
import { requireFence } from "./apply.ts";
import { type Call, deleteObject, getObject, listObjects, runTogether } from "./calls.ts";
import { accountIdentityKind, CLUSTER, leftoverKinds, SECRET } from "./kinds.ts";
import { ACCOUNT_ID, CLUSTER_ID, FIELD_MANAGER } from "./labels.ts";
import { type BalancedCluster, deleteLoadBalancers } from "./load-balancers.ts";
import { accountObjectName } from "./manifest.ts";
import { existing, type ObservedCluster } from "./observed-objects.ts";

/** Time limit of reading and applying credentials, in milliseconds. It leaves time for the deletion in the same call. */
const CREDENTIALS_MS = 3_000;

/** Cluster to delete. */
export interface Deletion extends BalancedCluster {
  identity: string;
  fence: number;
  /** Identity of the cloud account. */
  accountIdentity: string;
  /** Namespaces in which the provider's controllers read credentials; empty if that is the one of the cluster. */
  controllerNamespaces: readonly string[];
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
  if (!(await deleteLoadBalancers(call, deletion, cluster))) return;
  await deleteObject(call, { ...CLUSTER, name, namespace }, metadata.uid);
}

/** Returns a Cluster with the only field that a deletion changes. Its own field manager leaves all other fields unchanged. */
const unpaused = (cluster: ObservedCluster) => ({ ...CLUSTER, metadata: existing(cluster), spec: { paused: false } });

async function deleteLeftovers(call: Call, deletion: Deletion): Promise<void> {
  const { namespace, identity, type } = deletion;
  const labels = { [CLUSTER_ID]: identity };
  const tasks = leftoverKinds(type).map((kind) => async ({ client, signal }: Call) => {
    try {
      await client.deleteCollection(kind, { namespace, labels, signal });
    } catch (error) {
      // Nothing can be left of a kind that the management cluster does not have.
      if (!isKindNotServed(error)) throw error;
    }
  });
  await runTogether(call, tasks);
  if (type === "vsphere") await releaseAddress(call, identity);
  await deleteAccountObjects(call, deletion);
}

/** Deletes the identity and the Secrets of a cloud account, unless another cluster uses the account. */
async function deleteAccountObjects(call: Call, deletion: Deletion): Promise<void> {
  const { namespace, type, accountIdentity, controllerNamespaces } = deletion;
  const identity = accountIdentityKind(type);
  if (identity === undefined) return;
  if ((await listObjects(call, CLUSTER, namespace, { [ACCOUNT_ID]: accountIdentity })).length > 0) return;
  const name = accountObjectName(accountIdentity);
  const { isNamespaced, ...kind } = identity;
  await deleteObject(call, { ...kind, name, ...(isNamespaced ? { namespace } : {}) });
  const namespaces = controllerNamespaces.length === 0 ? [namespace] : controllerNamespaces;
  const tasks = namespaces.map((each) => (one: Call) => deleteObject(one, { ...SECRET, name, namespace: each }));
  await runTogether(call, tasks);
}
