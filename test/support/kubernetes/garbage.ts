/** Garbage collection by owners and namespaces. Pure functions. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import type { Stored } from "./store.ts";

/** Finalizer of an object that waits for the deletion of what it owns. */
export const FOREGROUND = "foregroundDeletion";

const isDeleted = ({ metadata }: KubernetesObject): boolean => metadata.deletionTimestamp !== undefined;

const isForeground = (object: KubernetesObject): boolean =>
  isDeleted(object) && (object.metadata.finalizers ?? []).includes(FOREGROUND);

/**
 * Finds the next work of the garbage collector.
 *
 * @returns `garbage`: object to delete, because its owners or its namespace are deleted; `released`: object that waited for others, which
 *   are gone
 */
export function findGarbage(all: readonly Stored[]): { garbage: Stored | undefined; released: Stored | undefined } {
  const owners = new Set(all.filter(({ object }) => !isForeground(object)).map(({ object }) => object.metadata.uid));
  const closing = new Set(
    all
      .filter(({ resource, object }) => resource.kind === "Namespace" && isDeleted(object))
      .map(({ object }) => object.metadata.name),
  );
  const garbage = all.find(({ object }) => {
    const { namespace = "", ownerReferences = [] } = object.metadata;
    if (isDeleted(object)) return false;
    return (
      closing.has(namespace) || (ownerReferences.length > 0 && !ownerReferences.some(({ uid }) => owners.has(uid)))
    );
  });
  if (garbage !== undefined) return { garbage, released: undefined };
  const owned = new Set(all.flatMap(({ object }) => object.metadata.ownerReferences?.map(({ uid }) => uid) ?? []));
  const used = new Set(all.map(({ object }) => object.metadata.namespace));
  const released = all.find(({ resource, object }) => {
    if (resource.kind === "Namespace") return isDeleted(object) && !used.has(object.metadata.name);
    return isForeground(object) && !owned.has(object.metadata.uid ?? "");
  });
  return { garbage, released };
}

/** Returns whether an object whose deletion was requested is gone. */
export function isEnded({ resource, object }: Stored, all: readonly Stored[]): boolean {
  if (!isDeleted(object) || (object.metadata.finalizers ?? []).length > 0) return false;
  return resource.kind !== "Namespace" || !all.some((each) => each.object.metadata.namespace === object.metadata.name);
}
