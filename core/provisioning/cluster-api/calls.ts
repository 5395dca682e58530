/** Calls to a management cluster or a workload cluster, with typed results. */

import { isKubernetesError } from "../../kubernetes/errors.ts";
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
