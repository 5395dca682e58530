/** Calls to a management cluster or to a cluster itself, with the types of their results. */

import { isKubernetesError } from "../../kubernetes/errors.ts";
import type { KubernetesClient } from "../../kubernetes/interface.ts";
import type { ObjectKind, ObjectRef } from "../../kubernetes/objects.ts";
import type { ObservedObject } from "./observed-objects.ts";

/** Client of an API server for one call to the provisioner. */
export interface Call {
  client: KubernetesClient;
  signal: AbortSignal;
}

/** Reads an object. @returns undefined if it does not exist */
export const getObject = async <T extends ObservedObject>({ client, signal }: Call, ref: ObjectRef) =>
  (await client.get(ref, { signal })) as T | undefined;

/** Lists the objects with labels. @param namespace undefined for all namespaces */
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
 * Requests the deletion of an object. One that does not exist, or another one with its name, counts as deleted.
 *
 * @param uid of the object to delete; undefined for whichever has the name
 */
export async function deleteObject({ client, signal }: Call, ref: ObjectRef, uid?: string): Promise<void> {
  try {
    await client.delete(ref, { signal, ...(uid === undefined ? {} : { preconditions: { uid } }) });
  } catch (error) {
    if (!isKubernetesError(error, "not-found") && !isKubernetesError(error, "conflict")) throw error;
  }
}
