/** Calls to a management cluster or a workload cluster, with typed results. */

import { isKindNotServed, isKubernetesError } from "../../kubernetes/errors.ts";
import type { KubernetesClient } from "../../kubernetes/interface.ts";
import type { ObjectKind, ObjectRef } from "../../kubernetes/objects.ts";
import type { ObservedObject } from "./observed-objects.ts";

/** Client of an API server for one call to the provisioner. */
export interface Call {
  client: KubernetesClient;
  signal: AbortSignal;
}

/** Reads an object. @returns undefined if it does not exist @throws KubernetesError */
export const getObject = async <T extends ObservedObject>({ client, signal }: Call, ref: ObjectRef) =>
  (await client.get(ref, { signal })) as T | undefined;

/** Lists objects with labels. @param namespace undefined for all namespaces @throws KubernetesError */
export const listObjects = async <T extends ObservedObject>(
  { client, signal }: Call,
  kind: ObjectKind,
  namespace?: string,
  labels?: Readonly<Record<string, string>>,
) =>
  (await client.list(kind, {
    signal,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
  })) as ObservedObject[] as T[];

/** Returns whether an error shows that the user of the kubeconfig lacks a permission. */
export const isForbidden = (error: unknown): boolean =>
  isKubernetesError(error, "refused") && error.reason === "Forbidden";

/** Returns undefined instead of an object of a kind that the management cluster does not have. @throws KubernetesError for another reason */
export async function absentIfNotServed<T>(read: Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (isKindNotServed(error)) return undefined;
    throw error;
  }
}

/** Returns the result of a read; `forbidden` if the user of the kubeconfig lacks the permission. @throws KubernetesError */
export async function readIfAllowed<T>(read: Promise<T>): Promise<T | "forbidden"> {
  try {
    return await read;
  } catch (error) {
    if (isForbidden(error)) return "forbidden";
    throw error;
  }
}

/**
 * Requests the deletion of an object. An object that does not exist, or has another uid, counts as deleted.
 *
 * @param uid uid of the object to delete; undefined for any object with the name
 * @throws KubernetesError
 */
export async function deleteObject({ client, signal }: Call, ref: ObjectRef, uid?: string): Promise<void> {
  try {
    await client.delete(ref, { signal, ...(uid === undefined ? {} : { preconditions: { uid } }) });
  } catch (error) {
    if (!isKubernetesError(error, "not-found") && !isKubernetesError(error, "conflict")) throw error;
  }
}

/**
 * Runs tasks at the same time. After the first failure it aborts the calls of the others, so that none of them begins or takes effect later,
 * after calls that follow the failure.
 *
 * @returns results in the order of the tasks
 * @throws the first error, after all tasks have ended
 */
export async function runTogether<T>(
  { client, signal }: Call,
  tasks: readonly ((call: Call) => Promise<T>)[],
): Promise<T[]> {
  const failed = new AbortController();
  const call = { client, signal: AbortSignal.any([signal, failed.signal]) };
  let first: { error: unknown } | undefined;
  const run = async (task: (call: Call) => Promise<T>): Promise<T> => {
    try {
      return await task(call);
    } catch (error) {
      first ??= { error };
      failed.abort(error);
      throw error;
    }
  };
  const results = await Promise.allSettled(tasks.map(run));
  if (first !== undefined) throw (first as { error: unknown }).error;
  return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}
